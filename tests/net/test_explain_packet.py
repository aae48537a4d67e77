"""`shuntctl explain`: the attached program on a packet that nobody sent."""
import json
import os

import pytest

from tests.harness import config
from tests.harness.lab import L4_VIP, L4_VIP6, WEB_VIP
from tests.harness.run import BUILD, wait_until

pytestmark = config.BOTH_HOOKS
CLIENT, CLIENT6 = "198.51.100.2:4000", "[2001:db8:1::2]:4000"


@pytest.fixture(name="node", scope="module")
def fixture_node(shunt):
    shunt.curl(f"http://{L4_VIP}:8000/")  # the next hop has its MAC address
    return shunt


def ctl(node, packet, *words, check=True):
    return node.sh("lb", os.path.join(BUILD, "shuntctl"), "explain", "--admin", node.admin, "--pin-dir",
                   node.pins, "--packet", packet, *words, check=check)


def explain(node, packet):
    got = json.loads(ctl(node, packet, "--json").stdout)
    got["steps"] = {step["step"]: step["result"] for step in got["steps"]}
    return got


def test_a_packet_to_an_l4_vip_is_followed_to_the_wire(node):
    got = explain(node, f"tcp {CLIENT} > {L4_VIP}:8000")
    steps = got["steps"]
    assert got["verdict"] in ("tx", "redirect") and got["reason"] == "FORWARDED"
    assert steps["parse"].startswith(f"tcp {CLIENT} > {L4_VIP}:8000 syn, 54 bytes")
    assert steps["vip"] == "l4:8000, a listener that is forwarded here (L4)"
    assert steps["ring"].startswith("slot ") and steps["endpoint"].startswith("172.16.0.4:8000 in ")
    assert steps["next hop"].startswith("192.0.2.1 on eth0, ")
    assert "VXLAN, VNI 500" in steps["encapsulation"] and "> 192.0.3.21:4789" in steps["encapsulation"]
    assert f"around {CLIENT} > {L4_VIP}:8000 ttl 63" in steps["encapsulation"]
    assert steps["frame"].startswith("104 bytes") and got["out_device"] == "eth0"
    assert steps["counter"].startswith("FORWARDED would have moved")


@pytest.mark.parametrize("packet, verdict, reason", [
    (f"tcp {CLIENT6} > [{L4_VIP6}]:8000", "tx", "FORWARDED"),
    (f"tcp {CLIENT} > {L4_VIP}:8000 vlan 100 vlan 200", "tx", "FORWARDED"),
    (f"tcp {CLIENT} > {L4_VIP}:8000 len 1500", "tx", "TOO_BIG_TOLD"),
    (f"tcp {CLIENT} > {L4_VIP}:8000 ttl 1", "tx", "TTL_TOLD"),
    (f"tcp {CLIENT} > {L4_VIP}:8000 syn|fin", "drop", "BAD_FLAGS"),
    (f"tcp {CLIENT} > {WEB_VIP}:80", "pass", "TO_STACK"),
    (f"tcp {CLIENT} > {WEB_VIP}:81", "pass", "ODD_TO_STACK"),
    (f"udp {CLIENT} > {L4_VIP}:8000", "pass", "ODD_TO_STACK"),
    (f"udp {CLIENT} > 192.0.2.10:5000 len 100", "pass", "NOT_OURS"),
])
def test_other_packets_meet_their_fate(node, packet, verdict, reason):
    got = explain(node, packet)
    assert (got["verdict"], got["reason"]) == (verdict, reason)
    assert got["steps"]["counter"].startswith(reason)


def test_packets_in_the_middle_of_a_connection_have_an_endpoint(node):
    node.sh("client", "curl", "-sS", "-m", "90", "--local-port", "4999", f"http://{L4_VIP}:8000/")
    got = explain(node, f"tcp 198.51.100.2:4999 > {L4_VIP}:8000 ack len 10")
    assert got["endpoint_id"] is not None and got["verdict"] == "tx"
    assert explain(node, f"tcp 198.51.100.2:4998 > {L4_VIP}:8000 ack")["steps"]["flow entry"].startswith("none")


def test_nothing_is_counted_and_nothing_remembered(node):
    before = json.loads(node.ctl("status", "--admin", node.admin, "--json").stdout)["traffic"]
    for _ in range(3):
        got = explain(node, f"tcp 198.51.100.99:4000 > {L4_VIP}:8000")
        assert got["steps"]["flow entry"].startswith("none")
    again = explain(node, f"tcp 198.51.100.99:4000 > {L4_VIP}:8000 ack")
    assert again["reason"] == "FORWARDED"
    after = json.loads(node.ctl("status", "--admin", node.admin, "--json").stdout)["traffic"]
    l4 = [[v for v in t["vips"] if v["address"] == L4_VIP and v["port"] == 8000] for t in (before, after)]
    assert l4[0] == l4[1] and before["endpoints"] == after["endpoints"]


def test_a_spliced_connection_is_named_and_not_moved(node):
    talk = node.talk(WEB_VIP, 80, 1, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: [f for f in node.flows() if f["state"] == "spliced"], "it is spliced")
    flow = node.flows()[0]
    got = explain(node, f"tcp {flow['client']} > {flow['vip']} rst")
    assert got["steps"]["splice"].startswith("yes, number ") and "spliced" in got["steps"]["splice"]
    assert got["reason"] == "SPLICED"
    talk.goes_on()
    assert talk.end()["bad"] == 0


def test_people_get_a_line_for_each_step(node):
    text = ctl(node, f"tcp {CLIENT} > {L4_VIP}:8000").stdout
    assert "run without counting or remembering anything" in text
    for step in ("parse", "splice", "vip", "flow entry", "ring", "endpoint", "next hop", "encapsulation",
                 "frame", "verdict", "counter"):
        assert f"\n  {step} " in text


@pytest.mark.parametrize("packet, words, said", [
    ("tcp 1.2.3.4 > 1.2.3.5:6", [], "expected a source such as"),
    ("gre 1.2.3.4:5 > 1.2.3.5:6", [], "a packet begins with tcp or udp"),
    ("tcp 1.2.3.4:5 > 1.2.3.5:6 sin", [], "expected flags of TCP"),
    ("tcp 1.2.3.4:5 > 1.2.3.5:6", ["--dev", "lo"], "device lo has nothing of ours attached"),
    ("tcp 1.2.3.4:5 > 1.2.3.5:6", ["--pin-dir", "/sys/fs/bpf/none"], "no device of this network namespace"),
])
def test_wrong_words_get_one_sentence(node, packet, words, said):
    got = ctl(node, packet, *words, check=False)
    assert got.returncode == 1 and said in got.stderr and got.stderr.count("\n") == 1


def test_without_a_daemon_numbers_stand_for_names(node):
    node.stop()
    got = explain(node, f"tcp {CLIENT} > {L4_VIP}:8000")
    assert got["verdict"] == "tx" and got["steps"]["vip"].startswith("#")
    node.shunt(config.full())
