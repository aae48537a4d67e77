"""What went to whom, and single packets with what became of them."""
import json
import os
import signal
import subprocess

import pytest

from tests.harness import config
from tests.harness.lab import L4_VIP, WEB_VIP
from tests.harness.run import BUILD, PATIENCE, wait_until


def watch(lab, *words, json_lines=True):
    """A watcher whose order stands; its samples are read from stdout."""
    process = lab.start("lb", os.path.join(BUILD, "shuntctl"), "watch", "--admin", lab.admin,
                        "--pin-dir", lab.pins, *(["--json"] if json_lines else []), *words,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = process.stderr.readline()
    assert said == "watching from now on\n", said + process.stderr.read()
    return process


def samples(process, seconds=PATIENCE):
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def order(lab):
    """until_ns of the order as it stands in the kernel."""
    from_map = lab.sh("lb", "bpftool", "-j", "map", "dump", "pinned", os.path.join(lab.pins, "shunt_watch"))
    value = json.loads(from_map.stdout)[0]["value"]
    return int.from_bytes(bytes(int(byte, 16) for byte in value[:8]), "little")


def get(lab, address=L4_VIP, check=True):
    return lab.curl(f"http://{address}:8000/", check=check)


@pytest.fixture(name="node", scope="module")
def fixture_node(shunt):
    return shunt


def test_each_packet_to_a_vip_is_told_with_its_verdict(node):
    watcher = watch(node, "--vip", "l4", "--count", "4")
    get(node)
    got = samples(watcher)
    assert len(got) == 4
    assert {s["destination"] for s in got} == {f"{L4_VIP}:8000"}
    assert got[0]["flags"] == "syn" and got[0]["reason"] == "FORWARDED"
    for sample in got:
        assert sample["verdict"] in ("tx", "redirect") and sample["device"] == "eth0"
        assert sample["out_device"] == "eth0" and sample["protocol"] == "tcp"
        assert sample["vip"] == "l4:8000" and sample["endpoint"].startswith("172.16.0.4:8000 in ")
        assert sample["bytes"] >= 54


def test_only_what_was_asked_for_is_told(node):
    watcher = watch(node, "--reason", "to_stack", "--count", "3")
    get(node)
    node.curl(f"http://{WEB_VIP}/", "-H", "Host: a.example.com")
    got = samples(watcher)
    assert {s["reason"] for s in got} == {"TO_STACK"}
    assert {s["verdict"] for s in got} == {"pass"}


def test_lines_for_people_have_it_all(node):
    watcher = watch(node, "--vip", "l4:8000", "--count", "1", json_lines=False)
    get(node)
    line = watcher.communicate(timeout=PATIENCE)[0]
    assert f"> {L4_VIP}:8000 syn len 74: tx by eth0 FORWARDED vip l4:8000 endpoint 172.16.0.4:8000 in " in line


def test_one_of_many_is_told_where_that_is_asked(node):
    watcher = watch(node, "--vip", "l4", "--rate", "1000000")
    for _ in range(5):
        get(node)
    watcher.send_signal(signal.SIGTERM)
    # 25 packets at the least, each with a chance of one in a million
    assert len(samples(watcher)) < 5


def test_one_watches_at_a_time_and_the_next_sees_nothing_of_the_last(node):
    first = watch(node, "--vip", "l4")
    second = node.ctl("watch", "--admin", node.admin, "--pin-dir", node.pins, check=False)
    assert second.returncode == 1 and "somebody watches already" in second.stderr
    get(node)
    first.kill()
    first.communicate()
    third = watch(node, "--reason", "to_stack", "--count", "1")
    node.curl(f"http://{WEB_VIP}/", "-H", "Host: a.example.com")
    assert samples(third)[0]["reason"] == "TO_STACK"
    assert order(node) == 0


def test_a_killed_watcher_leaves_nothing_on(node):
    watcher = watch(node)
    assert order(node) > 0
    watcher.kill()
    watcher.communicate()

    def is_off():
        get(node)  # the first packet after the lease switches it off
        return order(node) == 0

    wait_until(is_off, "the lease is over")


@pytest.mark.parametrize("words, said", [
    (["--vip", "nobody"], 'there is no vip "nobody"'),
    (["--reason", "weather"], 'there is no reason "weather"'),
    (["--endpoint", "192.0.2.77:1"], "no L4 listener has an endpoint or upstream"),
    (["--rate", "0"], "--rate takes a number from 1"),
    (["--count", "-1"], "--count takes a number from 1"),
])
def test_wrong_words_get_a_sentence(node, words, said):
    got = node.ctl("watch", "--admin", node.admin, "--pin-dir", node.pins, *words, check=False)
    assert got.returncode == 1 and said in got.stderr and got.stderr.count("\n") == 1


def traffic(node, *words):
    return json.loads(node.ctl("status", "--admin", node.admin, "--json", *words).stdout)["traffic"]


def find(items, **want):
    return [i for i in items if all(i[k] == v for k, v in want.items())]


def test_packets_are_counted_by_reason_listener_and_endpoint(node):
    before = traffic(node)
    get(node)
    after = traffic(node)
    vip = [find(t["vips"], address=L4_VIP, protocol="tcp", port=8000)[0] for t in (before, after)]
    moved = vip[1]["packets"] - vip[0]["packets"]
    assert moved >= 5
    assert vip[1]["bytes"] - vip[0]["bytes"] >= moved * 54
    assert vip[1]["dropped_packets"] == vip[0]["dropped_packets"]
    to = [sum(e["packets"] for e in find(t["endpoints"], address="172.16.0.4:8000")) for t in (before, after)]
    assert to[1] - to[0] == moved
    reasons = [sum(t["reasons"][r]["packets"] for r in ("FORWARDED", "FORWARDED_STICKY")) for t in (before, after)]
    assert reasons[1] - reasons[0] == moved


def test_drops_are_counted_for_the_listener_that_they_meant(node):
    node.reload(config.full(l4=()))
    before = find(traffic(node)["vips"], address=L4_VIP, protocol="tcp", port=8000)[0]
    node.curl(f"http://{L4_VIP}:8000/", "-m", "1", check=False)
    after = find(traffic(node)["vips"], address=L4_VIP, protocol="tcp", port=8000)[0]
    assert after["dropped_packets"] > before["dropped_packets"]
    assert after["packets"] == before["packets"]
    watcher = watch(node, "--vip", "l4", "--reason", "no_endpoint", "--count", "1")
    node.curl(f"http://{L4_VIP}:8000/", "-m", "1", check=False)
    got = samples(watcher)[0]
    assert got["verdict"] == "drop" and got["endpoint"] is None and got["out_ifindex"] == 0
    node.reload(config.full())


def test_rates_are_what_moved_in_the_time_between(node):
    client = node.start("client", "sh", "-c", f"while curl -so /dev/null http://{L4_VIP}:8000/; do :; done")

    def is_rated():
        got = find(traffic(node, "--interval", "500ms")["vips"], address=L4_VIP, protocol="tcp", port=8000)
        return got[0]["packets_per_second"] > 0 and got[0]["bytes_per_second"] > got[0]["packets_per_second"]

    wait_until(is_rated, "packets in half a second")
    node.end(client)
    assert node.ctl("status", "--interval", "fast", check=False).returncode == 2
    plain = node.ctl("status", "--admin", node.admin, "--interval", "100ms").stdout
    assert "by listener" in plain and "packets/s" in plain
