"""Splices and bodies that are under way while something happens to what carries them, and what may happen."""
import json
import os
import subprocess

from tests.harness import config
from tests.harness.lab import HARNESS, PYTHON, Talk
from tests.harness.run import BUILD, PATIENCE, wait_until

V4, V6, WEB, WEB6 = "203.0.113.11", "2001:db8:53::11", "203.0.113.10", "2001:db8:53::10"
STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
ROUTES = """
    - { name: pattern6, match: { host: v6.example.com, path: "/pattern/*" }, upstream: odd6, splice_threshold: 32kB }
    - { name: pattern, match: { path: "/pattern/*" }, upstream: odd, splice_threshold: 32kB }
"""
ENDPOINT = "10.0.1.0/24"


def configuration(workers=2, more="", tunnel="1h"):
    """more: of the node."""
    return config.full(extra_routes=ROUTES.strip(), tunnel=tunnel).replace(
        "node:\n", f"node:\n  workers: {workers}\n{more}", 1).replace("devices: [eth0]", "devices: [eth0, eth1]")


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


class Churn:
    """Streams that come and go in every way; see churn.py."""

    def __init__(self, lab, address, threads, seed):
        self.process = lab.start("client", PYTHON, os.path.join(HARNESS, "churn.py"), address, "7000", str(threads),
                                 str(seed), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        return json.loads(self.process.communicate(timeout=4 * PATIENCE)[0])


class Alive:
    """Splices and bodies of both families."""

    def __init__(self, lab, streams=(4, 2), bodies=(4, 2)):
        self.lab = lab
        before = lab.status()["splices"]["begun"]
        self.streams = [lab.talk(V4, 7000, streams[0], STREAM), lab.talk(V6, 7000, streams[1], STREAM)]
        wait_until(lambda: lab.status()["splices"]["begun"] >= before + sum(streams), "all are spliced")
        self.bodies = [BodyTalk(lab, WEB, bodies[0], "x.example.com"), BodyTalk(lab, WEB6, bodies[1], "v6.example.com")]
        self.more_bodies()

    def bodies_spliced(self):
        return self.lab.status()["stats"]["bodies_spliced"]

    def more_bodies(self):
        before = self.bodies_spliced()
        wait_until(lambda: self.bodies_spliced() > before + 3, "bodies are spliced")

    def goes_on(self):
        for talk in self.streams + self.bodies:
            talk.goes_on()

    def no_connection_is_new(self):
        assert all(talk.ask()["again"] == 0 for talk in self.bodies)

    def end(self, talks=None):
        """All was as it should be to the end."""
        for talk in talks or self.streams + self.bodies:
            got = talk.end()
            assert got["bad"] == 0, (got, self.lab.not_done())


def prepare(lab):
    """Two devices; what the kernel finds out of neighbours by itself takes it half a minute with its own numbers."""
    lab.second_link()
    for host in ("client", "lb", "web_a"):
        lab.sh(host, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")
    for family in ("ipv4", "ipv6"):
        lab.sh("lb", "sysctl", "-qw", f"net.{family}.neigh.eth0.base_reachable_time_ms=1000",
               f"net.{family}.neigh.eth0.delay_first_probe_time=1", f"net.{family}.neigh.eth0.retrans_time_ms=200")


def link(lab, name):
    return json.loads(lab.sh("router", "ip", "-j", "-s", "link", "show", name).stdout)[0]


# --- what may happen, each leaves the lab as it was but for names and numbers


def other_mac(lab, last="01"):
    """The next hop has another MAC, and tells nobody."""
    lab.ip("router", "link", "set", "r-lb", "address", f"02:00:00:00:77:{last}")


def eth1_sends(lab):
    before = link(lab, "r-lb-b")["stats64"]["rx"]["packets"]
    lab.status()
    return link(lab, "r-lb-b")["stats64"]["rx"]["packets"] > before + 10


def by_eth1(lab):
    lab.ip("lb", "route", "add", ENDPOINT, "via", "192.0.5.1")
    wait_until(lambda: eth1_sends(lab), "packets leave by eth1")


def eth1_down(lab):
    """The route by it is gone, too."""
    lab.ip("lb", "link", "set", "eth1", "down")


def eth1_up(lab):
    lab.ip("lb", "link", "set", "eth1", "up")


def not_by_eth1(lab):
    lab.ip("lb", "route", "del", ENDPOINT, "via", "192.0.5.1")


def eth0_down_and_up(lab):
    lab.ip("lb", "link", "set", "eth0", "down")
    lab.ip("lb", "link", "set", "eth0", "up")
    lab.ip("lb", "addr", "replace", "2001:db8:2::10/64", "dev", "eth0", "nodad")
    lab.ip("lb", "route", "replace", "default", "via", "192.0.2.1")
    lab.ip("lb", "-6", "route", "replace", "default", "via", "2001:db8:2::1")


def replace_programs(lab):
    lab.sh("lb", os.path.join(BUILD, "shunt-loader"), "upgrade", "--pin-dir", lab.pins)


def replace_daemon(lab, meanwhile=lambda: None):
    old = lab.upgrade()
    meanwhile()
    old.wait(PATIENCE)
