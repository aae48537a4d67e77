"""shunt-loader over a node that works: programs change, not a packet is lost, and no is said in time."""
import json
import os

import pytest

from tests.harness import config, numbered
from tests.harness.lab import L4_VIP, L4_VIP6
from tests.harness.run import BUILD, wait_until

pytestmark = config.BOTH_HOOKS
STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
UPGRADES = {"xdp": 10, "tc": 3}  # each takes seconds: the verifier reads all programs
ABI_AT = 24  # in struct settings


@pytest.fixture(name="node", scope="module")
def fixture_node(lab):
    numbered.serve_all(lab)
    lab.shunt(numbered.with_listener(config.full()))
    return lab


def loader(lab, *words, check=True):
    return lab.sh("lb", os.path.join(BUILD, "shunt-loader"), *words, "--pin-dir", lab.pins, check=check)


def attached(lab):
    return {d["device"]: (d["mode"], d["program"]) for d in json.loads(loader(lab, "status", "--json").stdout)}


def check_whole(got):
    """Nothing lost, doubled, overtaken or led astray."""
    assert got["names"] == ["tenant_a", "tenant_b"]
    assert {k: got[k] for k in ("lost", "unanswered", "strayed", "late", "twice")} == \
        {"lost": [], "unanswered": 0, "strayed": [], "late": 0, "twice": 0}, got


def load_of(lab):
    """Everything that the kernel carries: datagrams, L4 connections, spliced ones."""
    streams = [numbered.Stream(lab, vip) for vip in (L4_VIP, L4_VIP6)]
    talks = [lab.talk(L4_VIP, 8001, 8, STREAM.replace(".example.com", "")), lab.talk("203.0.113.11", 7000, 8, STREAM)]
    try:
        wait_until(lambda: lab.status()["splices"]["active"] == 8 and lab.status()["sessions"] == 0, "8 splices")
        for stream in streams:
            wait_until(lambda s=stream: len(s.report()["names"]) == 2, "both tenants answer")
    except AssertionError:
        for one in streams + talks:
            one.process.kill()  # or the tests after this one would count its splices as theirs
        raise
    return streams, talks


def end_whole(streams, talks):
    for talk in talks:
        talk.goes_on()
        assert talk.end()["bad"] == 0
    for stream in streams:
        check_whole(stream.end())


def upgrade(lab, command):
    words = ["--dev", "eth0"] if command == "attach" else []
    before = attached(lab)["eth0"]
    loader(lab, command, *words, "--cgroup", lab.cgroup)
    after = attached(lab)["eth0"]
    assert after[0] == before[0] and after[1] != before[1]


def test_programs_are_replaced_under_load_and_not_a_packet_is_lost(node, hook):
    streams, talks = load_of(node)
    for i in range(UPGRADES[hook]):
        upgrade(node, ("attach", "upgrade")[i % 2])
        for stream in streams:
            stream.goes_on()
    end_whole(streams, talks)


def settings(lab):
    """Raw bytes of the pinned settings."""
    got = lab.sh("lb", "bpftool", "-j", "map", "dump", "pinned", os.path.join(lab.pins, "shunt_settings"))
    return [int(byte, 16) for byte in json.loads(got.stdout)[0]["value"]]


def write_settings(lab, value):
    lab.sh("lb", "bpftool", "map", "update", "pinned", os.path.join(lab.pins, "shunt_settings"), "key", "0", "0", "0",
           "0", "value", *map(str, value))


@pytest.fixture(name="other_abi")
def fixture_other_abi(node):
    """The pinned maps are of another version, as far as they say. Put back what shuntd writes beside it."""
    before = settings(node)
    write_settings(node, before[:ABI_AT] + [250] + before[ABI_AT + 1:])
    yield
    now = settings(node)
    write_settings(node, now[:ABI_AT] + before[ABI_AT:ABI_AT + 1] + now[ABI_AT + 1:])


@pytest.fixture(name="other_shape")
def fixture_other_shape(node):
    """The name of a pinned map leads to one of another shape; programs have the one that they have."""
    path = os.path.join(node.pins, "shunt_told")
    os.rename(path, path + "_kept")
    node.sh("lb", "bpftool", "map", "create", path, "type", "array", "key", "4", "value", "24", "entries", "3",
            "name", "shunt_told")
    yield
    os.unlink(path)
    os.rename(path + "_kept", path)


@pytest.mark.parametrize("case, reason", [
    ("other_abi", "the pinned maps have ABI version 250, this program "),
    ("other_shape", "the pinned map shunt_told has 3 entries of 24 bytes, this program needs "),
])
@pytest.mark.parametrize("command", [["upgrade"], ["attach", "--dev", "eth0"]], ids=lambda words: words[0])
def test_what_does_not_fit_is_refused_with_its_reason_and_the_old_goes_on(node, request, case, reason, command):
    streams, talks = load_of(node)
    before = attached(node)
    request.getfixturevalue(case)
    pins = sorted(os.listdir(node.pins))
    got = loader(node, *command, "--cgroup", node.cgroup, check=False)
    assert got.returncode == 1 and got.stderr.startswith("shunt-loader: " + reason), got
    assert "run `shunt-loader detach` of the old version first" in got.stderr
    assert attached(node) == before and sorted(os.listdir(node.pins)) == pins
    for stream in streams:
        stream.goes_on()
    end_whole(streams, talks)
