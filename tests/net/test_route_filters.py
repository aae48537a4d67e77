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
  - {{ name: catch, match: {{ host: e, path: {{ regex: "/.*" }} }}, upstream: origin }}
  - {{ name: moved, match: {{ path: /old/* }}, redirect: {{ status: 301, path: /new/* }} }}
  - {{ name: secure, match: {{ path: /secure/* }}, redirect: {{ status: 308, scheme: https }} }}
  - {{ name: away, match: {{ path: /away }}, redirect: {{ host: other, port: 8080 }} }}
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

    def got(self, path, said=b"", host=b"h:8"):
        """The answer, and what the endpoint was asked, or None."""
        name = scripted.token()
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
])
def test_path_and_host_are_rewritten_and_the_query_stays(shunt, path, host, target, told):
    answer, seen, name = shunt.got(path, host=host)
    assert answer.status == 200
    assert (seen.target, seen.one(b"host")) == (target + b"?" + name, told)


def test_fields_are_set_added_and_removed(shunt):
    answer, seen, name = shunt.got(b"/fields", b"X-A: mine\r\nX-B: 1\r\nx-c: 3\r\nX-D: 4\r\n")
    assert seen.all(b"x-a") == [b"127.0.0.1 h/fields?" + name + b" GET http fields"]
    assert seen.all(b"x-b") == [b"1", b"2"]
    assert (seen.all(b"x-c"), seen.all(b"x-d")) == ([], [b"4"])
    assert (answer.all(b"x-origin"), answer.all(b"vary")) == ([b"origin"], [b"accept"])


def test_a_group_is_a_variable_of_fields_too(shunt):
    assert shunt.got(b"/users/7", host=b"e")[1].all(b"x-id") == [b"7"]


@pytest.mark.parametrize("path,status,location", [
    (b"/old/a", 301, b"http://h:8/new/a"),
    (b"/secure/a", 308, b"https://h/secure/a"),
    (b"/away", 302, b"http://other:8080/away"),
])
def test_a_redirect_changes_what_it_names_and_keeps_the_rest(shunt, path, status, location):
    answer, seen, name = shunt.got(path)
    assert (answer.status, answer.all(b"location"), seen) == (status, [location + b"?" + name], None)


def test_a_user_stays_with_a_share_and_both_shares_have_users(shunt):
    kept = [{shunt.got(b"/split", b"Cookie: a=b; user=%d\r\n" % user)[0].status for _ in range(3)}
            for user in range(24)]
    assert all(len(one) == 1 for one in kept)
    assert set().union(*kept) == {200, 503}
