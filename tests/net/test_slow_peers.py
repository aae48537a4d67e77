"""Peers that move just enough never to be idle: hundreds of them, beside a client who is served."""
import collections
import select
import socket
import threading
import time

import pytest

from tests.harness import scripted
from tests.harness.plain import Client, Plain
from tests.harness.run import PATIENCE, wait_until

LIMIT = 4 * PATIENCE  # seconds until what should have been cut is a failure

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all,
          timeouts: {{ head: 10m, idle: 10m, body: 10m, response: 10m }},
          rates: {{ request: 500, response: 500, endpoint: 500, over: 1s }} }}
      - {{ port: {hasty}, protocol: http, routes: all, timeouts: {{ body: 4s }},
          rates: {{ request: 0, response: 0, endpoint: 0 }} }}
node: {{ tunnel_address: 127.0.0.1 }}
routes:
  all:
    - {{ name: deaf, match: {{ path: /deaf }}, upstream: deaf }}
    - {{ name: drip, match: {{ path: /drip }}, upstream: drip }}
    - {{ name: all, upstream: origin }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
  deaf: {{ endpoints: [ {{ address: "127.0.0.1:{deaf}" }} ] }}
  drip: {{ endpoints: [ {{ address: "127.0.0.1:{drip}" }} ] }}
"""


class Drip:
    """An endpoint that promises a long body and gives a byte of it now and then."""

    def __init__(self, listener):
        self.listener = listener
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        socks = []
        self.listener.settimeout(0.05)
        while not self.over.is_set():
            try:
                sock, _ = self.listener.accept()
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                socks.append(sock)
            except socket.timeout:
                pass
            for sock in list(socks):
                try:
                    sock.send(b"x")
                except OSError:
                    socks.remove(sock)
        for sock in socks:
            sock.close()

    def close(self):
        self.over.set()
        self.thread.join(10)


class Paced(Plain):
    def __init__(self):
        super().__init__()
        # Held from here on, as hundreds of clients take ports of the same range.
        self.deaf, self.drip = (socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(2))

    def close(self):
        super().close()
        self.deaf.close()
        self.drip.close()

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port,
                             deaf=self.deaf.getsockname()[1], drip=self.drip.getsockname()[1])

    def ends(self):
        """How often each reason stands in the access log."""
        return collections.Counter(line["end"] for line in self.accesses())


@pytest.fixture(scope="module")
def shunt():
    with Paced() as made:
        yield made


def torment(shunt, socks, turn, ended):
    """turn(sock) goes on with each until ended(sock), while a good client is served in between."""
    good, until = shunt.client(), time.monotonic() + LIMIT
    left = list(socks)
    while left and time.monotonic() < until:
        shunt.ask(good)
        for sock in left:
            try:
                turn(sock)
            except OSError:
                pass
        left = [sock for sock in left if not ended(sock)]
        select.select([], [], [], 0.1)
    assert not left, f"{len(left)} of {len(socks)} slow peers are still there"
    shunt.ask(good)
    good.sock.close()


def readable(sock):
    return bool(select.select([sock], [], [], 0)[0])


def everything(sock):
    """What comes until the end, however it ends."""
    out = b""
    sock.settimeout(PATIENCE)
    try:
        while data := sock.recv(65536):
            out += data
    except ConnectionError:
        pass
    sock.close()
    return out


@pytest.mark.parametrize("first,end", [
    (b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ", "head_slow"),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc", "body_slow"),
    (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\nabc", "body_slow"),
])
def test_clients_that_send_a_byte_now_and_then_get_408_and_others_are_served(shunt, first, end):
    before = shunt.ends()[end]
    socks = [Client(shunt.port).sock for _ in range(200)]
    for sock in socks:
        sock.sendall(first)
    torment(shunt, socks, lambda sock: sock.send(b"x"), readable)
    for sock in socks:
        answer = everything(sock)
        assert answer.startswith(b"HTTP/1.1 408 ") and b"too slowly" in answer, answer
    wait_until(lambda: shunt.ends()[end] == before + len(socks), f"all of them ended {end}")


def slow_reader(shunt, port, size):
    """Has asked for so much, with next to no buffer of its own."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", port))
    name = scripted.token()
    shunt.origin.answers[name] = scripted.Answer(
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size,) + (b"x" * 65536,) * (size // 65536))
    sock.sendall(b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % name)
    return sock


def is_over(sock):
    """Whether the other side has ended or reset it; what waits to be read does not matter."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return any(events & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))


def test_clients_that_take_ten_bytes_now_and_then_are_cut_and_others_are_served(shunt):
    before = shunt.ends()["client_slow"]
    socks = [slow_reader(shunt, shunt.port, 16 << 20) for _ in range(100)]
    torment(shunt, socks, lambda sock: sock.recv(10), is_over)
    wait_until(lambda: shunt.ends()["client_slow"] == before + len(socks), "all of them ended client_slow")
    for sock in socks:
        sock.close()


def test_a_client_that_reads_slowly_and_steadily_is_not_taken_for_one_that_has_stalled(shunt):
    """Its socket's buffer hides for longer than the body's timeout that bytes are taken."""
    size = 4 << 20
    sock = slow_reader(shunt, shunt.hasty, size)
    got, began = b"", time.monotonic()
    while not got.endswith(b"\r\n\r\n"):
        got += sock.recv(1)
    taken = 0
    while time.monotonic() - began < 12: # several times the timeout
        taken += len(sock.recv(20000))
        select.select([], [], [], 0.05)
    while taken < size:
        data = sock.recv(1 << 20)
        assert data, f"cut after {taken} of {size} bytes"
        taken += len(data)
    sock.close()


def test_endpoints_that_drip_are_cut_and_others_are_served(shunt):
    before, drip = shunt.ends()["endpoint_slow"], Drip(shunt.drip)
    try:
        socks = [Client(shunt.port).sock for _ in range(100)]
        for sock in socks:
            sock.sendall(b"GET /drip HTTP/1.1\r\nHost: h\r\n\r\n")
        torment(shunt, socks, lambda sock: sock.recv(1000, socket.MSG_DONTWAIT), is_over)
    finally:
        drip.close()
    wait_until(lambda: shunt.ends()["endpoint_slow"] == before + len(socks), "all ended endpoint_slow")
    for sock in socks:
        sock.close()


def test_an_endpoint_that_takes_nothing_gives_504(shunt):
    before = shunt.ends()["endpoint_slow"]
    socks = [Client(shunt.port).sock for _ in range(20)]
    for sock in socks:
        sock.sendall(b"POST /deaf HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n")
    torment(shunt, socks, lambda sock: sock.send(b"x" * 65536, socket.MSG_DONTWAIT), readable)
    for sock in socks:
        assert everything(sock).startswith(b"HTTP/1.1 504 ")
    wait_until(lambda: shunt.ends()["endpoint_slow"] == before + len(socks), "all ended endpoint_slow")
