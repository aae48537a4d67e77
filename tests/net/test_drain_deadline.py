"""What still runs at an endpoint when its time to drain is over: it ends there and nowhere else. On loopback."""
import re
import select

import pytest

from tests.harness import plain, scripted
from tests.net.test_endpoint_orders import Ordered

WEBSOCKET = b"GET /%s HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
PLAIN = b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n"
HALF = scripted.Answer((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",))


class Running(Ordered):
    """Two endpoints behind HTTP, and its other port for streams to them."""

    def __init__(self, route=""):
        super().__init__(2)
        self.route, self.begun = route, []

    def close(self):
        for client in self.begun:
            if client.sock.fileno() >= 0:
                client.reset()
        super().close()

    def configuration(self):
        return re.sub(r"- { port: %d,.*" % self.hasty,
                      f"- {{ port: {self.hasty}, protocol: tcp-proxy, upstream: origin }}", super().configuration())

    def begin(self, request, answer=None, hasty=False):
        """One at each endpoint: clients by its number, where each has asked and got as much as there is."""
        at = {}
        while len(at) < 2:
            name, client = scripted.token(), self.client(hasty)
            for origin in self.origins:
                if answer:
                    origin.answers[name] = answer
            self.begun.append(client)
            client.send(request % name)
            plain.wait_until(lambda n=name: any(o.whole(n) for o in self.origins), "it is there")
            where = 0 if self.origins[0].whole(name) else 1
            client.name = name
            assert where not in at, "by turns"
            at[where] = client
            while (answer is None or answer.pieces) and not client.got.endswith((b"half", b"\r\n\r\n", name)):
                assert client.read_some()
            client.got = b""
        return at


def goes_on(client):
    """An echo, still."""
    word = scripted.token()
    client.send(word)
    while not client.got.endswith(word):
        assert client.read_some(), client.ending
    return True


def is_cut(client):
    client.read_all()
    return client.ending == "reset"


def ends(shunt, client):
    return [line["end"] for line in shunt.accesses() if client.name.decode() in line.get("path", "")]


def test_at_the_end_of_its_time_nothing_goes_on_there():
    with Running() as shunt:
        sockets = shunt.begin(WEBSOCKET)
        streams = shunt.begin(WEBSOCKET, hasty=True)
        bodies, unanswered = shunt.begin(PLAIN, HALF), shunt.begin(PLAIN, scripted.Answer(()))
        idle = shunt.client()
        assert shunt.get(client=idle).status == 200
        shunt.set(1, "drain")
        assert all(goes_on(one) for one in (*sockets.values(), *streams.values())), "there is time"
        shunt.set(1, "drain", "1s")
        plain.wait_until(lambda: shunt.listed()[1][1]["service"] == "off", "its time is over")
        late = unanswered[1].read_answer()
        assert late.status == 503 and late.one(b"retry-after") == b"1", late
        assert all(is_cut(one) for one in (sockets[1], streams[1], bodies[1]))
        assert ends(shunt, sockets[1]) == ends(shunt, bodies[1]) == ends(shunt, unanswered[1]) == ["drained"]
        assert [line["end"] for line in shunt.accesses() if line["protocol"] == "tcp-proxy"] == ["drained"]
        assert goes_on(sockets[0]) and goes_on(streams[0])
        assert {shunt.get(client=idle).status for _ in range(4)} == {200}
        assert shunt.stats()["endpoints_ejected"] == 0
        shunt.reload()
        shunt.set(1, "enable")
        shunt.gets(0, 1)
        assert goes_on(sockets[0]) and goes_on(streams[0])
        assert not ends(shunt, unanswered[0]) and not ends(shunt, bodies[0])


def test_what_may_be_sent_again_goes_elsewhere():
    with Running(", retry: { on: [reset], backoff: 1ms }") as shunt:
        unanswered = shunt.begin(PLAIN, scripted.Answer(()))
        del shunt.origins[0].answers[unanswered[1].name]
        shunt.set(1, "drain", "1s")
        assert unanswered[1].read_answer().status == 200
        assert shunt.stats()["retries"] == 1 and ends(shunt, unanswered[1]) == ["done"]


@pytest.mark.parametrize("order", [("disable",), ("drain",), ("weight", "0")])
def test_without_a_time_what_runs_goes_on(order):
    with Running() as shunt:
        sockets, streams = shunt.begin(WEBSOCKET), shunt.begin(WEBSOCKET, hasty=True)
        shunt.set(1, *order)
        shunt.gets(0)
        shunt.reload()
        assert all(goes_on(one) for one in (*sockets.values(), *streams.values()))
        assert not [line for line in shunt.accesses() if line["end"] == "drained"]


def test_a_retry_that_pauses_does_not_go_there_any_more():
    with Running(", retry: { on: [500], attempts: 1, backoff: 4s }") as shunt:
        fails = scripted.Answer((b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",))

        def pauses():
            """Its answer, where it paused until the other one's time was over, which the machine may be too slow for."""
            name, client = scripted.token(), shunt.client()
            for origin in shunt.origins:
                origin.answers[name] = fails
            client.send(PLAIN % name)
            plain.wait_until(lambda: any(o.whole(name) for o in shunt.origins), "its first attempt")
            other = 1 if shunt.origins[0].whole(name) else 0
            shunt.set(other, "drain", "1s")
            plain.wait_until(lambda: shunt.listed()[other][1]["service"] == "off", "its time is over")
            shunt.gets(1 - other)
            late = shunt.origins[other].whole(name) or select.select([client.sock], [], [], 0)[0]
            answer = client.read_answer()
            shunt.set(other, "enable")
            return None if late else (answer, shunt.origins[other].whole(name))

        got = []
        plain.wait_until(lambda: got.append(pauses()) or got[-1], "a pause that was long enough")
        answer, there = got[-1]
        assert answer.status == 503 and not there, answer
