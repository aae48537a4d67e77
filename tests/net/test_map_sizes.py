"""Maps are as large as the configuration needs, and what does not fit is said in one sentence."""
import os
import signal

import pytest

from tests.harness import config
from tests.harness.lab import WEB_VIP
from tests.harness.run import wait_until

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
