"""`shunt-loader check DEV`: what breaks XDP on a device is said with the command that mends it."""
import json
import os
import shlex

import pytest

from tests.harness.run import BUILD


def check(lab, *words):
    return lab.sh("lb", os.path.join(BUILD, "shunt-loader"), "check", *words, check=False)


def findings(lab, *words):
    got = check(lab, *words, "--json")
    said = json.loads(got.stdout)
    breaks = [f for f in said["findings"] if f["severity"] == "breaks"]
    assert said["ok"] == (not breaks) and got.returncode == (1 if breaks else 0)
    return said["findings"]


def mends(lab, *words):
    return [f["mend"] for f in findings(lab, *words)]


@pytest.fixture(autouse=True)
def as_it_was(lab):
    yield
    lab.sh("lb", "ethtool", "-K", "eth0", "tx", "off", "gro", "on", check=False)
    lab.ip("lb", "link", "set", "eth0", "mtu", "1500", "promisc", "off", "up")


# what is done to the device, and the command that the check must name
FAULTS = [
    ("ethtool -K eth0 tx on", "ethtool -K eth0 tx off", True),
    ("ip link set eth0 mtu 1300", "ip link set dev eth0 mtu 1550", True),
    ("ip link set eth0 promisc on", "ip link set dev eth0 promisc off", False),
    ("sh -c 'echo 1 > /proc/sys/net/ipv4/conf/eth0/rp_filter'",
     "sysctl net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.eth0.rp_filter=2", False),
]


@pytest.mark.parametrize("fault, mend, breaks", FAULTS)
def test_the_command_that_is_named_mends_it(lab, fault, mend, breaks):
    lab.ip("lb", "link", "set", "eth0", "mtu", "1550")
    assert mend not in mends(lab, "eth0", "--tunnel", "192.0.2.10")
    lab.sh("lb", *shlex.split(fault))
    found = [f for f in findings(lab, "eth0", "--tunnel", "192.0.2.10") if f["mend"] == mend]
    assert len(found) == 1 and (found[0]["severity"] == "breaks") == breaks
    assert found[0]["what"] in check(lab, "eth0", "--tunnel", "192.0.2.10").stdout
    lab.sh("lb", *shlex.split(mend))
    assert mend not in mends(lab, "eth0", "--tunnel", "192.0.2.10")


def test_queues_are_advised_for_all_cpus(lab):
    if os.cpu_count() < 2:
        pytest.skip("one CPU needs one queue")
    queues = str(os.cpu_count())
    lab.ip("lb", "link", "add", "many", "numrxqueues", queues, "numtxqueues", queues, "type", "veth", "peer",
           "name", "many2", "numrxqueues", queues, "numtxqueues", queues)
    advice = f"ethtool -L many rx {queues} tx {queues}"
    lab.sh("lb", "ethtool", "-L", "many", "rx", "1", "tx", "1")
    assert advice in mends(lab, "many")
    lab.sh("lb", *advice.split())
    assert advice not in mends(lab, "many")
    lab.ip("lb", "link", "del", "many")


def test_a_tunnel_over_ipv6_takes_more(lab):
    lab.ip("lb", "link", "set", "eth0", "mtu", "1550")
    assert not [m for m in mends(lab, "eth0", "--tunnel", "192.0.2.10") if "mtu" in m]
    assert "ip link set dev eth0 mtu 1570" in mends(lab, "eth0", "--tunnel", "2001:db8:2::10")


def test_a_device_that_is_down_or_no_ethernet_breaks(lab):
    lab.ip("lb", "link", "add", "spare", "type", "veth", "peer", "name", "spare2")
    assert "ip link set dev spare up" in mends(lab, "spare")
    assert any("no Ethernet device" in f["what"] for f in findings(lab, "lo"))
    lab.ip("lb", "link", "del", "spare")


def test_a_gateway_is_wanted_and_named(lab):
    gateway = "ping -c 1 -I eth0 192.0.2.1"
    lab.sh("lb", "ip", "neigh", "flush", "dev", "eth0")
    assert gateway in mends(lab, "eth0")
    lab.sh("lb", *gateway.split())
    assert gateway not in mends(lab, "eth0")
    lab.ip("lb", "route", "del", "default")
    assert any("no gateway lies behind eth0" in f["what"] for f in findings(lab, "eth0"))
    lab.ip("lb", "route", "add", "default", "via", "192.0.2.1")


def test_wrong_words_get_a_sentence(lab):
    nobody = check(lab, "nobody0")
    assert nobody.returncode == 1 and 'there is no device "nobody0"' in nobody.stderr
    tunnel = check(lab, "eth0", "--tunnel", "eth0")
    assert tunnel.returncode == 2 and "expected an address as --tunnel" in tunnel.stderr
    assert check(lab).returncode == 0  # without a device: the kernel
