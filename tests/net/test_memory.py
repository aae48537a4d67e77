"""What connections take of our memory is no more than what ceilings.c counts for them."""
import os
import socket

import pytest

from tests.harness import certificates, plain, scripted
from tests.harness.run import wait_until
from tests.net.test_ends import Secured, tls_context

CONNECTION, SECURE, ENDPOINT, BLOCK, PAGES = 4096, 45056, 32768, 65536 + 16, 8192
COUNT, SLOW, BODY = 400, 40, 6000000
REMEMBERED = 8192
CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all, timeouts: {{ {times} }} }}
      - {{ port: {hasty}, protocol: https, routes: all, certificates: [ec], timeouts: {{ {times} }} }}
      - {{ port: {third}, protocol: https, routes: sec, certificates: [ec], timeouts: {{ {times} }} }}
node: {{ tunnel_address: 127.0.0.1, workers: 1 }}
certificates: {{ ec: {{ chain: ec.pem, key: ec.key }} }}
routes: {{ all: [ {{ name: own, match: {{ path: /own }}, respond: {{ status: 204 }} }}, {{ name: all, upstream: origin }} ], sec: [ {{ name: all, upstream: sec }} ] }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
  sec: {{ tls: {{ verify: false }}, endpoints: [ {{ address: "127.0.0.1:{hasty}" }} ] }}
"""
TIMES = "idle: 10m, head: 10m, handshake: 5m, response: 10m, body: 10m, drain: 100ms"


class Measured(plain.Plain):
    def __init__(self):
        super().__init__()
        self.more = []
        self.third = self.free_ports(1)[0]
        self.context = tls_context()

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, third=self.third,
                             origin=self.origin.port, times=TIMES)

    def start(self):
        certificates.Authority(self.dir).sign("ec", ["ends.example"])
        super().start()

    def dirty(self):
        """Bytes of its own that it has written to."""
        with open(f"/proc/{self.daemon.pid}/smaps_rollup", encoding="utf-8") as lines:
            return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))

    def fill(self):
        """So many requests as a worker remembers."""
        client = self.client()
        client.pipeline(b"GET /own HTTP/1.1\r\nHost: good.example.com\r\n\r\n", REMEMBERED)
        client.sock.close()

    def told(self, *pieces):
        """A request whose answer is that."""
        name = scripted.token()
        self.origin.answers[name] = scripted.Answer(pieces)
        return name, b"GET /%s HTTP/1.1\r\nHost: good.example.com\r\n\r\n" % name

    def secured(self, port):
        client = Secured(port, self.context)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        assert client.send(client.hello()) and client.shake()
        return client


BIG = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY + b"x" * BODY


def at_rest(shunt, _):
    client = shunt.client()
    shunt.ask(client)
    return client


def waiting(shunt, names):
    client, (name, request) = shunt.client(), shunt.told()
    names.append(name)
    client.send(request)
    return client


def rests_secured(shunt, _):
    client, (_, request) = shunt.secured(shunt.hasty), shunt.told(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert client.say(request) and b"204" in client.hear()
    return client


def shaking(shunt, _):
    client = Secured(shunt.hasty, shunt.context)
    client.send(client.hello())
    client.sock.recv(1)  # its flight has come
    return client


def waits_secured(shunt, names):
    client, (name, request) = shunt.secured(shunt.hasty), shunt.told()
    names.append(name)
    client.say(request)
    return client


def reads_nothing(shunt, names, port=None):
    client, (name, request) = shunt.secured(port or shunt.hasty), shunt.told(BIG)
    names.append(name)
    client.say(request)
    return client


def reads_nothing_far(shunt, names):
    return reads_nothing(shunt, names, shunt.third)


# How many, and what ceilings.c counts, with those blocks that it has of which each takes whole pages.
ROWS = {
    "at rest": (at_rest, COUNT, 1024),
    "waiting for its endpoint": (waiting, COUNT, CONNECTION + PAGES),
    "at rest, TLS": (rests_secured, COUNT, 16384),
    "in a handshake": (shaking, COUNT, CONNECTION + SECURE),
    "waiting for its endpoint, TLS": (waits_secured, COUNT, CONNECTION + SECURE + PAGES),
    "reading nothing, TLS": (reads_nothing, SLOW, CONNECTION + SECURE + 2 * BLOCK),
    # what stands behind it is one of ours, too
    "reading nothing, TLS on both sides": (reads_nothing_far, SLOW,
                                           2 * (CONNECTION + SECURE + 2 * BLOCK) + ENDPOINT),
}


@pytest.mark.skipif("SHUNTD" in os.environ, reason="another binary may need any amount")
@pytest.mark.parametrize("begin,count,most", ROWS.values(), ids=ROWS.keys())
def test_a_connection_takes_no_more_memory_than_is_counted_for_it(begin, count, most):
    with Measured() as shunt:
        names = []
        shunt.fill()
        clients = [begin(shunt, names) for _ in range(20)]  # what is there once is there by then
        wait_until(lambda: all(shunt.origin.whole(name) for name in names), "all requests came")
        before = shunt.dirty()
        clients += [begin(shunt, names) for _ in range(count)]
        wait_until(lambda: all(shunt.origin.whole(name) for name in names), "all requests came")
        if "reads" in begin.__name__:
            moved = [0, 1]
            wait_until(lambda: moved.append(shunt.dirty()) or moved[-1] == moved[-9:][0], "no more moves")
        each = (shunt.dirty() - before) / count
        print(begin.__name__, each, most)
        assert each <= most
        for client in clients:
            client.sock.close()
