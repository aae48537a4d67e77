"""What four workers hold against endpoints and upstreams, they hold together; on loopback."""
import json
import os
import re
import subprocess
import threading
import time

import pytest

from tests.harness import faulty, plain, scripted
from tests.harness.run import BUILD
from tests.net.test_balancing import Failing, Several
from tests.net.test_breaker import explained
from tests.net.test_queue import Lined
from tests.net.test_retries import Says, asked, refused, retry

WORKERS, CLIENTS, TRIALS = 4, 12, 4
SILENT = scripted.Answer(())


class Together(Several):
    def __init__(self, count, upstream="", **more):
        super().__init__(count, upstream, **more)
        self.more = ["--workers", str(WORKERS)]


class Timed(faulty.Endpoint):
    """Takes 20 ms for each answer, good or bad, and remembers when each began and ended."""

    def __init__(self):
        self.bad, self.spans = True, []
        super().__init__()

    def answer(self, sock, probe):
        span, bad = [time.monotonic(), float("inf")], self.bad
        with self.lock:
            self.spans.append(span)
        time.sleep(0.02)
        span[1] = time.monotonic()
        sock.sendall(faulty.BAD if bad else faulty.OK)
        return True


class Busy(Together):
    """Twelve clients ask without end, from the moment that load() is called."""

    def __init__(self, endpoints, upstream):
        super().__init__(1, upstream)
        self.endpoints, self.clients = endpoints, None

    def configuration(self):
        text = super().configuration()
        listed = "".join(f'      - {{ address: "127.0.0.1:{e.port}" }}\n' for e in self.endpoints)
        return text[:text.index("    endpoints:")] + "    endpoints:\n" + listed

    def load(self):
        self.clients = faulty.Clients(self.port, CLIENTS)

    def statuses(self):
        return [status for _, status, _ in list(self.clients.results)]

    def close(self):
        if self.clients:
            self.clients.stop()
        super().close()
        for endpoint in self.endpoints:
            endpoint.close()


class Streams(Busy):
    """Its other port takes streams for the same upstream."""

    def configuration(self):
        return re.sub(r"- { port: %d,.*" % self.hasty,
                      f"- {{ port: {self.hasty}, protocol: tcp-proxy, upstream: origin }}", super().configuration())

    def stream(self):
        """What the endpoint answers there; nothing where it is over at once."""
        try:
            client = self.client(hasty=True)
        except ConnectionResetError:
            return b""
        client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        got = client.read_some()
        client.reset()
        return got


@pytest.mark.parametrize("judged", [
    "eject: { failures: 3, time: 1h, most: 50 }",
    "breaker: { failed: 50, window: 10m, least: 4, time: 10m }",
])
def test_streams_that_go_well_count_as_well(judged):
    """One in twelve finds an endpoint that cannot be reached, and goes on to the other."""
    endpoints = [faulty.Endpoint() for _ in range(2)]
    with Streams(endpoints, f"    {judged}\n") as shunt:
        for turn in range(6):
            endpoints[0].set("killed")
            plain.wait_until(lambda n=turn: shunt.stream() == faulty.OK and shunt.stats()["upstream_connect_errors"] > n,
                             "one that finds the other endpoint")
            endpoints[0].set("ok")
            assert [shunt.stream() for _ in range(12)] == [faulty.OK] * 12
        stats = shunt.stats()
        assert (stats["endpoints_ejected"], stats["breaker_opened"]) == (0, 0), stats
        assert stats["upstream_connect_errors"] >= 6


def test_streams_are_never_refused_but_open_and_close_the_breaker():
    endpoints = [faulty.Endpoint()]
    with Streams(endpoints, "    breaker: { failed: 50, window: 10m, least: 4, time: 1s, trials: 2 }\n") as shunt:
        def stands():
            return shunt.daemon_status()["upstreams"][0]["breaker"]

        for turn in (1, 2):
            endpoints[0].set("killed")
            plain.wait_until(lambda n=turn: shunt.stream() != faulty.OK and shunt.stats()["breaker_opened"] == n,
                             "enough that fail")
            endpoints[0].set("ok")
            assert shunt.stream() == faulty.OK
            plain.wait_until(lambda: shunt.stream() == faulty.OK and stands() == "closed", "trials")
        stats = shunt.stats()
        assert (stats["breaker_closed"], stats["breaker_refused"]) == (2, 0), stats


def test_failures_in_a_row_are_of_all_workers_and_outlive_a_reload():
    with Together(2, "    eject: { failures: 5, time: 1h, most: 50 }\n") as shunt:
        shunt.origins[0].answers = Failing()
        statuses = asked(shunt, 60)
        assert statuses.count(500) == 5 and statuses.count(200) == 55, statuses
        assert shunt.stats()["endpoints_ejected"] == 1
        assert shunt.log().count(" is ejected") == 1
        shunt.reload()
        assert asked(shunt, 20) == [200] * 20
        # Whichever worker is asked, it says the same.
        address = f"127.0.0.1:{shunt.origins[0].port}"
        state, = {one["state"].split(" for ")[0] for one in explained(shunt)["endpoints"]
                  if one["endpoint"] == address}
        assert state == "ejected", state


def test_only_what_is_under_way_fails_beside_those_that_are_counted():
    good, bad = faulty.Endpoint(), faulty.Endpoint()
    with Busy([good, bad], "    eject: { failures: 5, time: 1h, most: 50 }\n") as shunt:
        bad.set("half")
        bad.spoils = lambda: "half"  # each of its answers
        shunt.load()
        plain.wait_until(lambda: shunt.stats()["endpoints_ejected"] == 1, "it is ejected")
        count = len(shunt.clients.results)
        plain.wait_until(lambda: len(shunt.clients.results) > count + 200, "the load goes on")
        statuses = shunt.statuses()
        assert 5 <= statuses.count(500) <= 5 + CLIENTS, statuses.count(500)
        assert shunt.stats()["endpoints_ejected"] == 1


def test_a_breaker_opens_once_for_all_workers():
    with Together(1, "    breaker: { failed: 50, least: 10, window: 1m, time: 1h }\n") as shunt:
        shunt.origin.answers = Failing()
        assert asked(shunt, 40) == [500] * 10 + [503] * 30
        stats = shunt.stats()
        assert (stats["breaker_opened"], stats["breaker_refused"]) == (1, 30), stats
        assert shunt.served() == [10]


def overlaps(spans):
    return [(a, b) for a, b in zip(spans, spans[1:]) if b[0] < a[1]]


def test_half_open_one_at_a_time_is_let_through_by_all_workers():
    rules = f"    breaker: {{ failed: 50, least: 10, window: 1m, time: 1s, trials: {TRIALS} }}\n"
    endpoint = Timed()
    with Busy([endpoint], rules) as shunt:
        shunt.load()
        plain.wait_until(lambda: shunt.stats()["breaker_opened"] >= 1, "it opens")
        # Each client that was under way has an answer, and is refused next.
        plain.wait_until(lambda: shunt.statuses()[-CLIENTS:] == [503] * CLIENTS, "all are refused")
        before = len(endpoint.spans)
        assert before <= 10 + CLIENTS + shunt.stats()["breaker_opened"], "what counts, what was under way, and trials"
        endpoint.bad = False
        plain.wait_until(lambda: shunt.stats()["breaker_closed"] == 1, "it closes")
        tried = endpoint.spans[before:before + TRIALS]
        assert len(tried) == TRIALS and not overlaps(tried), tried
        plain.wait_until(lambda: overlaps(endpoint.spans[before + TRIALS:]), "then all are let through")


def test_the_budget_of_retries_is_of_all_workers():
    with Together(2, route=retry("on: [500], budget: 0, budget_least: 3")) as shunt:
        shunt.origins[0].answers = Failing()
        shunt.origins[1].answers = Says(SILENT)
        held = [shunt.client() for _ in range(40)]
        for client in held:
            client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % scripted.token())
        plain.wait_until(lambda: sum(shunt.served()) == 40 + 3, "all are there, three twice")
        failed = shunt.served()[0]
        plain.wait_until(lambda: refused(shunt) == {"budget": failed - 3}, "all others are refused")
        assert shunt.stats()["retries"] == 3
        for client in held:
            client.reset()


def test_what_a_retry_had_of_the_budget_is_given_back_by_any_worker():
    """A worker that has just answered may have one more to give back: four of five, at most."""
    with Together(2, route=retry("on: [500], budget: 0, budget_least: 5")) as shunt:
        shunt.origins[0].answers = Failing()
        assert asked(shunt, 60) == [200] * 60
        assert not refused(shunt) and shunt.stats()["retries"] > 5


def status(shunt, *more):
    return subprocess.run([os.path.join(BUILD, "shuntctl"), "status", "--admin", shunt.path("admin.sock"), *more],
                          capture_output=True, text=True, check=True).stdout


def told(shunt):
    """The only upstream, as shuntctl status has it."""
    one, = json.loads(status(shunt, "--json"))["upstreams"]
    return one


def rows(shunt):
    """The lines of upstreams for people."""
    return [line.split() for line in status(shunt).splitlines() if line.startswith("origin ")]


def test_status_tells_whom_all_leave_alone():
    rules = ("    eject: { failures: 2, time: 1h, most: 50 }\n"
             "    breaker: { failed: 90, least: 5, window: 1m, time: 1h }\n")
    with Together(2, rules) as shunt:
        one = told(shunt)
        assert (one["upstream"], one["breaker"], one["ejected"], one["endpoints"]) == ("origin", "closed", [], 2), one
        assert rows(shunt) == [], "where nothing happens nothing is said"
        shunt.origins[0].answers = Failing()
        plain.wait_until(lambda: asked(shunt, 4) and told(shunt)["ejected"], "it is ejected")
        away, = told(shunt)["ejected"]
        assert away["endpoint"] == f"127.0.0.1:{shunt.origins[0].port}" and away["vpc"] is None
        assert 0 < away["left_ms"] <= 3600000
        assert f"{away['endpoint']} is ejected for 3" in status(shunt)


def test_status_tells_of_a_breaker_that_is_open_and_when_it_tries():
    with Together(1, "    breaker: { failed: 50, least: 4, window: 1m, time: 1h }\n") as shunt:
        shunt.origin.answers = Failing()
        asked(shunt, 4)
        one = told(shunt)
        assert one["breaker"] == "open" and 3000000 < one["breaker_left_ms"] <= 3600000, one
        assert "open for 3" in status(shunt)
    with Together(1, "    breaker: { failed: 50, least: 4, window: 1m, time: 100ms }\n") as shunt:
        shunt.origin.answers = Failing()
        asked(shunt, 4)
        plain.wait_until(lambda: told(shunt)["breaker"] == "half_open", "its time is over, and nobody has asked")
        assert told(shunt)["breaker_left_ms"] == 0 and "half open" in status(shunt)


def test_status_tells_what_all_workers_have_under_way():
    with Lined("size: 100, timeout: 1m", limit="max_requests: 2", workers=WORKERS) as shunt:
        held, waiting = shunt.hold(2), shunt.queue(3)
        one = told(shunt)
        assert [one[name] for name in ("active", "pending", "waiting", "retrying")] == [2, 3, 3, 0], one
        assert one["breaker"] is None, "it has none"
        assert rows(shunt) == [["origin", "-", "2", "3", "3", "0", "0", "of", "1"]]
        for client, _ in held + waiting:
            client.reset()
        plain.wait_until(lambda: [told(shunt)[name] for name in ("active", "pending", "waiting")] == [0, 0, 0],
                         "all of it is given back")


def test_reloads_while_all_fail_lose_and_double_nothing():
    """Under ThreadSanitizer this also shows that workers judge without a race."""
    rules = ("    eject: { failures: 2, rate: 20, slow: 3, window: 100ms, least: 5, time: 100ms, most: 67 }\n"
             "    breaker: { failed: 60, least: 10, window: 200ms, time: 100ms, trials: 2 }\n"
             "    slow_start: 200ms\n")
    endpoints = [faulty.Endpoint() for _ in range(3)]
    with Busy(endpoints, rules) as shunt:
        shunt.load()
        for mode in ("half", "breaking", "killed", "slow", "ok"):
            threading.Thread(target=shunt.reload).start()
            for endpoint in endpoints[:2]:
                endpoint.set(mode)
            count = len(shunt.clients.results)
            plain.wait_until(lambda n=count: len(shunt.clients.results) > n + 150, "the load goes on")
        plain.wait_until(lambda: shunt.statuses()[-100:] == [200] * 100, "all is well")
        stats = shunt.stats()
        assert stats["endpoints_ejected"] >= 1, stats
        assert stats["breaker_opened"] - stats["breaker_closed"] >= 0, stats
