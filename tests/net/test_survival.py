"""Live splices and bodies while what carries them changes: neighbours, routes, devices, workers, programs."""
import json
import os
import signal
import subprocess

import pytest

from tests.harness import config
from tests.harness.lab import HARNESS, PYTHON, Talk
from tests.harness.run import BUILD, PATIENCE, wait_until

pytestmark = config.BOTH_HOOKS
V4, V6, WEB, WEB6 = "203.0.113.11", "2001:db8:53::11", "203.0.113.10", "2001:db8:53::10"
STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
ROUTES = """
    - { name: pattern6, match: { host: v6.example.com, path: "/pattern/*" }, upstream: odd6, splice_threshold: 32kB }
    - { name: pattern, match: { path: "/pattern/*" }, upstream: odd, splice_threshold: 32kB }
"""
ENDPOINT = "10.0.1.0/24"


def configuration(workers=2):
    return config.full(extra_routes=ROUTES.strip()).replace(
        "node:\n", f"node:\n  workers: {workers}\n", 1).replace("devices: [eth0]", "devices: [eth0, eth1]")


class BodyTalk(Talk):
    """Bodies both ways that last; see body_talk.py."""

    def __init__(self, lab, address, count, host):  # pylint: disable=super-init-not-called
        self.process = lab.start("client", PYTHON, os.path.join(HARNESS, "body_talk.py"), address, "80",
                                 str(count), host, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Alive:
    """Splices and bodies of both families that are under way."""

    def __init__(self, lab):
        self.lab = lab
        self.talks = [lab.talk(V4, 7000, 4, STREAM), lab.talk(V6, 7000, 2, STREAM)]
        wait_until(lambda: lab.status()["splices"]["active"] >= 6, "6 splices")
        self.talks += [BodyTalk(lab, WEB, 4, "x.example.com"), BodyTalk(lab, WEB6, 2, "v6.example.com")]
        self.more_bodies()

    def bodies(self):
        return self.lab.status()["stats"]["bodies_spliced"]

    def more_bodies(self):
        before = self.bodies()
        wait_until(lambda: self.bodies() > before + 3, "bodies are spliced")

    def goes_on(self):
        for talk in self.talks:
            talk.goes_on()

    def no_connection_is_new(self):
        assert all(talk.ask()["again"] == 0 for talk in self.talks[2:])

    def ends(self):
        """All was as it should be to the end."""
        for talk in self.talks:
            got = talk.end()
            assert got["bad"] == 0, (got, self.lab.not_done())
        wait_until(lambda: self.lab.status()["splices"]["active"] == 0, "all splices have ended")


@pytest.fixture(scope="module")
def node(lab):
    lab.second_link()
    for host in ("client", "lb", "web_a"):
        lab.sh(host, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")
    # What the kernel finds out by itself takes it half a minute with its own numbers.
    for family in ("ipv4", "ipv6"):
        lab.sh("lb", "sysctl", "-qw", f"net.{family}.neigh.eth0.base_reachable_time_ms=1000",
               f"net.{family}.neigh.eth0.delay_first_probe_time=1",
               f"net.{family}.neigh.eth0.retrans_time_ms=200")
    lab.shunt(configuration(), more=())
    return lab


@pytest.fixture(scope="module")
def alive(node):
    """One for all: what survives one change has to survive the next."""
    return Alive(node)


def test_a_next_hop_with_another_mac_is_followed(alive, node):
    """Nobody announces it: the kernel is made to ask."""
    node.ip("router", "link", "set", "r-lb", "address", "02:00:00:00:77:01")
    alive.goes_on()
    alive.more_bodies()


def test_another_route_is_followed_also_where_the_old_one_leads_nowhere(alive, node):
    node.ip("lb", "route", "add", ENDPOINT, "via", "192.0.5.1")
    alive.goes_on()
    wait_until(lambda: eth1_sends(node), "packets leave by eth1")
    node.ip("lb", "link", "set", "eth1", "down")  # and the route is gone with it
    alive.goes_on()
    alive.more_bodies()
    node.ip("lb", "link", "set", "eth1", "up")
    node.ip("lb", "route", "add", ENDPOINT, "via", "192.0.5.1")
    wait_until(lambda: eth1_sends(node), "packets leave by eth1 again")
    alive.goes_on()
    node.ip("lb", "route", "del", ENDPOINT, "via", "192.0.5.1")
    alive.goes_on()


def eth1_sends(lab):
    """Within a moment, whatever hook it is: the router counts what comes."""
    before = link(lab, "r-lb-b")["stats64"]["rx"]["packets"]
    lab.status()
    return link(lab, "r-lb-b")["stats64"]["rx"]["packets"] > before + 10


def link(lab, name):
    return json.loads(lab.sh("router", "ip", "-j", "-s", "link", "show", name).stdout)[0]


def test_a_device_that_goes_down_and_comes_back_stalls_nothing(alive, node):
    node.ip("lb", "link", "set", "eth0", "down")
    node.ip("lb", "link", "set", "eth0", "up")
    node.ip("lb", "addr", "replace", "2001:db8:2::10/64", "dev", "eth0", "nodad")
    node.ip("lb", "route", "replace", "default", "via", "192.0.2.1")
    node.ip("lb", "-6", "route", "replace", "default", "via", "2001:db8:2::1")
    alive.goes_on()
    alive.more_bodies()


def test_programs_are_replaced_in_the_midst_of_splices_and_bodies(alive, node):
    for _ in range(2):
        node.sh("lb", os.path.join(BUILD, "shunt-loader"), "upgrade", "--pin-dir", node.pins)
        alive.goes_on()
    alive.more_bodies()
    alive.no_connection_is_new()  # so far


def test_reloads_that_change_the_workers_break_neither_splices_nor_bodies(alive, node):
    for count in (4, 1, 2):
        node.reload(configuration(count))
        alive.goes_on()


def test_an_upgrade_waits_for_bodies_and_keeps_splices(alive, node):
    old = node.upgrade()
    alive.goes_on()
    alive.more_bodies()
    old.wait(PATIENCE)


def test_a_killed_daemon_takes_bodies_along_cleanly_and_no_splice(alive, node):
    """Whose body was cut hears so at once: nothing hangs."""
    node.stop(signal.SIGKILL)
    streams, bodies = alive.talks[:2], alive.talks[2:]
    for talk in bodies:
        wait_until(lambda t=talk: t.ask()["all"], "all bodies are cut")
    for talk in streams:
        talk.goes_on()
    node.shunt(configuration(), more=())
    for talk in streams:
        talk.goes_on()
    fresh = Alive(node)
    fresh.goes_on()
    for talk in streams:
        assert talk.end()["bad"] == 0
    fresh.ends()
