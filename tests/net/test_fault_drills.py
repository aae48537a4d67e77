"""Endpoints fail in every way under load: what clients see of it, what it costs, and how it ends.

Figures are printed (pytest -s) as rows of the table in docs/resilience.md, and none decides: a drill fails
where what is broken is not found, clients see errors without a reason, or all does not become well again.
"""
import collections
import time

import pytest

from tests.harness import faulty, plain
from tests.harness.run import wait_until

CLIENTS, ENDPOINTS = 12, 3
CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners: [ {{ port: {port}, protocol: http, routes: all }} ]
node: {{ tunnel_address: 127.0.0.1 }}
routes:
  all:
    - {{ name: all, upstream: site, timeouts: {{ connect: 500ms, head: 500ms, total: 5s }},
        retry: {{ on: [connect, reset, timeout, 500], attempts: 2, backoff: 5ms, budget: 50 }} }}
upstreams:
  site:
    slow_start: 500ms
    fail: closed
    health: {{ http: /health, interval: 300ms, rise: 2, fall: 2 }}
    eject: {{ failures: 3, rate: 30, slow: 5, window: 500ms, least: 10, time: 500ms, most: 67 }}
    breaker: {{ failed: 70, window: 1s, least: 20, time: 500ms, trials: 3 }}
    endpoints: [ {endpoints} ]
"""
DRILLS = ["killed", "stalled", "slow", "half", "flapping", "breaking", "all down"]
BLOCK = 100  # requests, in order of their answers


class Drilled(plain.Plain):
    """Load goes on all the time. Each drill has its own: who was ejected before is so for longer."""

    def __init__(self):
        super().__init__()
        self.endpoints = [faulty.Endpoint() for _ in range(ENDPOINTS)]
        self.clients, self.more = None, ["--workers", "2"]

    def configuration(self):
        endpoints = ", ".join(f'{{ address: "127.0.0.1:{e.port}" }}' for e in self.endpoints)
        return CONFIG.format(port=self.port, endpoints=endpoints)

    def start(self):
        super().start()
        self.clients = faulty.Clients(self.port, CLIENTS)

    def close(self):
        if self.clients:
            self.clients.stop()
        super().close()
        for endpoint in self.endpoints:
            endpoint.close()

    def share(self, endpoint):
        """Its part of what came to all lately."""
        since = time.monotonic() - 0.3
        counts = [sum(hit > since for hit in e.hits[-500:]) for e in self.endpoints]
        return counts[self.endpoints.index(endpoint)] / max(1, sum(counts))

    def found(self):
        """How often something was found to be wrong."""
        stats = self.stats()
        return stats["endpoints_ejected"] + stats["breaker_opened"] + self.log().count(" is down (")

    def errors(self, since):
        return collections.Counter(status for when, status, _ in list(self.clients.results)
                                   if when >= since and status != 200)

    def goes_well(self):
        """Nothing but good answers of late, and all endpoints have their share of them."""
        last = list(self.clients.results)[-BLOCK:]
        return (len(last) == BLOCK and all(status == 200 for _, status, _ in last) and
                all(self.share(e) > 0.2 for e in self.endpoints))


@pytest.fixture(name="shunt")
def shunt_fixture():
    with Drilled() as shunt:
        wait_until(shunt.goes_well, "all is well before")
        yield shunt


def worst_share(shunt, endpoint, since):
    """The greatest part that it had of any so many requests in order, from then on."""
    hits = sorted((hit, e is endpoint) for e in shunt.endpoints for hit in list(e.hits) if hit >= since)
    blocks = [hits[at:at + BLOCK] for at in range(0, max(1, len(hits) - BLOCK), BLOCK // 4)]
    return max(sum(own for _, own in block) / BLOCK for block in blocks)


def refused(stats):
    return sum(count for name, count in stats.items() if name.startswith("retries_refused_"))


def report(drill, figures):
    print("\n| " + drill + " | " + " | ".join(str(figure) for figure in figures) + " |")


@pytest.mark.parametrize("drill", DRILLS)
def test_drill(shunt, drill):
    broken = shunt.endpoints if drill == "all down" else shunt.endpoints[:1]
    before, found, faults = shunt.stats(), shunt.found(), sum(e.faults for e in broken)
    first = len(shunt.clients.results)
    began = time.monotonic()
    for endpoint in broken:
        endpoint.set("killed" if drill == "all down" else drill)
    wait_until(lambda: shunt.found() > found, f"{drill} is found")
    detected = time.monotonic() - began
    # What happens from here on, until enough were asked to see it.
    wait_until(lambda: len(shunt.clients.results) - first > 4 * BLOCK, "the load goes on")
    repaired = time.monotonic()
    for endpoint in broken:
        endpoint.set("ok")
    wait_until(shunt.goes_well, f"all is well after {drill}")
    recovered = time.monotonic() - repaired
    after, errors = shunt.stats(), shunt.errors(began)
    spoiled = sum(e.faults for e in broken) - faults
    asked = len(shunt.clients.results) - first
    retries = after["retries"] - before["retries"]
    gone = refused(after) - refused(before)
    report(drill, [f"{detected * 1000:.0f} ms", asked, f"{sum(errors.values())} {dict(errors) or ''}", retries, gone,
                   f"{recovered * 1000:.0f} ms", f"{100 * worst_share(shunt, broken[0], repaired):.0f} %"])
    # Each error has its reason: a body that was broken off, a retry that was refused, nobody left to be
    # asked, or, as on a machine that stands still, too little time.
    allowed = {"breaking": {"cut", "reset"}, "all down": {502, 503}, "half": {500}}.get(drill, {502})
    assert set(errors) <= allowed | {504}, errors
    owed = sum(count for status, count in errors.items() if status in (500, 502))
    assert owed <= gone, (errors, gone)
    if drill == "breaking":
        assert errors["cut"] + errors["reset"] <= spoiled, (errors, spoiled)
    assert retries <= 2 * asked
