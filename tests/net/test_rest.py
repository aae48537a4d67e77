"""Clients between requests: served again, ended after their time, with TLS as without."""
import ssl

import pytest

from tests.harness import certificates, scripted
from tests.harness.plain import Client, Plain
from tests.harness.run import PATIENCE, wait_until

MANY = 400  # more than a worker keeps sessions for
TIMES = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all, timeouts: {{ idle: {idle} }} }}
      - {{ port: {hasty}, protocol: https, routes: all, certificates: [c] }}
node: {{ tunnel_address: 127.0.0.1 }}
certificates: {{ c: {{ chain: cert.pem, key: cert.key }} }}
routes: {{ all: [ {{ name: all, upstream: origin }} ] }}
upstreams: {{ origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }} }}
"""


class Timed(Plain):
    """Its hasty port is one with TLS."""
    idle = "10m"

    def configuration(self):
        return TIMES.format(port=self.port, hasty=self.hasty, origin=self.origin.port, idle=self.idle)

    def start(self):
        certificates.Authority(self.dir).sign("cert", ["rest.example"])
        super().start()

    def change(self, idle):
        self.idle = idle
        with open(self.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(self.configuration())
        self.reload()


class Secured(Client):
    def __init__(self, port, version):
        super().__init__(port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        self.sock = context.wrap_socket(self.sock, server_hostname="rest.example")


@pytest.fixture
def shunt():
    with Plain() as made:
        yield made


@pytest.fixture
def timed():
    with Timed() as made:
        yield made


def test_more_clients_than_sessions_are_kept_for_are_served_in_any_order(shunt):
    clients = [shunt.client() for _ in range(MANY)]
    for client in clients:
        shunt.ask(client)
    names = [scripted.token() for _ in clients]
    for client, name in zip(clients, names):
        client.send(b"GET /%s HTTP/1.1\r\n" % name)
    for client in reversed(clients):
        client.send(b"Host: good.example.com\r\n\r\n")
    for client, name in zip(clients, names):
        assert client.read_answer().body == b"GET /" + name
    for client in clients[::7]:
        shunt.ask(client)


def test_clients_that_go_while_they_rest_leave_the_others_alone(shunt):
    clients = [shunt.client() for _ in range(30)]
    for client in clients:
        shunt.ask(client)
    for client in clients[::3]:
        client.reset()
    for client in clients[1::3]:
        client.sock.close()
    for client in clients[2::3]:
        shunt.ask(client)


class Restless(Plain):
    def configuration(self):
        return super().configuration().replace("body: 3s", "idle: 3s")


def test_clients_rest_for_as_long_as_their_listener_says():
    with Restless() as shunt:
        stays, first, second, never = (shunt.client(hasty) for hasty in (False, True, True, True))
        for client in (first, second, stays):
            shunt.ask(client)
        for client in (first, second, never):
            assert client.read_all().ending == "eof"
        shunt.ask(stays)


def test_a_shorter_time_is_for_those_that_rest_already(timed):
    clients = [timed.client() for _ in range(3)]
    for client in clients:
        timed.ask(client)
    timed.change("500ms")
    for client in clients:
        assert client.read_all().ending == "eof"
    timed.ask()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_clients_with_tls_take_turns(timed, version):
    clients = [Secured(timed.hasty, version) for _ in range(5)]
    for turn in range(4):
        for client in clients[turn % 2:]:
            timed.ask(client)
    for client in clients:
        client.sock.close()
    wait_until(lambda: len(timed.accesses()) == 18, "the access log")
    lines = timed.accesses()
    assert {(line["tls"], line["server_name"]) for line in lines} == \
        {("TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3", "rest.example")}


def test_a_stop_ends_those_that_rest(timed):
    plain, secured = timed.client(), Secured(timed.hasty, ssl.TLSVersion.TLSv1_3)
    for client in (plain, secured):
        timed.ask(client)
    timed.daemon.terminate()
    for client in (plain, secured):
        assert client.read_all().ending == "eof"
    assert timed.daemon.wait(PATIENCE) == 0
