"""How much a route takes of its clients, on loopback: no devices, no namespaces."""
import socket
import time

import pytest

from tests.harness import plain, scripted
from tests.harness.explaining import SHUNTCTL
from tests.harness.run import PATIENCE, run, wait_until

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all }}
      - {{ port: {hasty}, protocol: http, routes: all }}
node: {{ tunnel_address: 127.0.0.1 }}
routes:
  all:
    - {{ name: small, match: {{ path: /small/* }}, upstream: origin, limits: {{ body: 1000 }} }}
    - {{ name: none, match: {{ path: /none/* }}, upstream: origin, limits: {{ body: 0 }} }}
    - {{ name: few, match: {{ path: /few/* }}, upstream: origin, limits: {{ requests: 3 }} }}
    - {{ name: own, match: {{ path: /own/* }}, upstream: origin, limits: {{ requests_per_source: 2 }} }}
    - {{ name: pace, match: {{ path: /pace/* }}, upstream: origin, limits: {{ rate: 5/h }} }}
    - {{ name: login, match: {{ path: /login/* }}, upstream: origin, limits: {{ rate_per_source: 1/h, burst_per_source: 4 }} }}
    - {{ name: soon, match: {{ path: /soon/* }}, upstream: origin, limits: {{ rate: 2/s, burst: 1 }} }}
    - {{ name: page, match: {{ path: /page }}, respond: {{ status: 200, body: here }}, limits: {{ rate: 2/h }} }}
    - {{ name: rest, upstream: origin }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
"""


class Rationed(plain.Plain):
    def __init__(self):
        super().__init__()
        self.more = ["--workers", "2"]

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port)

    def connect(self, source="127.0.0.1"):
        client = plain.Client.__new__(plain.Client)
        client.got, client.ending, client.broken = b"", None, False
        client.sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))
        return client

    def get(self, path, source="127.0.0.1"):
        client = self.connect(source)
        client.send(b"GET %s/%s HTTP/1.1\r\nHost: h\r\n\r\n" % (path, scripted.token()))
        answer = client.read_answer()
        client.sock.close()
        return answer

    def begin(self, path, source="127.0.0.1"):
        """A request that its endpoint keeps."""
        name, client = scripted.token(), self.connect(source)
        self.origin.answers[name] = scripted.Answer(())
        client.send(b"GET %s/%s HTTP/1.1\r\nHost: h\r\n\r\n" % (path, name))
        wait_until(lambda: self.origin.whole(name), "it is there")
        return client


@pytest.fixture(scope="module")
def shunt():
    with Rationed() as made:
        yield made


def post(shunt, path, head, body=b""):
    client, name = shunt.connect(), scripted.token()
    client.send(b"POST %s/%s HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n%s" % (path, name, head, body))
    return client.read_answer(), client, name


def goes_on(client):
    """Its next request is understood."""
    client.send(b"GET /rest/%s HTTP/1.1\r\nHost: h\r\n\r\n" % scripted.token())
    answer = client.read_answer()
    return answer and answer.status == 200


def counted(shunt, counter, made):
    before = shunt.stats()[counter]
    out = made()
    wait_until(lambda: shunt.stats()[counter] > before, f"{counter} is counted")
    return out


BODIES = [
    ("as long as it may be", b"/small", b"Content-Length: 1000", b"x" * 1000, 200),
    ("a byte more", b"/small", b"Content-Length: 1001", b"", 413),
    ("very much more, and it is not waited for", b"/small", b"Content-Length: 99999999999", b"", 413),
    ("and not asked for", b"/small", b"Content-Length: 1001\r\nExpect: 100-continue", b"", 413),
    ("chunked, in time", b"/small", b"Transfer-Encoding: chunked", b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n", 200),
    ("chunked, too long", b"/small", b"Transfer-Encoding: chunked", b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n", 413),
    ("chunked, too long in many chunks", b"/small", b"Transfer-Encoding: chunked", b"64\r\n" + b"x" * 100 + b"\r\n"
     + b"64\r\n" + b"x" * 100 + b"\r\n" + b"321\r\n" + b"x" * 801, 413),
    ("none where none may be", b"/none", b"Content-Length: 0", b"", 200),
    ("one where none may be", b"/none", b"Content-Length: 1", b"x", 413),
    ("any", b"/rest", b"Content-Length: 100000", b"x" * 100000, 200),
]


@pytest.mark.parametrize("path,head,body,status", [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_a_body_may_be_so_long(shunt, path, head, body, status):
    answer, client, name = post(shunt, path, head, body)
    assert answer.status == status, (answer, client.got)
    # Where the next request begins is not known, unless all of this one was read.
    if status == 200 or body.endswith(b"\r\n0\r\n\r\n"):
        assert goes_on(client), (client.got, client.ending)
        client.sock.close()
    else:
        assert client.read_all().ending in ("eof", "reset")
    if status == 413:
        assert b"body is longer than this route takes" in answer.body
        assert not shunt.origin.whole(name)
        assert [line["end"] for line in shunt.accesses() if line["path"].endswith(name.decode())] == ["body_limit"]


def test_a_body_that_becomes_too_long_behind_the_answer_is_cut(shunt):
    client, name = shunt.connect(), scripted.token()
    shunt.origin.answers[name] = scripted.Answer((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",))
    client.send(b"POST /small/%s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n" % name + b"x" * 900 + b"\r\n")
    before = shunt.stats()["limited_body"]
    while not client.broken and shunt.stats()["limited_body"] == before:
        client.send(b"64\r\n" + b"x" * 100 + b"\r\n")
    client.read_all(time.monotonic() + PATIENCE)
    assert client.ending in ("reset", "eof") and shunt.accesses()[-1]["end"] == "body_limit"


def test_so_many_at_once_over_both_workers(shunt):
    held = [shunt.begin(b"/few") for _ in range(3)]
    refused = counted(shunt, "limited_requests", lambda: shunt.get(b"/few"))
    assert refused.status == 503 and refused.one(b"retry-after") == b"1"
    assert shunt.get(b"/rest").status == 200  # the others are not meant
    told = run(SHUNTCTL, "explain", f"GET http://127.0.0.1:{shunt.port}/few/x", "--from", "127.0.0.1", "--admin",
               shunt.path("admin.sock")).stdout
    assert "this route has as many requests as it takes at once" in told
    idle = run(SHUNTCTL, "explain", f"GET http://127.0.0.1:{shunt.port}/few/x", "--config", shunt.path("plain.yaml"),
               "--admin", shunt.path("admin.sock")).stdout
    assert "as many requests" not in idle and f"127.0.0.1:{shunt.origin.port}" in idle  # by which nobody runs
    held.pop().reset()
    wait_until(lambda: shunt.get(b"/few").status == 200, "the place of one that has gone")
    shunt.reload()  # does not forget who is under way
    one_more = shunt.begin(b"/few")
    assert shunt.get(b"/few").status == 503
    for client in held + [one_more]:
        client.reset()
    wait_until(lambda: shunt.get(b"/few").status == 200, "room for all again")


def test_so_many_of_one_client_and_others_are_served(shunt):
    held = [shunt.begin(b"/own", "127.0.0.2") for _ in range(2)]
    refused = counted(shunt, "limited_source_requests", lambda: shunt.get(b"/own", "127.0.0.2"))
    assert refused.status == 429 and refused.one(b"retry-after") == b"1"
    assert shunt.get(b"/own", "127.0.0.3").status == 200
    held.pop().reset()
    wait_until(lambda: shunt.get(b"/own", "127.0.0.2").status == 200, "the place of one that has gone")
    held.pop().reset()


def test_a_rate_for_all(shunt):
    answers = [shunt.get(b"/pace", f"127.0.0.{2 + n % 3}").status for n in range(20)]
    assert answers == [200] * 5 + [429] * 15
    refused = counted(shunt, "limited_rate", lambda: shunt.get(b"/pace"))
    assert 500 < int(refused.one(b"retry-after")) <= 720
    shunt.reload()
    assert shunt.get(b"/pace").status == 429


def test_a_rate_for_each_client(shunt):
    for source in ("127.0.0.2", "127.0.0.3"):
        assert [shunt.get(b"/login", source).status for _ in range(6)] == [200] * 4 + [429] * 2
    counted(shunt, "limited_source_rate", lambda: shunt.get(b"/login", "127.0.0.2"))
    assert shunt.accesses()[-1]["end"] == "source_rate"


def test_who_comes_later_is_let_in(shunt):
    assert shunt.get(b"/soon").status == 200
    wait_until(lambda: shunt.get(b"/soon").status == 200, "the next one's time")


def test_our_own_answers_are_limited_as_well_and_the_connection_goes_on(shunt):
    client = shunt.connect()
    got = []
    for _ in range(4):
        client.send(b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n")
        got.append(client.read_answer().status)
    assert got == [200, 200, 429, 429]
    client.send(b"GET /rest/%s HTTP/1.1\r\nHost: h\r\n\r\n" % scripted.token())
    assert client.read_answer().status == 200
    client.sock.close()


WRONG = [
    ("requests: 0", 'expected a number from 1 to 1000000 for "requests", found "0"'),
    ("rate: 100", 'expected a rate from 1 to 1000000 such as 100/s, 5/m or 1000/h for "rate", found "100"'),
    ("rate: 0/s", 'found "0/s"'),
    ("rate: 9999999/s", 'found "9999999/s"'),
    ("rate: 5/d", 'found "5/d"'),
    ("rate_per_source: [5/m]", 'for "rate_per_source", found a list'),
    ("burst: 5", '"burst" is of use only with "rate"'),
    ("rate: 5/s, burst_per_source: 5", '"burst_per_source" is of use only with "rate_per_source"'),
    ("body: many", 'expected a size such as'),
    ("request: 5", 'unknown key "request"'),
]


@pytest.mark.parametrize("limits,sentence", WRONG, ids=[row[0] for row in WRONG])
def test_wrong_limits_are_told(tmp_path, limits, sentence):
    file = tmp_path / "c.yaml"
    file.write_text(f"upstreams: {{ u: {{ endpoints: [] }} }}\nroutes: {{ r: [ {{ name: x, upstream: u, limits: {{ {limits} }} }} ] }}\n",
                    encoding="utf-8")
    got = run(SHUNTCTL, "check", str(file), check=False)
    assert got.returncode == 1 and f"{file}:2:" in got.stderr and sentence in got.stderr, got.stderr
