"""How long parts of an exchange may last by their route, on loopback: no devices, no namespaces."""
import contextlib
import socket
import threading

import pytest

from tests.harness import scripted
from tests.harness.plain import Plain

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all,
          timeouts: {{ head: 10m, idle: 10m, body: 10m, response: 10m }} }}
      - {{ port: {hasty}, protocol: http, routes: plain,
          timeouts: {{ body: 10m, response: 10m, request: 150ms, total: 1500ms }} }}
node: {{ tunnel_address: 127.0.0.1 }}
routes:
  plain: [ {{ name: all, upstream: origin }}  ]
  all:
    - {{ name: connect, match: {{ path: /connect/* }}, upstream: full, timeouts: {{ connect: 100ms }} }}
    - {{ name: head, match: {{ path: /head/* }}, upstream: origin, timeouts: {{ head: 100ms }} }}
    - {{ name: idle, match: {{ path: /idle/* }}, upstream: origin, timeouts: {{ idle: 100ms }} }}
    - {{ name: request, match: {{ path: /request/* }}, upstream: origin, timeouts: {{ request: 200ms }} }}
    - {{ name: total, match: {{ path: /total/* }}, upstream: origin, timeouts: {{ total: 1s }} }}
    - {{ name: backoff, match: {{ path: /backoff/* }}, upstream: two, timeouts: {{ total: 700ms }},
        retry: {{ on: [reset], backoff: 10s }} }}
    - {{ name: reach, match: {{ path: /reach/* }}, upstream: full, timeouts: {{ total: 100ms }} }}
    - {{ name: calm, match: {{ path: /calm/* }}, upstream: origin,
        timeouts: {{ connect: 1m, head: 1m, idle: 1m, request: 1m, total: 1m }} }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
  two: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }}, {{ address: "127.0.0.2:{origin}" }} ] }}
  full: {{ endpoints: [ {{ address: "127.0.0.1:{full}" }} ], connect_timeout: 60s }}
"""
SILENT, RESET = scripted.Answer(()), scripted.Answer((), "reset")
STALLED = scripted.Answer((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",))


class Timed(Plain):
    """full: its port takes no connections, as its queue is full."""

    def __init__(self):
        super().__init__()
        self.full = socket.socket()
        self.full.bind(("127.0.0.1", 0))
        self.full.listen(0)
        self.fillers = []

    def fill(self):
        """Connections that nobody accepts, until one has to wait."""
        while True:
            sock = socket.socket()
            self.fillers.append(sock)
            sock.settimeout(0.3)
            try:
                sock.connect(self.full.getsockname())
            except OSError:
                return

    def start(self):
        self.fill()
        super().start()

    def close(self):
        super().close()
        for sock in self.fillers + [self.full]:
            sock.close()

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port,
                             full=self.full.getsockname()[1])

    def ask_in(self, path, answer, body=b"", promised=None, hasty=False):
        """A request with as much of its body: the status (None: cut), and its line of the log."""
        name, client = scripted.token(), self.client(hasty)
        self.origin.answers[name] = answer
        framing = b"Content-Length: %d\r\n" % promised if promised else b""
        client.send(b"%s %s%s HTTP/1.1\r\nHost: a.example\r\n%s\r\n%s" %
                    (b"PUT" if promised else b"GET", path, name, framing, body))
        got = client.read_answer(b"PUT" if promised else b"GET")
        client.sock.close()
        line = [line for line in self.accesses() if name.decode() in line.get("path", "")][-1]
        return got, line


@pytest.fixture(name="shunt", scope="module")
def shunt_fixture():
    with Timed() as shunt:
        yield shunt


@pytest.mark.parametrize("path,answer,status,end,said", [
    (b"/connect/", None, 504, "connect_timeout", ""),
    (b"/head/", SILENT, 504, "response_timeout", ""),
    (b"/idle/", STALLED, 200, "endpoint_stalled", ""),
    (b"/total/", SILENT, 504, "total_timeout", "while the endpoint was to answer"),
    (b"/total/", STALLED, 200, "total_timeout", "while the response came"),
    (b"/backoff/", RESET, 504, "total_timeout", "while a retry waited"),
    (b"/reach/", None, 504, "total_timeout", "while it connected"),
])
def test_what_the_endpoint_does_not_do_in_time(shunt, path, answer, status, end, said):
    got, line = shunt.ask_in(path, answer)
    assert line["end"] == end and said in line["error"], line
    assert line["status"] == status
    if status == 504:
        assert got.status == 504 and said.encode() in got.body, got
    else:
        assert not got or len(got.body) < 100, "it was cut"


@pytest.mark.parametrize("path,end,said", [
    (b"/idle/", "body_timeout", ""),
    (b"/request/", "request_timeout", ""),
    (b"/total/", "total_timeout", "while the request came"),
])
def test_what_the_client_does_not_send_in_time(shunt, path, end, said):
    got, line = shunt.ask_in(path, None, b"half", 100)
    assert got.status == 408 and line["end"] == end and said in line["error"], (got, line)


@pytest.mark.parametrize("promised,end,status", [(100, "request_timeout", 408), (None, "total_timeout", 504)])
def test_a_listener_says_it_for_routes_that_do_not(shunt, promised, end, status):
    got, line = shunt.ask_in(b"/", SILENT, b"half" if promised else b"", promised, hasty=True)
    assert got.status == status and line["end"] == end, (got, line)


def test_a_body_that_moves_all_the_time_is_bounded_by_the_whole_only(shunt):
    """A byte now and then keeps it from being idle; that it is not whole in time is what ends it."""
    name, client, over = scripted.token(), shunt.client(), threading.Event()
    client.send(b"PUT /request/%s HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100000\r\n\r\n" % name)

    def drip():
        with contextlib.suppress(OSError):
            while not over.wait(0.02):
                client.sock.sendall(b"x")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    got = client.read_answer(b"PUT")
    over.set()
    thread.join()
    client.sock.close()
    assert got.status == 408 and shunt.accesses()[-1]["end"] == "request_timeout"


def test_what_is_in_time_is_left_alone_and_its_connection_serves_on(shunt):
    client = shunt.client()
    for _ in range(20):
        client.send(b"PUT /calm/%s HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody" %
                    scripted.token())
        assert client.read_answer(b"PUT").status == 200
    client.sock.close()
