"""What routes change of requests and responses, redirects that are made of parts, and splits."""
import pytest

from tests.harness import scripted
from tests.harness.plain import Plain

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all }}
node: {{ tunnel_address: 127.0.0.1 }}
routes:
  all:
  - {{ name: plain, upstream: origin }}
  - {{ name: below, match: {{ path: /shop/* }}, upstream: origin,
      filters: {{ rewrite: {{ host: shop.internal, path: /new/* }} }} }}
  - {{ name: root, match: {{ path: /cut/* }}, upstream: origin, filters: {{ rewrite: {{ path: /* }} }} }}
  - {{ name: whole, match: {{ path: /whole/* }}, upstream: origin, filters: {{ rewrite: {{ path: /one }} }} }}
  - {{ name: fields, match: {{ path: /fields }}, upstream: origin, filters: {{
      request_headers: {{ set: {{ x-a: "${{client}} ${{host}}${{path}}?${{query}} ${{method}} ${{scheme}} ${{route}}" }},
        add: {{ x-b: "2" }}, remove: [X-C] }},
      response_headers: {{ set: {{ x-origin: "${{upstream}}" }}, add: {{ vary: accept }}, remove: [X-Gone] }} }} }}
  - {{ name: groups, match: {{ host: e, path: {{ regex: "/users/(?<id>[0-9]+)(/.*)?" }} }}, upstream: origin,
      filters: {{ rewrite: {{ path: "/account-${{id}}${{2}}" }}, request_headers: {{ set: {{ x-id: "${{1}}" }} }} }} }}
  - {{ name: tenant, match: {{ host: e, path: {{ regex: "/t/(?<who>[^/]*)(/.*)" }} }}, upstream: origin,
      filters: {{ rewrite: {{ host: "${{who}}.example.com:81", path: "/in${{2}}" }} }} }}
  - {{ name: moved, match: {{ path: /old/* }}, redirect: {{ status: 301, path: /new/* }} }}
  - {{ name: secure, match: {{ path: /secure/* }}, redirect: {{ status: 308, scheme: https }} }}
  - {{ name: away, match: {{ path: /away }}, redirect: {{ host: other, port: 8080 }} }}
  - {{ name: all parts, match: {{ host: e, path: {{ regex: "/from/(?<id>[a-z]+)/(.*)" }} }},
      redirect: {{ status: 307, scheme: https, host: "${{id}}.example.com", port: 8443, path: "/to/${{2}}" }} }}
  - {{ name: any host, match: {{ host: e, path: {{ regex: "/from-any/([^/]*)/.*" }} }},
      redirect: {{ host: "${{1}}.example.com" }} }}
  - {{ name: seen, match: {{ path: /code/301 }}, redirect: {{ status: 301, path: /x }} }}
  - {{ name: found, match: {{ path: /code/302 }}, redirect: {{ path: /x }} }}
  - {{ name: other, match: {{ path: /code/303 }}, redirect: {{ status: 303, path: /x }} }}
  - {{ name: kept, match: {{ path: /code/307 }}, redirect: {{ status: 307, path: /x }} }}
  - {{ name: for good, match: {{ path: /code/308 }}, redirect: {{ status: 308, path: /x }} }}
  - {{ name: each, match: {{ host: e, path: {{ regex: "/v/(?<id>[a-z]+)/([0-9]+)(/none)?" }} }}, upstream: origin,
      filters: {{ request_headers: {{ set: {{ v-client: "${{client}}", v-route: "${{route}}", v-upstream: "${{upstream}}",
      v-host: "${{host}}", v-path: "${{path}}", v-query: "${{query}}", v-method: "${{method}}", v-scheme: "${{scheme}}",
      v-id: "${{id}}", v-1: "${{1}}", v-2: "<${{2}}>", v-3: "<${{3}}>" }} }},
      response_headers: {{ set: {{ v-client: "${{client}}", v-route: "${{route}}", v-upstream: "${{upstream}}" }} }} }} }}
  - {{ name: catch, match: {{ host: e, path: {{ regex: "/.*" }} }}, upstream: origin }}
  - {{ name: split, match: {{ path: /split }}, sticky: {{ cookie: user }},
      split: [ {{ upstream: origin, weight: 1 }}, {{ upstream: none, weight: 1 }} ] }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
  none: {{ endpoints: [] }}
"""


class Filtering(Plain):
    """A route for each change."""

    def configuration(self):
        return CONFIG.format(port=self.port, origin=self.origin.port)

    def got(self, path, said=b"", host=b"h:8", fields=None):
        """The answer, and what the endpoint was asked, or None. fields: of the endpoint's answer."""
        name = scripted.token()
        if fields is not None:
            self.origin.answers[name] = scripted.Answer((b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%s\r\n" % fields,))
        client = self.client()
        client.send(b"GET %s?%s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path, name, host, said))
        answer = client.read_answer()
        client.sock.close()
        assert answer, client.got
        seen = self.origin.whole(name)
        return answer, seen[0] if seen else None, name


@pytest.fixture(scope="module")
def shunt():
    with Filtering() as made:
        yield made


@pytest.mark.parametrize("path,host,target,told", [
    (b"/x", b"h:8", b"/x", b"h:8"),
    (b"/shop/a/b", b"h:8", b"/new/a/b", b"shop.internal"),
    (b"/shop", b"h:8", b"/new", b"shop.internal"),
    (b"/cut/a", b"h:8", b"/a", b"h:8"),
    (b"/cut", b"h:8", b"/", b"h:8"),
    (b"/whole/a/b", b"h:8", b"/one", b"h:8"),
    (b"/users/42/x%20y", b"e", b"/account-42/x%20y", b"e"),
    (b"/users/42", b"e", b"/account-42", b"e"),
    (b"/users/none", b"e", b"/users/none", b"e"),
    (b"/t/abc/x/y", b"e", b"/in/x/y", b"abc.example.com:81"),
])
def test_path_and_host_are_rewritten_and_the_query_stays(shunt, path, host, target, told):
    answer, seen, name = shunt.got(path, host=host)
    assert answer.status == 200
    assert (seen.target, seen.one(b"host")) == (target + b"?" + name, told)


@pytest.mark.parametrize("who", [b"a%20b", b"a:b", b"x@y", b"a" * 250])
def test_what_a_path_makes_no_host_of_is_refused(shunt, who):
    answer, seen, _ = shunt.got(b"/t/" + who + b"/x", host=b"e")
    assert (answer.status, seen) == (400, None)
    answer, seen, _ = shunt.got(b"/from-any/" + who + b"/x", host=b"e")
    assert (answer.status, seen, answer.all(b"location")) == (400, None, [])


def test_fields_are_set_added_and_removed(shunt):
    answer, seen, name = shunt.got(b"/fields", b"X-A: mine\r\nX-B: 1\r\nx-c: 3\r\nX-D: 4\r\n")
    assert seen.all(b"x-a") == [b"127.0.0.1 h/fields?" + name + b" GET http fields"]
    assert seen.all(b"x-b") == [b"1", b"2"]
    assert (seen.all(b"x-c"), seen.all(b"x-d")) == ([], [b"4"])
    assert (answer.all(b"x-origin"), answer.all(b"vary")) == ([b"origin"], [b"accept"])


def test_fields_of_an_answer_are_set_added_and_removed(shunt):
    fields = b"X-Origin: its own\r\nVary: cookie\r\nX-Gone: 1\r\nx-gone: 2\r\nX-Stays: 3\r\n"
    answer = shunt.got(b"/fields", fields=fields)[0]
    assert (answer.all(b"x-origin"), answer.all(b"vary")) == ([b"origin"], [b"cookie", b"accept"])
    assert (answer.all(b"x-gone"), answer.all(b"x-stays")) == ([], [b"3"])
    # Where the route has no filter, nothing is changed.
    answer = shunt.got(b"/x", fields=fields)[0]
    assert (answer.all(b"x-origin"), answer.all(b"x-gone")) == ([b"its own"], [b"1", b"2"])


def test_each_variable_is_what_it_says(shunt):
    answer, seen, name = shunt.got(b"/v/abc/42", host=b"E:8")
    got = {field: seen.one(b"v-" + field) for field in (b"client", b"route", b"upstream", b"host", b"path", b"query",
                                                        b"method", b"scheme", b"id", b"1", b"2", b"3")}
    assert got == {b"client": b"127.0.0.1", b"route": b"each", b"upstream": b"origin", b"host": b"E",
                   b"path": b"/v/abc/42", b"query": name, b"method": b"GET", b"scheme": b"http", b"id": b"abc",
                   b"1": b"abc", b"2": b"<42>", b"3": b"<>"}
    assert [answer.one(b"v-" + field) for field in (b"client", b"route", b"upstream")] == [
        b"127.0.0.1", b"each", b"origin"]


def test_a_group_is_a_variable_of_fields_too(shunt):
    assert shunt.got(b"/users/7", host=b"e")[1].all(b"x-id") == [b"7"]


@pytest.mark.parametrize("path,status,location", [
    (b"/old/a", 301, b"http://h:8/new/a"),
    (b"/secure/a", 308, b"https://h/secure/a"),
    (b"/away", 302, b"http://other:8080/away"),
    (b"/from/abc/d/e", 307, b"https://abc.example.com:8443/to/d/e"),
    *((b"/code/%d" % status, status, b"http://h:8/x") for status in (301, 302, 303, 307, 308)),
])
def test_a_redirect_changes_what_it_names_and_keeps_the_rest(shunt, path, status, location):
    answer, seen, name = shunt.got(path, host=b"e" if path.startswith(b"/from") else b"h:8")
    assert (answer.status, answer.all(b"location"), seen) == (status, [location + b"?" + name], None)


def test_a_user_stays_with_a_share_and_both_shares_have_users(shunt):
    kept = [{shunt.got(b"/split", b"Cookie: a=b; user=%d\r\n" % user)[0].status for _ in range(3)}
            for user in range(24)]
    assert all(len(one) == 1 for one in kept)
    assert set().union(*kept) == {200, 503}
    # Another process, as after a restart or on a second node, sends each to the same one.
    with Filtering() as other:
        assert kept == [{other.got(b"/split", b"Cookie: user=%d\r\n" % user)[0].status} for user in range(24)]
