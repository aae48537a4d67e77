"""Ceilings on what clients may hold."""
import socket

import pytest

from tests.harness.plain import CONFIG, Plain
from tests.harness.run import PATIENCE, wait_until


class Limited(Plain):
    def configuration(self):
        text = CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port)
        return text.replace("protocol: http, routes: all,", "protocol: http, routes: all, connections_per_source: 5,")


@pytest.fixture(scope="module")
def shunt():
    with Limited() as made:
        yield made


def connect(shunt, source):
    return socket.create_connection(("127.0.0.1", shunt.port), timeout=PATIENCE, source_address=(source, 0))


def served(sock):
    """Whether a request on it is answered."""
    try:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        return sock.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def test_one_source_holds_so_many_connections_and_others_are_served(shunt):
    held = [connect(shunt, "127.0.0.2") for _ in range(5)]
    assert all(served(sock) for sock in held)
    assert not served(connect(shunt, "127.0.0.2"))
    assert served(connect(shunt, "127.0.0.3"))
    assert all(served(sock) for sock in held)
    held.pop().close()

    def one_more():
        with connect(shunt, "127.0.0.2") as sock:
            return served(sock)
    wait_until(one_more, "its place is free again")
