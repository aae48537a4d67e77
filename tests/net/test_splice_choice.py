"""Which large bodies the kernel carries where the configuration does not say, and how that is told."""
import pytest

from tests.harness import config
from tests.harness.lab import wait_until

pytestmark = config.BOTH_HOOKS
SIZE = 40_000_000  # most of it comes after the splice has begun, on any machine
ROUTES = """
    - { name: always, match: { host: always.example.com, path: "/big/*" }, upstream: odd, splice_threshold: 64kB }
    - { name: never, match: { host: never.example.com, path: "/big/*" }, upstream: odd, splice: off }
    - { name: default, match: { host: default.example.com, path: "/big/*" }, upstream: odd }
"""
DEARER = "a relay is cheaper where its packets come in"


@pytest.fixture(scope="module")
def choice(lab):
    lab.shunt(config.full(extra_routes=ROUTES.strip()))
    return lab


def fetch(lab, host):
    """The access log's line."""
    got = lab.curl(f"http://203.0.113.10/big/{SIZE}", "-H", f"Host: {host}", "-o", "/dev/null", "-w",
                   "%{http_code} %{size_download}")
    assert got.stdout == f"200 {SIZE}"
    return lab.access_log()[-1]


def spliced(lab, host):
    """The line of one that was; for a moment its sender may not be quiet, and that is no fault."""
    lines = []
    wait_until(lambda: lines.append(fetch(lab, host)) or lines[-1]["splice"] == "body", f"a spliced body: {lines}")
    return lines[-1]


def test_without_a_threshold_the_device_decides_and_the_log_says_so(choice, hook):
    refused = choice.status()["splices"]["refused"]["device"]
    line = (spliced if hook == "tc" else fetch)(choice, "default.example.com")
    assert line["route"] == "default" and line["bytes_out"] == SIZE
    if hook == "tc":
        assert line["splice_reason"] == "spliced"
        assert 0 < line["bytes_spliced"] < SIZE
    else:
        assert (line["splice"], line["splice_reason"]) == ("none", DEARER)
        assert "bytes_spliced" not in line
    assert choice.status()["splices"]["refused"]["device"] == refused + (hook == "xdp")


def test_a_threshold_overrules_the_device(choice):
    before = choice.status()["stats"]["bytes_spliced"]
    line = spliced(choice, "always.example.com")
    assert line["splice_reason"] == "spliced"
    assert choice.status()["stats"]["bytes_spliced"] - before >= line["bytes_spliced"] > 0


def test_what_is_switched_off_is_relayed(choice):
    before = choice.status()["stats"]["bytes_spliced"]
    line = fetch(choice, "never.example.com")
    assert line["splice"] == "none" and line["bytes_out"] == SIZE
    assert choice.status()["stats"]["bytes_spliced"] == before
