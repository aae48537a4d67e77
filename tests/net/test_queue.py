"""Endpoints that have all that they may, and the line before them, on loopback: no devices, no namespaces."""
import re

import pytest

from tests.harness import plain, scripted, tls_raw
from tests.harness.explaining import SHUNTCTL
from tests.harness.run import run
from tests.net.test_balancing import Several
from tests.net.test_endpoint_orders import Ordered

SILENT = scripted.Answer(())


class Lined(Several):
    """One endpoint unless told otherwise. Requests of /hold... are answered when the test says so."""

    def __init__(self, queue="size: 100, timeout: 1m", limit="max_requests: 1", workers=1, count=1, **more):
        upstream = f"    queue: {{ {queue} }}\n" if queue else ""
        super().__init__(count, upstream, lambda number: f", {limit}", **more)
        self.more = ["--workers", str(workers)]

    def begin(self, end="keep"):
        """A request that its endpoint keeps: the client, and its name."""
        name, client = scripted.token(), self.client()
        for origin in self.origins:
            origin.answers[name] = scripted.Answer((), end)
        client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
        return client, name

    def has(self, name):
        return any(origin.whole(name) for origin in self.origins)

    def hold(self, count=1):
        """So many requests that are at their endpoints."""
        held = [self.begin() for _ in range(count)]
        plain.wait_until(lambda: all(self.has(name) for _, name in held), "they are there")
        return held

    def queue(self, count):
        """So many more that wait; in order."""
        before, waiting = self.stats()["queued"], []
        for number in range(count):
            waiting.append(self.begin())
            plain.wait_until(lambda n=number: self.stats()["queued"] == before + n + 1, "it waits")
        return waiting


def test_who_waits_is_served_in_turn_and_the_line_has_an_end():
    with Lined("size: 3, timeout: 1m") as shunt:
        (first, _), = shunt.hold()
        waiting = shunt.queue(3)
        full = shunt.get()
        assert full.status == 503 and full.one(b"retry-after") == b"1", full
        asked = [SHUNTCTL, "explain", f"GET http://127.0.0.1:{shunt.port}/", "--admin", shunt.path("admin.sock")]
        assert "full" in run(*asked).stdout
        assert "full" not in run(*asked, "--config", shunt.path("plain.yaml")).stdout  # by which nobody runs
        assert not any(shunt.has(name) for _, name in waiting)
        first.reset()
        for number, (client, name) in enumerate(waiting):
            plain.wait_until(lambda n=name: shunt.has(n), "its turn")
            assert not any(shunt.has(later) for _, later in waiting[number + 1:])
            client.reset()
        plain.wait_until(lambda: shunt.get().status == 200, "room")
        stats = shunt.stats()
        assert stats["queued"] >= 3 and stats["queue_served"] >= 3 and stats["queue_full"] >= 1, stats
        ends = [line["end"] for line in shunt.accesses()]
        assert "queue_full" in ends, ends


def test_time_in_the_line_is_bounded_and_logged():
    with Lined("size: 10, timeout: 200ms") as shunt:
        (first, _), = shunt.hold()
        late = shunt.get()
        assert late.status == 503 and late.one(b"retry-after") == b"1", late
        assert shunt.stats()["queue_timeouts"] == 1
        line = shunt.accesses()[-1]
        assert line["end"] == "queue_timeout" and line["queue_us"] >= 150000, line
        phases = sum(line.get(phase, 0) for phase in
                     ("head_us", "queue_us", "connect_us", "response_us", "transfer_us"))
        assert phases == line["total_us"], line
        first.reset()


@pytest.mark.parametrize("ways,more", [
    (["reset"], ""),
    (["finish", "reset"], ""),
    (["finish"], ", half_closed: leaves"),
])
def test_a_client_that_goes_away_leaves_the_line(ways, more):
    with Lined("size: 1, timeout: 1m" + more) as shunt:
        (first, _), = shunt.hold()
        (gone, lost), = shunt.queue(1)
        for way in ways:
            getattr(gone, way)()
        plain.wait_until(lambda: shunt.stats()["queue_left"] == 1, "it has left")
        (waits, name), = shunt.queue(1)
        first.reset()
        plain.wait_until(lambda: shunt.has(name), "the next one's turn")
        assert not shunt.has(lost)
        waits.reset()


def test_a_client_that_has_said_all_it_wants_waits_for_its_answer():
    """It closes its side behind the request, before and while it waits."""
    with Lined("size: 2, timeout: 1m") as shunt:
        (first, _), = shunt.hold()
        early = shunt.client()
        early.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % scripted.token())
        early.finish()
        plain.wait_until(lambda: shunt.stats()["queued"] == 1, "it waits")
        late = shunt.client()
        late.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % scripted.token())
        plain.wait_until(lambda: shunt.stats()["queued"] == 2, "so does the other")
        late.finish()
        first.reset()
        assert [client.read_answer().status for client in (early, late)] == [200, 200]
        assert shunt.stats()["queue_left"] == 0 and shunt.stats()["queue_served"] == 2


def test_a_reload_keeps_those_who_wait_in_line():
    with Lined() as shunt:
        (first, _), = shunt.hold()
        waiting = shunt.queue(2)
        shunt.reload()
        waiting += shunt.queue(1)
        first.reset()
        for client, name in waiting:
            plain.wait_until(lambda n=name: shunt.has(n), "its turn")
            client.reset()


class Changing(Lined):
    """Gets endpoints and orders while some wait."""
    at = Ordered.at

    def grow(self):
        self.origins.append(scripted.Origin())
        with open(self.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(self.configuration())
        self.reload()

    def drain(self, number):
        assert Ordered.ctl(self, "set", "origin", self.at(number), "drain")


def test_an_endpoint_that_comes_serves_though_those_of_before_wait_for_others():
    with Changing() as shunt:
        (first, _), = shunt.hold()
        waiting = shunt.queue(2)
        shunt.grow()
        assert [shunt.get().status for _ in range(4)] == [200] * 4
        assert not any(shunt.has(name) for _, name in waiting)
        for ends, (client, name) in zip([first, waiting[0][0]], waiting):
            ends.reset()
            plain.wait_until(lambda n=name: shunt.has(n), "its turn")
        client.reset()


def test_orders_hold_for_who_waits():
    with Changing(count=2) as shunt:
        held = shunt.hold(2)
        here, drains = sorted(held, key=lambda one: not shunt.origins[0].whole(one[1]))
        waiting = shunt.queue(2)
        shunt.drain(1)
        drains[0].reset()
        plain.wait_until(lambda: shunt.stats()["exchanges"] == 1, "it has ended")
        for ends, (client, name) in zip([here[0], waiting[0][0]], waiting):
            ends.reset()
            plain.wait_until(lambda n=name: shunt.origins[0].whole(n), "its turn, where nobody drains")
        client.reset()


@pytest.mark.parametrize("limit", ["max_requests: 3", "max_connections: 3"])
def test_limits_hold_over_all_workers_and_nobody_is_left_behind(limit):
    """Each worker has some that wait; whoever makes room calls them by turns."""
    with Lined("size: 1000, timeout: 1m", limit, workers=4) as shunt:
        held = shunt.hold(3)
        waiting = [shunt.begin() for _ in range(60)]
        plain.wait_until(lambda: shunt.stats()["queued"] == 60, "all wait")
        assert not any(shunt.has(name) for _, name in waiting)
        here = dict((name, client) for client, name in held)
        left = dict((name, client) for client, name in waiting)
        while here:
            here.popitem()[1].reset()
            plain.wait_until(lambda: not left or any(shunt.has(name) for name in left), "somebody's turn")
            came = [name for name in left if shunt.has(name)]
            here |= {name: left.pop(name) for name in came}
            assert len(here) <= 3
        assert not left and shunt.stats()["queue_served"] == 60


def test_idle_connections_of_other_workers_make_room():
    with Lined("size: 1000, timeout: 1m", "max_connections: 2", workers=4) as shunt:
        clients = [shunt.client() for _ in range(40)]
        for _ in range(3):
            for client in clients:
                client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % scripted.token())
            assert [client.read_answer().status for client in clients] == [200] * 40
        assert shunt.stats()["queued"] > 0
        for client in clients:
            client.sock.close()


def test_without_a_line_full_is_full_at_once():
    with Lined(None) as shunt:
        (first, _), = shunt.hold()
        full = shunt.get()
        assert full.status == 503 and full.one(b"retry-after") == b"1"
        assert shunt.accesses()[-1]["end"] == "endpoints_full"
        first.reset()


class Streamed(Lined):
    """Its other port takes streams for the same upstream."""
    STREAM = "protocol: tcp-proxy, upstream: origin"

    def configuration(self):
        stream = f"- {{ port: {self.hasty}, {self.STREAM} }}"
        return re.sub(r"- { port: %d,.*" % self.hasty, stream, super().configuration())

    def refuses_streams(self):
        """Whether one is closed at once, if not before it knows that it stands."""
        try:
            over = self.client(hasty=True).read_all()
        except ConnectionResetError:
            return True
        return over.got == b"" and over.ending in ("reset", "eof")

    def stream(self):
        """One that its endpoint keeps: the client, and the name that it has said."""
        name, client = scripted.token(), self.client(hasty=True)
        for origin in self.origins:
            origin.answers[name] = SILENT
        client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
        return client, name


OH = scripted.Answer((b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",))
AGAIN = ", retry: { on: [500], backoff: 1ms, attempts: 3, budget: 0, budget_least: 1 }"


def failed_once(shunt):
    """A request that the first of two has answered with 500, while the second is full: it waits for that. With its
    name, and the client that has the second one's place."""
    held = shunt.hold(2)
    here, other = sorted(held, key=lambda one: not shunt.origins[0].whole(one[1]))
    (client, name), = shunt.queue(1)
    shunt.origins[0].answers[name] = OH
    del shunt.origins[1].answers[name]
    here[0].reset()
    plain.wait_until(lambda: shunt.stats()["retries_queued"] == 1, "the retry waits")
    return client, name, other[0]


def test_a_retry_waits_for_one_that_it_has_not_asked_and_holds_nobody_up():
    with Lined("size: 9, timeout: 1m", count=2, route=AGAIN) as shunt:
        client, name, other = failed_once(shunt)
        assert shunt.stats()["retries"] == 0, "it was not made yet"
        for _ in range(5):
            assert shunt.get().status == 200, "its place is free for others"
        assert shunt.stats()["queued"] == 2, "who are not behind it"
        other.reset()
        assert client.read_answer().status == 200
        assert [len(origin.whole(name)) for origin in shunt.origins] == [1, 1]
        stats = shunt.stats()
        assert (stats["retries"], stats["retries_queued"], stats["queued"], stats["queue_served"]) == (1, 1, 2, 2), stats
        line = [line for line in shunt.accesses() if name.decode() in line["path"]][0]
        phases = sum(line.get(phase, 0) for phase in
                     ("head_us", "queue_us", "connect_us", "response_us", "transfer_us"))
        assert phases == line["total_us"] and line["queue_us"] > 0, line


def test_a_retry_that_waits_is_counted_in_the_budget():
    with Lined("size: 9, timeout: 1m", count=2, route=AGAIN) as shunt:
        client, _, other = failed_once(shunt)
        spent, name = shunt.client(), scripted.token()
        shunt.origins[0].answers[name] = OH
        spent.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
        assert spent.read_answer().status == 500
        assert shunt.stats()["retries_refused_budget"] == 1
        client.reset()
        plain.wait_until(lambda: shunt.stats()["queue_left"] == 1, "it has left")
        shunt.origins[1].answers.clear()
        other.reset()
        client, name = shunt.client(), scripted.token()
        shunt.origins[0].answers[name] = shunt.origins[1].answers[name] = OH
        client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
        assert client.read_answer().status == 500
        assert shunt.stats()["retries"] == 1, "there is a budget again"


@pytest.mark.parametrize("queue,total,status,end", [
    ("200ms", "", 503, "queue_timeout"),
    ("1m", ", timeouts: { total: 2s }", 504, "total_timeout"),
])
def test_a_retry_waits_no_longer_than_its_line_and_its_route_say(queue, total, status, end):
    """The second one has a stream, which no route bounds."""
    with Streamed(f"size: 9, timeout: {queue}", count=2, route=AGAIN + total) as shunt:
        streams = [shunt.stream() for _ in range(2)]
        plain.wait_until(lambda: all(shunt.has(name) for _, name in streams), "both are there")
        here, keeps = sorted(streams, key=lambda one: not shunt.origins[0].whole(one[1]))
        here[0].reset()
        plain.wait_until(lambda: shunt.stats()["exchanges"] == 1, "room at the first")
        name, client = scripted.token(), shunt.client()
        shunt.origins[0].answers[name] = OH
        client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
        assert client.read_answer().status == status
        line = [line for line in shunt.accesses() if name.decode() in line.get("path", "")][0]
        assert line["end"] == end and shunt.stats()["retries"] == 0, line
        assert len(shunt.origins[0].whole(name)) == 1 and not shunt.origins[1].whole(name)
        assert shunt.stats()["retries_queued"] == 1
        keeps[0].reset()


def test_who_cannot_be_reached_costs_a_place_in_the_line_no_more():
    """Without any rule for retries: nothing was sent."""
    with Lined("size: 9, timeout: 1m", count=2) as shunt:
        held = shunt.hold(2)
        here, other = sorted(held, key=lambda one: not shunt.origins[0].whole(one[1]))
        shunt.origins[0].close()
        plain.wait_until(lambda: shunt.stats()["exchanges"] == 1, "its exchange has ended")
        (client, name), = shunt.queue(1)
        del shunt.origins[1].answers[name]
        other[0].reset()
        assert client.read_answer().status == 200
        assert shunt.stats()["upstream_connect_errors"] == 1 and shunt.stats()["retries_queued"] == 0
        here[0].reset()


@pytest.mark.parametrize("limit", ["max_requests: 1", "max_connections: 1"])
def test_streams_wait_in_the_same_line_as_requests(limit):
    with Streamed("size: 3, timeout: 1m", limit) as shunt:
        (first, _), = shunt.hold()
        stream, name = shunt.stream()
        plain.wait_until(lambda: shunt.stats()["queued"] == 1, "it waits")
        (waits, last), = shunt.queue(1)
        later, late = shunt.stream()
        later.finish()  # and wants an answer still
        plain.wait_until(lambda: shunt.stats()["queued"] == 3, "all wait")
        assert shunt.refuses_streams()
        assert shunt.stats()["queue_full"] == 1 and shunt.accesses()[-1]["end"] == "queue_full"
        for ends, begins, not_yet in (first, name, [last, late]), (stream, last, [late]), (waits, late, []):
            ends.reset()
            plain.wait_until(lambda n=begins: shunt.has(n), "its turn")
            assert not any(shunt.has(one) for one in not_yet)
        stats = shunt.stats()
        assert (stats["queue_served"], stats["queue_left"]) == (3, 0), stats
        plain.wait_until(lambda: len(shunt.accesses()) >= 4, "the line of a stream that has ended")
        line = [line for line in shunt.accesses() if line["protocol"] == "tcp-proxy" and line["end"] != "queue_full"][0]
        assert line["queue_us"] > 0, line
        later.reset()


@pytest.mark.parametrize("ways,more", [
    (["reset"], ""),
    (["finish", "reset"], ""),
    (["finish"], ", half_closed: leaves"),
])
@pytest.mark.parametrize("says", [b"something that nobody reads", b""])
def test_a_stream_that_goes_away_leaves_the_line(ways, more, says):
    with Streamed("size: 1, timeout: 1m" + more) as shunt:
        (first, _), = shunt.hold()
        gone = shunt.client(hasty=True)
        gone.send(says)
        plain.wait_until(lambda: shunt.stats()["queued"] == 1, "it waits")
        for way in ways:
            getattr(gone, way)()
        plain.wait_until(lambda: shunt.stats()["queue_left"] == 1, "it has left")
        (waits, name), = shunt.queue(1)
        accepted = shunt.origin.accepted
        first.reset()
        plain.wait_until(lambda: shunt.has(name), "the next one's turn")
        assert shunt.origin.accepted <= accepted + 1
        waits.reset()


def test_a_stream_waits_no_longer_than_it_may():
    with Streamed("size: 9, timeout: 200ms") as shunt:
        (first, _), = shunt.hold()
        late, name = shunt.stream()
        late.read_all()
        assert late.got == b"" and late.ending in ("reset", "eof") and not shunt.has(name)
        line = shunt.accesses()[-1]
        assert line["end"] == "queue_timeout" and line["queue_us"] >= 150000, line
        assert shunt.stats()["queue_timeouts"] == 1
        first.reset()


class Hidden(Streamed):
    """Its other port takes TLS that ends at the endpoint."""
    STREAM = "protocol: tls-passthrough, sni: { a.example: origin }"


HELLO = tls_raw.hello(more=tls_raw.server_name("a.example"))


def test_who_waits_for_tls_in_vain_is_told():
    with Hidden("size: 1, timeout: 200ms") as shunt:
        (first, _), = shunt.hold()
        late = shunt.client(hasty=True)
        late.send(HELLO)
        late.read_all()
        assert late.got == b"\x15\3\3\0\2\2\x50" and late.ending == "eof", "internal_error"
        assert shunt.accesses()[-1]["end"] == "queue_timeout"
        first.reset()


def test_a_hello_waits_and_arrives_as_it_was():
    with Hidden("size: 1, timeout: 1m") as shunt:
        (first, _), = shunt.hold()
        waits = shunt.client(hasty=True)
        waits.send(HELLO)
        plain.wait_until(lambda: shunt.stats()["queued"] == 1, "it waits")
        first.reset()
        plain.wait_until(lambda: [conn.data for conn in shunt.origin.unfinished()] == [HELLO], "its hello")
        waits.reset()


def test_a_stream_finds_another_endpoint_and_waits_for_it():
    with Streamed(count=2) as shunt:
        held = shunt.hold(2)
        here, other = sorted(held, key=lambda one: not shunt.origins[0].whole(one[1]))
        shunt.origins[0].close()
        plain.wait_until(lambda: shunt.stats()["exchanges"] == 1, "its exchange has ended")
        stream, name = shunt.stream()
        plain.wait_until(lambda: shunt.stats()["queued"] == 1, "it waits for the other one")
        other[0].reset()
        plain.wait_until(lambda: shunt.has(name), "its turn")
        assert shunt.stats()["upstream_connect_errors"] == 1
        for client in stream, here[0]:
            client.reset()
