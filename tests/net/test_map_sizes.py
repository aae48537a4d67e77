"""Maps are as large as the configuration needs, and what does not fit is said in one sentence."""
import os
import signal

import pytest

from tests.harness import config
from tests.harness.lab import L4_VIP, WEB_VIP
from tests.harness.run import BUILD, wait_until

MEGABYTE = 1 << 20
EMPTY_MOST = 6 * MEGABYTE  # docs/operation.md, "Memory of the kernel"
EACH_FLOW = 64
PROBE = """
import ctypes, os, sys
libbpf = ctypes.CDLL("libbpf.so.1")
total = 0
for name in sorted(os.listdir(sys.argv[1])):
    if name.startswith("shunt_"):
        fd = libbpf.bpf_obj_get(os.path.join(sys.argv[1], name).encode())
        assert fd >= 0, name
        fields = dict(line.split(":") for line in open(f"/proc/self/fdinfo/{fd}"))
        print(name, int(fields["memlock"]), int(fields["max_entries"]))
"""


def maps(lab):
    """Bytes that the kernel charges for each map, and its elements."""
    lines = lab.sh("lb", "/usr/bin/python3", "-c", PROBE, lab.pins).stdout.splitlines()
    return {name: (int(charged), int(entries)) for name, charged, entries in map(str.split, lines)}


def total(lab):
    return sum(charged for charged, _ in maps(lab).values())


def empty(extra=""):
    return f"node: {{ devices: [eth0]{extra} }}\n"


@pytest.fixture(name="fresh")
def fixture_fresh(lab):
    yield lab
    if lab.daemon and lab.daemon.poll() is None:
        lab.stop()
    lab.detach()


def test_an_empty_configuration_takes_a_few_megabytes(fresh):
    fresh.shunt(empty())
    found = maps(fresh)
    assert {"shunt_flows", "shunt_splices", "shunt_ring_lines"} <= set(found)
    print(total(fresh), sorted(found.items(), key=lambda one: -one[1][0])[:6])
    assert total(fresh) <= EMPTY_MOST + os.cpu_count() * 128 * 1024


def test_a_million_flows_take_64_bytes_each_and_no_more(fresh):
    fresh.shunt(empty(", flows: 1000000"))
    charged, buckets = maps(fresh)["shunt_flows"]
    assert 1000000 <= buckets * 4 <= 2 ** 20
    print(charged, charged / 1000000)
    assert charged <= 2 ** 20 * EACH_FLOW + 8192
    assert total(fresh) - charged <= EMPTY_MOST + os.cpu_count() * 128 * 1024


def refused(lab, text):
    """What a reload is refused with; nothing else changes."""
    snapshot, seen = lab.status()["snapshot"], len(lab.log())
    lab.write(text)
    lab.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: "there is room for" in lab.log()[seen:], "the refusal")
    assert lab.status()["snapshot"] == snapshot
    return lab.log()[seen:]


def test_a_reload_that_needs_larger_maps_is_refused_and_says_what_to_do(fresh):
    fresh.shunt(empty())
    said = refused(fresh, empty(", flows: 1000000"))
    assert "node.flows is 1000000, but there is room for 4096; " in said
    assert "`shunt-loader detach` and start shuntd again" in said
    said = refused(fresh, empty(", splices: 257"))
    assert "node.splices is 257, but there is room for 256; " in said


def test_listeners_that_a_reload_adds_work_with_the_small_tables_and_a_warning(fresh):
    fresh.shunt(empty(", tunnel_address: 192.0.2.10, source_addresses: [192.0.2.10]"))
    fresh.reload(config.full())
    assert "the table of spliced connections has 1/256 of the room" in fresh.log()
    assert fresh.curl(f"http://{WEB_VIP}/", "-H", "Host: b.example.com").stdout.startswith("web_")


def with_large_rings(ports):
    text = config.full()
    listener = "      - { port: 8001, protocol: tcp, upstream: l4-echo, forward: vxlan }\n"
    assert listener in text and "upstreams:\n" in text
    for port in ports:
        more = f"      - {{ port: {port}, protocol: tcp, upstream: u{port}, forward: vxlan, ring: 65537 }}\n"
        text = text.replace(listener, listener + more)
        text = text.replace("upstreams:\n", f"upstreams:\n  u{port}:\n    endpoints:\n"
                            + config.l4_endpoints(("a",), port) + "\n")
    return text


def l4_answers(lab):
    return lab.curl(f"http://{L4_VIP}:8000/").stdout.startswith("tenant_")


def test_more_rings_than_there_is_room_for_are_refused_and_the_old_ones_go_on(fresh):
    fresh.shunt(with_large_rings([]))
    snapshot, seen = fresh.status()["snapshot"], len(fresh.log())
    fresh.write(with_large_rings(range(9000, 9005)))
    fresh.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: "was not taken" in fresh.log()[seen:], "the refusal")
    assert "the rings of all L4 listeners need more than 262144 slots" in fresh.log()[seen:]
    assert "`shunt-loader detach` and start shuntd again" in fresh.log()[seen:]
    assert fresh.status()["snapshot"] == snapshot and l4_answers(fresh)
    fresh.stop()
    fresh.detach()
    fresh.shunt(with_large_rings(range(9000, 9005)))
    assert l4_answers(fresh)


@pytest.mark.parametrize("words, flows, splices", [
    ([], 262144, 65536),
    (["--flows", "1000000", "--splices", "1000"], 1048576, 1000),
    (["--flows", "1", "--splices", "70000"], 524288, 70000),
])
def test_the_loader_makes_maps_as_large_as_it_is_told(fresh, words, flows, splices):
    fresh.sh("lb", os.path.join(BUILD, "shunt-loader"), "attach", "--dev", "eth0", "--pin-dir", fresh.pins, *words)
    found = maps(fresh)
    assert found["shunt_flows"][1] * 4 == flows
    assert found["shunt_splices"][1] == splices


@pytest.mark.parametrize("word", ["--flows", "--splices"])
@pytest.mark.parametrize("value", ["0", "-1", "x", "5x", "67108865", "99999999999999999999"])
def test_the_loader_refuses_sizes_that_make_no_sense(lab, word, value):
    got = lab.sh("lb", os.path.join(BUILD, "shunt-loader"), "attach", "--dev", "eth0", word, value, check=False)
    assert got.returncode == 2
    assert f"as {word}, found {value}" in got.stderr
