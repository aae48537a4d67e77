"""Thousands of connections that end in every way: nothing is kept of them, and no ceiling has moved."""
import contextlib
import os
import random
import socket
import ssl
import time

import pytest

from tests.harness import certificates, scripted
from tests.harness.plain import Client, Plain
from tests.harness.run import wait_until

COUNT = int(os.environ.get("SHUNT_ENDS", "3000"))
TOGETHER, PLACES, SHAKING = 100, 120, 100
CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all, connections: {places},
          connections_per_source: {places}, timeouts: {{ head: 20s, body: 20s }} }}
      - {{ port: {hasty}, protocol: https, routes: all, certificates: [{key}],
          timeouts: {{ handshake: 20s, drain: 100ms }} }}
      {third}
node: {{ tunnel_address: 127.0.0.1, workers: {workers}, handshakes: {shaking} }}
certificates: {{ ec: {{ chain: ec.pem, key: ec.key }}, rsa: {{ chain: rsa.pem, key: rsa.key }} }}
routes: {{ all: [ {{ name: all, upstream: origin }} ] }}
upstreams: {{ origin: {{ idle_connections: 0, endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }} }}
"""
THIRD = """- {{ port: {third}, protocol: https, routes: all, certificates: [rsa] }}"""


class Many(Plain):
    """Its hasty port is one with TLS, whose handshakes are made aside where the key is RSA."""
    workers, key = 3, "rsa"

    def __init__(self):
        super().__init__()
        self.more = []
        self.third, self.with_third = self.free_ports(1)[0], True

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port, places=PLACES,
                             shaking=SHAKING, workers=self.workers, key=self.key,
                             third=THIRD.format(third=self.third) if self.with_third else "")

    def start(self):
        authority = certificates.Authority(self.dir)
        for kind in ("ec", "rsa"):
            authority.sign(kind, ["ends.example"], kind=kind)
        super().start()

    def change(self, **what):
        self.__dict__.update(what)
        with open(self.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(self.configuration())
        self.reload()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def open_sessions(self):
        stats = self.stats()
        return stats["sessions_opened"] - stats["sessions_closed"]


@pytest.fixture(name="shunt")
def fixture_shunt():
    with Many() as made:
        yield made


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Secured(Client):
    """A client whose handshake may stop after its hello."""

    def __init__(self, port, context):
        super().__init__(port)
        self.arrived, self.leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.arrived, self.leaving, server_hostname="ends.example")

    def hello(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.leaving.read()

    def shake(self):
        """False where the other side ends first."""
        while True:
            try:
                self.tls.do_handshake()
                return self.send(self.leaving.read())
            except ssl.SSLWantReadError:
                self.send(self.leaving.read())
            with contextlib.suppress(OSError):
                data = self.sock.recv(1 << 16)
                if data:
                    self.arrived.write(data)
                    continue
            return False

    def say(self, data):
        self.tls.write(data)
        return self.send(self.leaving.read())

    def hear(self):
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                return self.tls.read(1 << 16)
            data = self.sock.recv(1 << 16)
            if not data:
                return b""
            self.arrived.write(data)


def head(extra=b""):
    return b"GET /%s HTTP/1.1\r\nHost: good.example.com\r\n%s\r\n" % (scripted.token(), extra)


UPLOAD = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
PLAIN = [b"", b"GET / HT", b"nonsense\r\n\r\n", b"GET /../.. HTTP/1.1\r\nHost: a\r\n\r\n",
         b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\nabc", UPLOAD + b"5\r\nhel",
         UPLOAD + b"zz\r\n"]


def begin_plain(shunt, dice):
    client = shunt.client()
    pieces = dice.choice(PLAIN + [head(), head(b"Connection: close\r\n"), head() * 3, head() + b"GET /"])
    client.send(pieces)
    return client


def begin_secured(shunt, dice, context):
    port = shunt.third if shunt.with_third and dice.random() < 0.3 else shunt.hasty
    client = Secured(port, context)
    hello, how = client.hello(), dice.randrange(6)
    if how == 0:
        client.send(b"\x16\x03\x01\x00\x05nonsense")
    elif how == 1:
        client.send(hello[:dice.randrange(len(hello))])
    elif how == 2:
        client.send(hello)
    elif client.send(hello) and client.shake() and how > 3:
        client.say(head() if how == 4 else b"GET / H")
    return client


def end(client, dice):
    how = dice.randrange(4)
    client.sock.settimeout(0.02)
    if how == 0:
        client.reset()
        return
    if how == 1:
        client.finish()
    if how < 3:
        client.read_some()
    client.sock.close()


def everything_is_free(shunt, context):
    """Ceilings of handshakes are each worker's: the one that has been there all the time is asked."""
    shunt.change(with_third=False, workers=1, key="rsa")
    wait_until(lambda: shunt.open_sessions() == 0, "all have ended")
    clients = [shunt.client() for _ in range(PLACES)]
    for client in clients:
        shunt.ask(client)
    wait_until(lambda: shunt.open_sessions() == PLACES, "all places are taken")
    over = shunt.client()
    over.send(head())
    assert over.read_all().got == b""  # of one source there are as many as there may be
    for client in clients:
        client.sock.close()
    shaking = [Client(shunt.hasty) for _ in range(SHAKING - 1)]
    wait_until(lambda: shunt.open_sessions() == SHAKING - 1, "handshakes wait")
    last = Secured(shunt.hasty, context)
    assert last.shake() and last.say(head()) and b"200 OK" in last.hear()
    for client in shaking + [last]:
        client.sock.close()
    wait_until(lambda: shunt.open_sessions() == 0, "all have ended")


def test_nothing_is_left_of_connections_that_end_in_every_way(shunt):
    seed = int(os.environ.get("SHUNT_ENDS_SEED", time.time_ns() % 1000000))
    dice, context = random.Random(seed), tls_context()
    print("seed", seed)
    everything_is_free(shunt, context)
    before, done = shunt.descriptors(), 0
    shunt.change(with_third=True, workers=3)
    while done < COUNT:
        clients = [begin_secured(shunt, dice, context) if dice.random() < 0.3
                   else begin_plain(shunt, dice) for _ in range(TOGETHER)]
        done += len(clients)
        if dice.random() < 0.1:  # the third listener goes or comes, workers too, while they are there
            shunt.change(with_third=not shunt.with_third, workers=dice.choice((1, 2, 3)),
                         key=dice.choice(("ec", "rsa")))
        dice.shuffle(clients)
        for client in clients:
            end(client, dice)
    everything_is_free(shunt, context)
    wait_until(lambda: shunt.descriptors() <= before, "descriptors are as before")
    assert shunt.daemon.poll() is None
