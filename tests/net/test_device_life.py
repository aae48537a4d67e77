"""A device goes down, comes back, is made anew: packets find another way, and back."""
import json
import os

import pytest

from tests.harness import config, numbered
from tests.harness.lab import L4_VIP
from tests.harness.run import BUILD, wait_until

STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"


@pytest.fixture(name="two", scope="module")
def fixture_two(lab):
    lab.second_link()
    numbered.serve_all(lab)
    lab.shunt(numbered.with_listener(config.full()).replace("devices: [eth0]", "devices: [eth0, eth1]"))
    return lab


def loader(lab, *words):
    return lab.sh("lb", os.path.join(BUILD, "shunt-loader"), *words, "--pin-dir", lab.pins)


def attached(lab):
    return {one["device"]: one["program"] for one in json.loads(loader(lab, "status", "--json").stdout)}


def way(lab):
    """By which device a packet to the VXLAN host would leave; None where it would not."""
    got = lab.sh("lb", os.path.join(BUILD, "shuntctl"), "explain", "--admin", lab.admin, "--pin-dir", lab.pins,
                 "--dev", "eth0", "--packet", f"tcp 198.51.100.2:4000 > {L4_VIP}:8000", "--json")
    return json.loads(got.stdout).get("out_device")


def by_eth1(lab):
    lab.ip("lb", "route", "replace", "192.0.3.0/24", "via", "192.0.5.1")
    wait_until(lambda: way(lab) == "eth1", "packets leave by eth1")


def goes_on(lab):
    """Datagrams, all of them answered by those who should."""
    stream = numbered.Stream(lab, L4_VIP)
    stream.goes_on()
    got = stream.end()
    assert (got["unanswered"], got["strayed"], got["names"]) == (0, [], ["tenant_a", "tenant_b"])


def test_spliced_connections_come_by_one_device_and_leave_by_another(two):
    two.ip("lb", "route", "add", "10.0.1.0/24", "via", "192.0.5.1")
    talk = two.talk("203.0.113.11", 7000, 5, STREAM)
    wait_until(lambda: two.status()["splices"]["active"] == 5 and two.status()["sessions"] == 0, "5 splices")
    before = two.only("SPLICED")
    talk.goes_on()
    assert two.only("SPLICED") >= before + 30
    # Another way in the midst of it, and back.
    two.ip("lb", "route", "del", "10.0.1.0/24", "via", "192.0.5.1")
    talk.goes_on()
    two.ip("lb", "route", "add", "10.0.1.0/24", "via", "192.0.5.1")
    talk.goes_on()
    assert talk.end()["bad"] == 0
    two.ip("lb", "route", "del", "10.0.1.0/24", "via", "192.0.5.1")


def test_a_device_that_is_down_is_left_and_has_its_program_when_it_is_back(two):
    by_eth1(two)
    before = attached(two)
    talk = two.talk(L4_VIP, 8001, 5, STREAM.replace(".example.com", ""))
    two.ip("lb", "link", "set", "eth1", "down")
    wait_until(lambda: way(two) == "eth0", "packets leave by eth0")
    talk.goes_on()
    goes_on(two)
    two.ip("lb", "link", "set", "eth1", "up")
    by_eth1(two)
    assert attached(two) == before and set(before) == {"eth0", "eth1"}
    talk.goes_on()
    goes_on(two)
    assert talk.end()["bad"] == 0


def test_a_device_that_is_made_anew_is_used_at_once_and_attached_on_request(two):
    by_eth1(two)
    old = attached(two)
    talk = two.talk(L4_VIP, 8001, 5, STREAM.replace(".example.com", ""))
    two.ip("lb", "link", "del", "eth1")
    wait_until(lambda: way(two) == "eth0", "packets leave by eth0")
    assert set(attached(two)) == {"eth0"}
    talk.goes_on()
    goes_on(two)
    two.second_link()
    assert set(attached(two)) == {"eth0"}
    loader(two, "attach", "--dev", "eth1", "--cgroup", two.cgroup)
    by_eth1(two)
    now = attached(two)
    assert set(now) == {"eth0", "eth1"} and now["eth0"] == old["eth0"]
    # Nothing is left of the one that has gone.
    assert len([name for name in os.listdir(two.pins) if name.startswith(("link_xdp_", "prog_tc_"))]) == 2
    talk.goes_on()
    goes_on(two)
    assert talk.end()["bad"] == 0
