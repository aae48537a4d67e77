"""Very many keep-alive connections whose large bodies the kernel carries: no byte is lost, nothing stalls.

TRAFFIC=N plays N times as many connections."""
import os

import pytest

from tests.harness import config, traffic

pytestmark = config.BOTH_HOOKS
TIMES = int(os.environ.get("TRAFFIC", "1"))


@pytest.fixture(scope="module")
def origins(lab):
    traffic.start_origins(lab)
    lab.shunt(traffic.configuration())
    return lab


def spliced(lab):
    return lab.status()["stats"]["bodies_spliced"]


def test_a_thousand_connections_with_random_bodies_both_ways_lose_no_byte(origins, hook):
    before = spliced(origins)
    # Where packets are large, much of a body is there before anybody can decide.
    print(traffic.play(origins, 1000 * TIMES, 4, 1, ("-l", "300000" if hook == "xdp" else "2000000")))
    # On a busy machine a relay has got through many before their turn comes: 1,200 to 1,700 are usual.
    assert spliced(origins) > before + (300 * TIMES if hook == "xdp" else 50)


def test_where_ends_stop_reading_for_a_while_nothing_stalls(origins):
    before = spliced(origins)
    print(traffic.play(origins, 30 * TIMES, 8, 2, ("-l", "8000000", "-z")))
    assert spliced(origins) > before + 30 * TIMES


def test_numbers_that_wrap_within_a_body_lose_no_byte(origins):
    before = spliced(origins)
    print(traffic.play(origins, 50 * TIMES, 10, 3, ("-l", "1000000", "-w", "2000000")))
    assert spliced(origins) > before + 20 * TIMES


@pytest.mark.parametrize("lose,double,hold", [(1000, 0, 0), (10000, 0, 0), (0, 10000, 20000), (5000, 5000, 10000)],
                         ids=["loss-0.1", "loss-1", "doubled-and-reordered", "all"])
def test_what_the_network_spoils_is_mended_by_the_ends(origins, lose, double, hold):
    before = spliced(origins)
    with traffic.spoilt(origins, lose, double, hold) as spoilt:
        print(traffic.play(origins, 20 * TIMES, 10, 4, ("-l", "1000000")))
    print(spoilt)
    assert spliced(origins) > before + 20 * TIMES
    assert bool(spoilt["lost"]) == bool(lose) and bool(spoilt["doubled"]) == bool(double), spoilt
    assert bool(spoilt["held"]) == bool(hold), spoilt


@pytest.fixture(params=["client", "web_a"])
def leg(request):
    """The end of which leg is another than usual."""
    return request.param


@pytest.fixture(params=["tcp_sack=0", "tcp_timestamps=0", "tcp_window_scaling=0", "tcp_ecn=1", "mtu"])
def other_end(origins, leg, request):
    """An end that speaks TCP otherwise; connections that were before are not used again."""
    if request.param == "mtu":
        origins.ip(leg, "link", "set", "eth0", "mtu", "1400")
        origins.ip("router", "link", "set", "r-" + leg.replace("_", ""), "mtu", "1400")
    else:
        name, value = ("net.ipv4." + request.param).split("=")
        usual = origins.sh(leg, "sysctl", "-n", name).stdout.strip()
        origins.sh(leg, "sysctl", "-qw", f"{name}={value}")
    origins.stop()
    origins.shunt(traffic.configuration())
    yield origins
    if request.param == "mtu":
        origins.ip(leg, "link", "set", "eth0", "mtu", "1500")
        origins.ip("router", "link", "set", "r-" + leg.replace("_", ""), "mtu", "1500")
    else:
        origins.sh(leg, "sysctl", "-qw", f"{name}={usual}")


def test_ends_without_this_or_that_of_tcp_lose_no_byte(other_end):
    got = traffic.play(other_end, 20 * TIMES, 10, 5, ("-l", "1000000"))
    refused = {why: n for why, n in other_end.status()["splices"]["refused"].items() if n}
    print(got, spliced(other_end), refused)
    # What is not spliced says why: nothing else is the reason here.
    assert spliced(other_end) or set(refused) & {"timestamps", "ecn", "mss"}, refused


def test_full_splices_lose_no_byte_where_the_network_spoils(origins):
    before = origins.status()["splices"]["begun"]
    with traffic.spoilt(origins, 5000, 5000, 10000) as spoilt:
        got = origins.bulk("203.0.113.11", 7000, 10 * TIMES, 3_000_000,
                           r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n")
    assert got.stdout == f"ok {10 * TIMES}\n", (got, origins.not_done())
    assert origins.status()["splices"]["begun"] > before
    assert spoilt["lost"] and spoilt["doubled"] and spoilt["held"], spoilt
