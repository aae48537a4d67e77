"""What is made of requests that an endpoint may read otherwise than we do, listener by listener."""
import pytest

from tests.harness import scripted
from tests.harness.plain import Client, Plain

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all }}
      - {{ port: {hasty}, protocol: http, routes: all, requests: {{}} }}
      - {{ port: {refuse}, protocol: http, routes: all,
          requests: {{ dot_segments: refuse, encoded_slashes: refuse, underscores: refuse }} }}
      - {{ port: {keep}, protocol: http, routes: all,
          requests: {{ dot_segments: keep, encoded_slashes: keep, underscores: keep }} }}
      - {{ port: {decode}, protocol: http, routes: all, requests: {{ encoded_slashes: decode }} }}
      - {{ port: {slashes}, protocol: http, routes: all, requests: {{ encoded_slashes: keep }} }}
node: {{ tunnel_address: 127.0.0.1 }}
routes:
  all:
    - {{ name: secret, match: {{ path: /secret/* }}, respond: {{ status: 403 }} }}
    - {{ name: exact, match: {{ path: "/a%2Fsecret" }}, respond: {{ status: 410 }} }}
    - {{ name: field, match: {{ headers: {{ x_mode: secret }} }}, respond: {{ status: 418 }} }}
    - {{ name: all, upstream: origin }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
tests:
  - {{ request: "GET http://h:{port}/x/../secret", route: secret }}
  - {{ request: "GET http://h:{keep}/x/../secret", route: all }}
  - {{ request: "GET http://h:{slashes}/a%2fsecret", route: exact }}
"""


class Rules(Plain):
    """A listener for each way to read requests."""

    def __init__(self):
        super().__init__()
        self.refuse, self.keep, self.decode, self.slashes = self.free_ports(4)

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port,
                             refuse=self.refuse, keep=self.keep, decode=self.decode,
                             slashes=self.slashes)

    def sent(self, listener, name, path, rest=b"\r\n", method=b"GET"):
        """The status, and the request as the endpoint got it (None where it got none)."""
        client = Client(getattr(self, listener))
        client.send(method + b" " + path.replace(b"ID", name) + b" HTTP/1.1\r\nHost: h\r\nX-Id: "
                    + name + b"\r\n" + rest)
        answer = client.read_answer()
        client.sock.close()
        assert answer, (client.got, client.ending)
        seen = self.origin.whole(name)
        assert len(seen) == (1 if answer.status == 200 else 0), seen
        return answer.status, seen[0] if seen else None


@pytest.fixture(scope="module")
def shunt():
    with Rules() as made:
        yield made


PATHS = [  # listener, path, status, what the endpoint gets
    ("port", b"/x/../ID/./a", 200, b"/ID/a"),
    ("port", b"/x/../secret/ID", 403, None),
    ("port", b"/x/%2e%2e/%73ecret/ID", 403, None),
    ("port", b"/ID%2fa", 400, None),
    ("port", b"/../ID", 400, None),
    ("hasty", b"/x/../ID/", 200, b"/ID/"),
    ("refuse", b"/ID/a.b/..c", 200, b"/ID/a.b/..c"),
    ("refuse", b"/ID/./a", 400, None),
    ("refuse", b"/ID/x/%2e%2e/a", 400, None),
    ("keep", b"/x/../secret/ID", 200, b"/x/../secret/ID"),
    ("keep", b"/secret/../ID", 403, None),
    ("keep", b"/../ID%2f..", 200, b"/../ID%2F.."),
    ("keep", b"/ID%5cb", 400, None),
    ("decode", b"/x%2f..%2FID%2Fa", 200, b"/ID/a"),
    ("decode", b"/x/..%2fsecret%2fID", 403, None),
    ("decode", b"/..%2fID", 400, None),
    ("slashes", b"/x/../ID%2fa", 200, b"/ID%2Fa"),
    ("slashes", b"/ID/x%2f..%2fa", 400, None),
    ("slashes", b"/a%2fsecret", 410, None),
    ("slashes", b"/secret%2fID", 200, b"/secret%2FID"),
]


@pytest.mark.parametrize("row", PATHS, ids=lambda row: row[0] + row[1].decode())
def test_the_routed_path_is_the_forwarded_path(shunt, row):
    listener, path, status, want = row
    name = scripted.token()
    got, seen = shunt.sent(listener, name, path)
    assert got == status
    assert (seen.target if seen else None) == (want and want.replace(b"ID", name))


FIELDS = [  # listener, field, status, whether the endpoint gets it
    ("port", b"X-A: 1", 200, True),
    ("port", b"X_A: 1", 200, False),
    ("port", b"Content_Length: 7", 200, False),
    ("port", b"Transfer_Encoding: chunked", 200, False),
    ("port", b"Proxy: http://evil.example/", 200, False),
    ("port", b"x_mode: secret", 200, False),
    ("refuse", b"X_A: 1", 400, False),
    ("refuse", b"PROXY: http://evil.example/", 200, False),
    ("keep", b"X_A: 1", 200, True),
    ("keep", b"x_mode: secret", 418, False),
    ("keep", b"Content_Length: 7", 200, False),
    ("keep", b"X_Forwarded-For: 1.2.3.4", 200, False),
    ("keep", b"X_Request-ID: forged", 200, False),
    ("keep", b"pRoxy: http://evil.example/", 200, False),
]


@pytest.mark.parametrize("row", FIELDS, ids=lambda row: row[0] + " " + row[1].decode())
def test_fields_that_look_like_others_are_treated_as_the_listener_says(shunt, row):
    listener, field, status, passed = row
    got, seen = shunt.sent(listener, scripted.token(), b"/", field + b"\r\n\r\n")
    assert got == status
    assert passed == bool(seen and seen.all(field.split(b":")[0].lower()))


@pytest.mark.parametrize("listener, passed", [
    ("port", [b"x-sum"]), ("refuse", [b"x-sum"]), ("keep", [b"x-sum", b"x_sum"])])
def test_trailers_are_held_to_the_same(shunt, listener, passed):
    body = (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nX_Sum: 2\r\n"
            b"Proxy: x\r\nContent_Length: 9\r\n\r\n")
    _, seen = shunt.sent(listener, scripted.token(), b"/", body, b"POST")
    end = seen.raw.rsplit(b"0\r\n", 1)[1].lower()
    assert [line.split(b":")[0] for line in end.split(b"\r\n") if line] == passed


def test_the_log_says_why(shunt):
    name = scripted.token()
    shunt.sent("refuse", name, b"/ID", b"X_A: 1\r\n\r\n")
    line = [line for line in shunt.accesses() if line["path"] == "/" + name.decode()][0]
    assert (line["status"], line["end"]) == (400, "bad_field")
