"""Several devices, a VLAN trunk, a bond."""
import json
import os

import pytest

from tests.harness import config
from tests.harness.lab import L4_VIP, WEB_VIP
from tests.harness.run import BUILD, wait_until


def has_kind(lab, kind):
    """Whether this kernel knows such devices."""
    made = lab.sh("lb", "ip", "link", "add", "probe0", "type", kind,
                  *(["id", "2", "link", "lo"] if kind == "vlan" else []), check=False)
    lab.sh("lb", "ip", "link", "del", "probe0", check=False)
    return made.returncode == 0


def explain(lab, packet):
    got = lab.sh("lb", os.path.join(BUILD, "shuntctl"), "explain", "--admin", lab.admin, "--pin-dir", lab.pins,
                 "--dev", "eth0", "--packet", packet, "--json")
    return json.loads(got.stdout)


@pytest.fixture(name="two", scope="module")
def fixture_two(lab):
    lab.second_link()
    lab.shunt(config.full().replace("devices: [eth0]", "devices: [eth0, eth1]"))
    return lab


def test_packets_come_by_one_device_and_leave_by_another(two):
    two.curl(f"http://{L4_VIP}:8000/")
    got = explain(two, f"tcp 198.51.100.2:4000 > {L4_VIP}:8000")
    assert (got["verdict"], got["out_device"]) == ("redirect", "eth1")
    for _ in range(5):
        assert two.curl(f"http://{L4_VIP}:8000/").returncode == 0
    # The proxy goes on beside it.
    assert two.curl(f"http://{WEB_VIP}/", "-H", "Host: a.example.com").returncode == 0


def test_a_way_that_changes_is_followed_at_once(two):
    two.ip("lb", "route", "del", "192.0.3.0/24", "via", "192.0.5.1")

    def leaves_by(device):
        got = explain(two, f"tcp 198.51.100.2:4000 > {L4_VIP}:8000")
        return got["out_device"] == device

    wait_until(lambda: leaves_by("eth0"), "packets go by eth0")
    two.curl(f"http://{L4_VIP}:8000/")
    two.ip("lb", "route", "add", "192.0.3.0/24", "via", "192.0.5.1")
    wait_until(lambda: leaves_by("eth1"), "packets go by eth1")
    two.curl(f"http://{L4_VIP}:8000/")


# Sent as it is: this must work where the kernel itself has no VLAN devices.
TAGGED = """
import sys
from scapy.all import Ether, Dot1Q, IP, TCP, sendp
tags = [int(tag) for tag in sys.argv[3:]]
frame = Ether(dst=sys.argv[1], src="02:00:00:00:00:77")
for tag in tags:
    frame = frame / Dot1Q(vlan=tag)
sendp(frame / IP(src="198.51.100.2", dst=sys.argv[2]) / TCP(sport=4000, dport=8000, flags="S"),
      iface="r-lb", verbose=False)
"""


@pytest.mark.parametrize("tags", [["100"], ["100", "200"]])
def test_tagged_packets_of_a_trunk_are_forwarded(two, tags):
    script = two.file("tagged.py", TAGGED)
    link = json.loads(two.sh("lb", "ip", "-j", "link", "show", "eth0").stdout)[0]
    before = two.only("FORWARDED")
    two.sh("router", "/usr/bin/python3", script, link["address"], L4_VIP, *tags)
    wait_until(lambda: two.only("FORWARDED") > before, "it is forwarded")
    got = explain(two, f"tcp 198.51.100.2:4000 > {L4_VIP}:8000 " + " ".join(f"vlan {t}" for t in tags))
    assert got["verdict"] == "redirect" and got["vlan_tags"] == len(tags)


def test_a_next_hop_behind_a_vlan_gets_its_tag_on_the_trunk(two):
    if not has_kind(two, "vlan"):
        pytest.skip("this kernel has no VLAN devices (8021q)")
    for host, trunk, ip in (("lb", "eth1", "192.0.6.10/24"), ("router", "r-lb-b", "192.0.6.1/24")):
        two.sh(host, "ethtool", "-K", trunk, "rxvlan", "off", "txvlan", "off", check=False)
        two.ip(host, "link", "add", "link", trunk, "name", "trunk.12", "type", "vlan", "id", "12")
        two.ip(host, "addr", "add", ip, "dev", "trunk.12")
        two.ip(host, "link", "set", "trunk.12", "up")
    two.ip("lb", "route", "replace", "192.0.3.0/24", "via", "192.0.6.1")

    def is_tagged():
        got = explain(two, f"tcp 198.51.100.2:4000 > {L4_VIP}:8000")
        frame = [s["result"] for s in got["steps"] if s["step"] == "frame"]
        return got["out_device"] == "eth1" and "vlan 12" in (frame or [""])[0]

    wait_until(is_tagged, "packets leave by the trunk with their tag")
    two.curl(f"http://{L4_VIP}:8000/")


def test_a_bond_is_looked_at_and_takes_xdp(two):
    if not has_kind(two, "bond"):
        pytest.skip("this kernel has no bonds (bonding)")
    two.ip("lb", "link", "add", "bond0", "type", "bond", "mode", "active-backup")
    two.ip("lb", "link", "add", "part0", "type", "veth", "peer", "name", "far0")
    two.ip("lb", "link", "set", "part0", "master", "bond0")
    two.ip("lb", "link", "set", "bond0", "up")
    part = two.sh("lb", os.path.join(BUILD, "shunt-loader"), "check", "part0", check=False)
    assert part.returncode == 1 and "is part of the bond bond0" in part.stdout
    two.ip("lb", "link", "set", "dev", "bond0", "xdp", "obj", os.path.join(BUILD, "bpf", "xdp_pass.bpf.o"),
           "sec", "xdp")
