"""Large bodies that the kernel carries while their connections stay HTTP."""
import os

import pytest

from tests.harness import config
from tests.harness.lab import HARNESS, PYTHON

pytestmark = config.BOTH_HOOKS
V4, V6 = "203.0.113.10", "2001:db8:53::10"
ROUTES = """
    - { name: pattern-b, match: { host: two.example.com, path: "/pattern/*" }, upstream: odd-b, splice_threshold: 32kB }
    - { name: tail, match: { host: tail.example.com, path: "/pattern/*" }, upstream: odd, splice_threshold: 4kB }
    - { name: pattern, match: { path: "/pattern/*" }, upstream: odd, splice_threshold: 32kB }
"""
UPSTREAM = """  odd-b: { connect_timeout: 60s, endpoints: [ { address: "10.0.2.2:8001" } ] }
"""


@pytest.fixture(scope="module")
def bodies(lab):
    lab.shunt(config.full(extra_routes=ROUTES.strip()).replace("upstreams:\n", "upstreams:\n" + UPSTREAM))
    return lab


def play(lab, connections, requests, seed, largest=1 << 20, address=V4,
         hosts=("x.example.com", "two.example.com")):
    return lab.sh("client", PYTHON, os.path.join(HARNESS, "bodies.py"), address, "80", str(connections),
                  str(requests), str(seed), str(largest), *hosts, check=False, timeout=300).stdout


def test_large_answers_go_past_the_sockets_and_the_connection_goes_on(bodies):
    before = bodies.status()["stats"]["bodies_spliced"]
    out = play(bodies, 1, 20, 1)
    assert out.endswith("ok 1\n"), (out, bodies.not_done())
    assert bodies.status()["stats"]["bodies_spliced"] > before, str(bodies.status()["splices"])


def test_many_connections_with_random_bodies_both_ways_lose_no_byte(bodies):
    out = play(bodies, 20, 30, 2)
    assert out.endswith("ok 20\n"), (out, bodies.not_done())


DEVICES = (("client", "eth0"), ("router", "r-client"), ("router", "r-lb"), ("lb", "eth0"),
           ("router", "r-weba"), ("web_a", "eth0"))


@pytest.fixture
def jumbo(bodies, hook):
    if hook == "xdp":
        pytest.skip("veth with XDP takes no segment of more than 4 kB")
    for size in ("9000", "1500"):
        for host, device in DEVICES:
            bodies.ip(host, "link", "set", device, "mtu", size)
        if size == "9000":
            yield bodies


def test_an_uploads_end_in_one_segment_with_the_next_request_goes_on(jumbo):
    out = jumbo.sh("client", PYTHON, os.path.join(HARNESS, "body_drills.py"), V4, "80", "crossed", "3",
                   check=False, timeout=300).stdout
    assert out == "ok\n", (out, jumbo.not_done())


@pytest.mark.parametrize("drill", ["pipelined", "pipelined_bodies", "half_closed", "heads", "reused",
                                   "leave_upload", "leave_download"])
def test_what_clients_do_around_a_body_neither_stops_nor_spoils_anything(bodies, drill):
    out = bodies.sh("client", PYTHON, os.path.join(HARNESS, "body_drills.py"), V4, "80", drill, "10",
                    check=False, timeout=300).stdout
    assert out == "ok\n", (out, bodies.not_done())
