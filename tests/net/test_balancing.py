"""Who gets which request, with several endpoints, on loopback: no devices, no namespaces."""
import collections
import re
import socket

import pytest

from tests.harness import plain, scripted


class Several(plain.Plain):
    """shuntd before several endpoints; upstream: the keys of the upstream but for endpoints, endpoint: of each."""

    def __init__(self, count, upstream="", endpoint=lambda number: "", route=""):
        super().__init__()
        self.origins = [self.origin] + [scripted.Origin() for _ in range(count - 1)]
        self.upstream, self.endpoint, self.route = upstream, endpoint, route

    def close(self):
        super().close()
        for origin in self.origins[1:]:
            origin.close()

    def configuration(self):
        text = super().configuration()
        endpoints = "".join(f'      - {{ address: "127.0.0.1:{origin.port}" {self.endpoint(number)} }}\n'
                            for number, origin in enumerate(self.origins))
        text = text[:text.index("  origin: {")].replace("upstream: origin }", f"upstream: origin {self.route} }}")
        return text + f"  origin:\n{self.upstream}    endpoints:\n{endpoints}"

    def get(self, more=b"", target=b"/", client=None, method=b"GET"):
        """One request on a connection of its own: its answer."""
        own = client or self.client()
        own.send(b"%s %s%s HTTP/1.1\r\nHost: a.example\r\n%s\r\n" % (method, target, scripted.token(), more))
        answer = own.read_answer(method)
        if not client:
            own.sock.close()
        return answer

    def served(self):
        """Whole requests that came to each, so far."""
        return [sum(seen.whole for some in origin.seen.values() for seen in some) for origin in self.origins]

    def spread(self, requests):
        """How many of these (header bytes and targets) each endpoint got."""
        before = self.served()
        for more, target in requests:
            assert self.get(more, target).status == 200
        return [now - then for now, then in zip(self.served(), before)]


def test_round_robin_keeps_to_the_weights():
    with Several(3, endpoint=lambda number: f", weight: {number + 1}") as shunt:
        assert shunt.spread([(b"", b"/")] * 60) == [10, 20, 30]


@pytest.mark.parametrize("kind", ["least_request", "random"])
def test_who_is_busy_gets_less(kind):
    with Several(2, f"    balance: {kind}\n") as shunt:
        name = scripted.token()
        for origin in shunt.origins:
            origin.answers[name] = scripted.Answer(())
        waiting = shunt.client()
        waiting.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
        plain.wait_until(lambda: sum(len(o.whole(name)) for o in shunt.origins) == 1, "the one that waits")
        busy = 0 if shunt.origins[0].whole(name) else 1
        got = shunt.spread([(b"", b"/")] * 30)
        waiting.reset()
        assert got[busy] == 0 and got[1 - busy] == 30, got


@pytest.mark.parametrize("key,request_of", [
    ("header:x-user", lambda user: (b"X-User: %s\r\n" % user, b"/")),
    ("cookie:sid", lambda user: (b"Cookie: a=b; sid=%s; sidd=1\r\n" % user, b"/")),
    ("query:user", lambda user: (b"", b"/x?a=1&user=%s&t=" % user)),
    ("path", lambda user: (b"", b"/x/%s?t=" % user)),
])
def test_maglev_keeps_what_belongs_together(key, request_of):
    with Several(4, f"    balance: maglev\n    hash_on: {key}\n") as shunt:
        by_user = collections.defaultdict(list)
        for user in range(24):
            by_user[user] = [n > 0 for n in shunt.spread([request_of(b"u%d" % user)] * 4)]
        assert all(sum(who) == 1 for who in by_user.values()), by_user
        assert sum(any(who[n] for who in by_user.values()) for n in range(4)) >= 3
        before = dict(by_user)
        shunt.reload()
        for user, who in before.items():
            assert [n > 0 for n in shunt.spread([request_of(b"u%d" % user)])] == who


class Streamed(Several):
    """Streams to several endpoints, from clients at addresses of their own."""

    def __init__(self, count, upstream):
        super().__init__(count, upstream)
        self.more = ["--workers", "4"]  # that know nothing of one another

    def configuration(self):
        return re.sub(r"- { port: %d,.*" % self.hasty,
                      f"- {{ port: {self.hasty}, protocol: tcp-proxy, upstream: origin }}", super().configuration())

    def who(self, client):
        """The endpoint of a stream from 127.0.1.CLIENT."""
        with socket.create_connection(("127.0.0.1", self.hasty), plain.PATIENCE,
                                      source_address=(f"127.0.1.{client}", 0)) as sock:
            name = scripted.token()
            sock.sendall(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        return [bool(origin.whole(name)) for origin in self.origins].index(True)

    def map(self):
        return [self.who(client) for client in range(1, 81)]


@pytest.mark.parametrize("upstream", [
    "    balance: maglev\n    hash_on: client-address\n",
    "    persistence: { hash_on: client-address }\n",
])
def test_streams_of_one_client_go_together(upstream):
    with Streamed(4, upstream) as shunt:
        first = shunt.map()
        assert len(set(first)) == 4 and shunt.map() == first
        shunt.reload()
        assert shunt.map() == first
        shunt.origins[first[0]].close()
        moved = shunt.map()
        assert all(now == before for now, before in zip(moved, first) if before != first[0])
        assert first[0] not in moved


def test_backups_are_asked_when_nobody_else_is_there():
    with Several(3, endpoint=lambda number: ", priority: 1" if number == 2 else "") as shunt:
        assert shunt.spread([(b"", b"/")] * 10) == [5, 5, 0]
        shunt.origins[0].close()
        shunt.origins[1].close()
        before = shunt.served()[2]
        for _ in range(5):
            assert shunt.get().status == 200
        assert shunt.served()[2] == before + 5


def test_a_limit_of_requests_holds_and_says_so():
    with Several(1, endpoint=lambda number: ", max_requests: 2") as shunt:
        waiting = [shunt.client() for _ in range(2)]
        names = [scripted.token() for _ in waiting]
        for client, name in zip(waiting, names):
            shunt.origin.answers[name] = scripted.Answer(())
            client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
        plain.wait_until(lambda: all(shunt.origin.whole(name) for name in names), "both are there")
        answer = shunt.get()
        assert answer.status == 503 and answer.one(b"retry-after") == b"1"
        waiting[0].reset()
        plain.wait_until(lambda: shunt.get().status == 200, "room again")
        waiting[1].reset()


class Failing(dict):
    """Answers all requests with 500."""

    def get(self, *_):
        return scripted.Answer((b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",))


def test_who_fails_again_and_again_is_left_alone_but_not_all():
    with Several(2, "    eject: { failures: 3, time: 1h, most: 50 }\n") as shunt:
        shunt.origins[0].answers = Failing()
        statuses = [shunt.get().status for _ in range(20)]
        assert statuses.count(500) == 3, statuses
        assert statuses[6:] == [200] * 14, statuses
        assert shunt.stats()["endpoints_ejected"] == 1
        shunt.origins[1].answers = Failing()
        assert {shunt.get().status for _ in range(8)} == {500}
        assert shunt.stats()["endpoints_ejected"] == 1, "half of two may be away, no more"


@pytest.mark.parametrize("fail,status", [("open", 500), ("closed", 503)])
def test_where_nobody_is_fit_the_upstream_fails_as_it_is_told(fail, status):
    rules = f"    fail: {fail}\n    eject: {{ failures: 1, time: 1h, most: 100 }}\n"
    with Several(1, rules) as shunt:
        shunt.origin.answers = Failing()
        assert shunt.get().status == 500
        asked = shunt.served()[0]
        assert shunt.get().status == status
        assert shunt.served()[0] == asked + (status == 500)
