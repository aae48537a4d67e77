"""Name servers fail in every way under load: what clients see of it, when it is found, and how it ends.

As in test_fault_drills, figures are printed (pytest -s) and none decides: a drill fails where clients see errors,
what is wrong is not found, or all does not become well again.
"""
import time

import pytest

from tests.harness import faulty
from tests.harness.drills import BLOCK, Drilled, refused, report
from tests.harness.names import NXDOMAIN, SERVFAIL, NameServer
from tests.harness.run import wait_until

NAME, DEAD = "site.example.test", "127.0.0.9"
KEPT = "what it stood for before is kept"
ADDRESSES = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners: [ {{ port: {port}, protocol: http, routes: all }} ]
node: {{ tunnel_address: 127.0.0.1 }}
dns: {{ servers: ["127.0.0.1:{dns}"], timeout: 300ms, hold: 1h }}
routes:
  all:
    - {{ name: all, upstream: site, timeouts: {{ connect: 500ms, head: 500ms, total: 5s }},
        retry: {{ on: [connect, reset, timeout], attempts: 2, backoff: 5ms, budget: 50 }} }}
upstreams:
  site:
    slow_start: 500ms
    fail: closed
    health: {{ http: /health, interval: 300ms, rise: 2, fall: 2 }}
    eject: {{ failures: 3, window: 500ms, least: 10, time: 500ms, most: 67 }}
    endpoints: [ {{ address: "{name}:{origin}" }} ]
"""


class DrilledNames(Drilled):
    """A site whose endpoints are what a name server says."""

    def __init__(self):
        self.dns = NameServer()
        self.dns.say(NAME, *ADDRESSES)
        super().__init__()

    def make_endpoints(self):
        self.endpoint, endpoints = self.on_one_port(faulty.Endpoint, ADDRESSES)
        return endpoints

    def configuration(self):
        return CONFIG.format(port=self.port, dns=self.dns.port, name=NAME, origin=self.endpoint)

    def close(self):
        super().close()
        self.dns.close()

    def name(self):
        return self.daemon_status()["names"][0]


@pytest.fixture(name="shunt", scope="module")
def shunt_fixture():
    """One for all drills: whoever looks names up holds no grudge."""
    with DrilledNames() as shunt:
        wait_until(shunt.goes_well, "all is well before")
        yield shunt


def attributes(**values):
    """How the name server is broken by these, and whole again."""
    def put(dns, broken):
        for key, value in values.items():
            setattr(dns, key, value if broken else type(value)() if isinstance(value, bool) else None)
    return put


def drill(shunt, what, put, is_found):
    """From the moment when it breaks until all is well again: the errors that clients saw, the retries refused."""
    before, first, began = shunt.stats(), len(shunt.clients.results), time.monotonic()
    put(shunt.dns, True)
    wait_until(is_found, f"{what} is found: {shunt.log()}")
    found = time.monotonic() - began
    answered = len(shunt.clients.results)
    wait_until(lambda: len(shunt.clients.results) - answered > 4 * BLOCK, "the load goes on")
    repaired = time.monotonic()
    put(shunt.dns, False)
    wait_until(lambda: shunt.name()["state"] == "answered" and sorted(shunt.name()["addresses"]) == ADDRESSES and
               shunt.goes_well(), f"all is well after {what}: {shunt.log()}")
    recovered, after = time.monotonic() - repaired, shunt.stats()
    errors = shunt.errors(began)
    worst = max(shunt.worst_share(endpoint, repaired) for endpoint in shunt.endpoints)
    gone = refused(after) - refused(before)
    report(what, [f"{found * 1000:.0f} ms", len(shunt.clients.results) - first,
                  f"{sum(errors.values())} {dict(errors) or ''}", after["retries"] - before["retries"], gone,
                  f"{recovered * 1000:.0f} ms", f"{100 * worst:.0f} %"])
    return errors, gone


def stop(dns, broken):
    if broken:
        dns.stop()
    else:
        dns.begin()


def says(*addresses):
    def put(dns, broken):
        dns.say(NAME, *(addresses if broken else ADDRESSES))
    return put


@pytest.mark.parametrize("what,put", [
    ("is dead: its port is closed", stop),
    ("says nothing", attributes(silent=True)),
    ("answers SERVFAIL", attributes(rcode=SERVFAIL)),
    ("answers NXDOMAIN", attributes(rcode=NXDOMAIN)),
    ("answers that there are no addresses", attributes(empty=True)),
    ("answers with garbage", attributes(garbage=b"\x81\x80" + b"\xff" * 40)),
])
def test_while_nobody_says_what_the_name_is_its_endpoints_serve(shunt, what, put):
    wait_until(shunt.goes_well, "all is well before")
    snapshots, kept = shunt.log().count("is in effect"), shunt.log().count(KEPT)
    errors, _ = drill(shunt, what, put, lambda: shunt.name()["state"] == "failing")
    assert not errors
    assert shunt.log().count(KEPT) > kept
    assert shunt.log().count("is in effect") == snapshots


@pytest.mark.parametrize("what,addresses", [
    ("says a dead address for one of three", [DEAD, *ADDRESSES[1:]]),
    ("says nothing but a dead address", [DEAD]),
])
def test_what_serves_well_is_held_while_an_answer_leads_to_nobody(shunt, what, addresses):
    """The checks find the new one to be down, and those of before to be up."""
    wait_until(shunt.goes_well, "all is well before")
    down = shunt.log().count(f"{DEAD}:{shunt.endpoint} is down (")
    errors, gone = drill(shunt, what, says(*addresses),
                   lambda: shunt.log().count(f"{DEAD}:{shunt.endpoint} is down (") > down)
    assert sum(errors.values()) <= gone  # on a machine that stands still
