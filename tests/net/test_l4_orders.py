"""shuntctl endpoint on listeners of packets: what is new goes where it is wanted at once, what runs as it should."""
import collections
import json
import os
import subprocess

import pytest

from tests.harness.lab import HARNESS, PYTHON
from tests.harness.run import wait_until
from tests.net.test_dsr import DSR, NEAR, STREAM, move_to_link_of_node

FLOWS = 200
# web: pages. echo: for ever. kept: datagrams of flows. loose: datagrams that stand alone.
PORTS = {"web": (8000, "tcp"), "echo": (8001, "tcp"), "kept": (5300, "udp"), "loose": (5301, "udp, timeouts: { udp_idle: 0s }")}


def config():
    listeners = "".join(f"""
      - {{ port: {port}, protocol: {protocol}, upstream: {name}, forward: dsr }}"""
                        for name, (port, protocol) in PORTS.items())
    upstreams = "".join(f"""
  {name}:
    balance: maglev
    endpoints: [ {", ".join('{ address: "%s:%d" }' % (at[0], port) for at in NEAR.values())} ]"""
                        for name, (port, _) in PORTS.items())
    return f"""
node: {{ devices: [eth0], source_addresses: [192.0.2.10] }}
vips:
  - name: dsr
    addresses: [{DSR}]
    listeners:{listeners}
upstreams:{upstreams}
"""


class Spread:
    """See spread.py."""

    def __init__(self, lab, kind, port, count=FLOWS, vip=DSR):
        self.process = lab.start("client", PYTHON, os.path.join(HARNESS, "spread.py"), kind, vip, str(port),
                                 str(count), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def names(self, which="same"):
        self.process.stdin.write(which + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def counts(self, which="new"):
        return dict(collections.Counter(self.names(which)))


class Orders:
    """The lab, all its flows, and the orders."""

    def __init__(self, lab):
        self.lab = lab
        self.pages, self.loose = Spread(lab, "tcp", 8000), Spread(lab, "udp", 5301)

    def set(self, host, *words):
        for name, (port, _) in PORTS.items():
            self.lab.ctl("endpoint", "set", name, f"{NEAR[host][0]}:{port}", *words, "--admin", self.lab.admin)

    def new(self):
        """Who gets what begins now, of each protocol."""
        return self.pages.counts(), self.loose.counts()

    def shown(self):
        return self.lab.ctl("status", "--admin", self.lab.admin).stdout


@pytest.fixture(name="orders", scope="module")
def fixture_orders(lab):
    move_to_link_of_node(lab)
    for host in NEAR:
        for port in (5300, 5301):
            lab.start(host, PYTHON, os.path.join(HARNESS, "datagrams.py"), "serve", DSR, str(port), host)
    lab.shunt(config())
    made = Orders(lab)
    wait_until(lambda: set(made.pages.names()) == set(NEAR), "both endpoints are resolved")
    return made


@pytest.fixture(name="kept")
def fixture_kept(orders):
    """Connections and flows of datagrams that are there before the test, at both; as configured again behind it."""
    talk, flows = orders.lab.talk(DSR, 8001, 40, STREAM), Spread(orders.lab, "udp", 5300)
    flows.before = flows.names()
    assert set(flows.before) == set(NEAR)
    yield talk, flows
    for host in NEAR:
        orders.set(host, "reset")


def is_share(counts, host, share):
    """Within six standard deviations of what the weights say; so is one in a thousand million by chance only."""
    count = counts.get(host, 0)
    return abs(count - FLOWS * share) <= 6 * (FLOWS * share * (1 - share)) ** 0.5


def test_weights_shift_what_is_new_and_nothing_else_also_over_a_reload(orders, kept):
    talk, flows = kept
    assert all(is_share(counts, "web_b", 0.5) for counts in orders.new())
    orders.set("web_b", "weight", "9")
    for _ in range(2):
        for counts in orders.new():
            assert is_share(counts, "web_b", 0.9) and sum(counts.values()) == FLOWS, counts
        talk.goes_on()
        assert flows.names() == flows.before
        assert orders.shown().count("weight 9; by uid") == len(PORTS)
        orders.lab.reload(config())
    orders.set("web_b", "reset")
    assert all(is_share(counts, "web_b", 0.5) for counts in orders.new())
    talk.goes_on()
    assert talk.end()["bad"] == 0
    assert "by uid" not in orders.shown()


@pytest.mark.parametrize("words,shown", [(("drain",), "drain"), (("disable",), "off"), (("weight", "0"), "weight 0")])
def test_who_leaves_keeps_its_connections_and_gets_nothing_new_also_over_a_reload(orders, kept, words, shown):
    talk, flows = kept
    orders.set("web_b", *words)
    for _ in range(2):
        assert orders.new() == ({"web_a": FLOWS},) * 2
        talk.goes_on()
        # Datagrams have nothing that they could lose; of who has no weight it is not known that he leaves.
        assert flows.names() == (flows.before if words[0] == "weight" else ["web_a"] * FLOWS)
        assert orders.shown().count(shown) >= len(PORTS), orders.shown()
        orders.lab.reload(config())
    orders.set("web_b", "reset")
    assert all(is_share(counts, "web_b", 0.5) for counts in orders.new())
    talk.goes_on()
    assert talk.end()["bad"] == 0


def test_datagrams_that_stand_alone_follow_each_change(orders):
    flows = Spread(orders.lab, "udp", PORTS["loose"][0])
    for leaves, stays in (("web_b", "web_a"), ("web_a", "web_b"), ("web_b", "web_a")):
        orders.set(leaves, "weight", "0")
        orders.set(stays, "reset")
        assert flows.counts("same") == {stays: FLOWS}
    orders.set("web_b", "reset")
    assert is_share(flows.counts("same"), "web_b", 0.5)


def test_when_its_time_to_drain_is_over_its_connections_end_and_no_others(orders, kept):
    talk, _ = kept
    here = [orders.lab.sh(host, "ss", "-Htn", "state", "established", "sport", "=", "8001").stdout.count("\n")
            for host in NEAR]
    assert sum(here) == 40 and here[1] > 0
    orders.set("web_b", "drain")
    talk.goes_on()
    orders.set("web_b", "drain", "1s")
    wait_until(lambda: orders.shown().count("off") >= len(PORTS), "its time is over")
    assert orders.new() == ({"web_a": FLOWS},) * 2
    got = talk.end()
    assert got["bad"] == here[1] and got["ok"] == here[0], (here, got)
    assert all("reset" in error for error in got["errors"]), got
    orders.set("web_b", "enable")
    assert all(is_share(counts, "web_b", 0.5) for counts in orders.new())
