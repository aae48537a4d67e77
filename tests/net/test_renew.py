"""Connections that live over a reload: their next exchange goes by the new configuration."""
import socket

import pytest

from tests.harness import scripted
from tests.harness.plain import Plain
from tests.harness.run import wait_until

CONFIG = """
vips: [ {{ name: web, addresses: [127.0.0.1], listeners: [ {listeners} ] }} ]
node: {{ tunnel_address: 127.0.0.1 }}
routes: {{ all: [ {{ name: all, {action} }} ] }}
upstreams: {{ origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }} }}
"""


class Renewed(Plain):
    listeners, action = "both", "upstream: origin"

    def configuration(self):
        ports = {"both": (self.port, self.hasty), "second": (self.hasty,)}[self.listeners]
        text = ", ".join(f"{{ port: {port}, protocol: http, routes: all }}" for port in ports)
        return CONFIG.format(listeners=text, action=self.action, origin=self.origin.port)

    def change(self, listeners="both", action="upstream: origin"):
        self.listeners, self.action = listeners, action
        with open(self.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(self.configuration())
        self.reload()


def is_new(client):
    """Workers follow a moment after the daemon has said so."""
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    return client.read_answer().body == b"new"


@pytest.fixture
def shunt():
    with Renewed() as made:
        yield made


def test_a_kept_connection_follows_a_reload(shunt):
    client = shunt.client()
    shunt.ask(client)
    shunt.change(action='respond: { status: 200, body: "new" }')
    wait_until(lambda: is_new(client), "the kept connection gets the new answer")
    shunt.change()
    wait_until(lambda: not is_new(client), "and the old one again")


def test_an_exchange_ends_on_the_configuration_on_which_it_began(shunt):
    client, name = shunt.client(), scripted.token()
    client.send(b"POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab" % name)
    wait_until(shunt.origin.unfinished, "half of it is at the endpoint")
    shunt.change(action='respond: { status: 200, body: "new" }')
    client.send(b"c")
    assert client.read_answer().body == b"POST /" + name
    wait_until(lambda: is_new(client), "the next exchange goes by the new one")


def test_idle_connections_of_a_listener_that_goes_are_closed(shunt):
    gone, stays = shunt.client(), shunt.client(hasty=True)
    shunt.ask(gone)
    shunt.ask(stays)
    shunt.change(listeners="second")
    assert gone.read_all().ending == "eof"
    shunt.ask(stays)
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", shunt.port)) != 0


def test_a_busy_connection_of_a_listener_that_goes_gets_its_answer(shunt):
    client, name = shunt.client(), scripted.token()
    client.send(b"POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab" % name)
    wait_until(shunt.origin.unfinished, "half of it is at the endpoint")
    shunt.change(listeners="second")
    client.send(b"c")
    assert client.read_answer().body == b"POST /" + name
    assert client.read_all().ending == "eof"
