"""What starting, stopping and reloading leave in the kernel: all of it or nothing."""
import json
import os
import signal

import pytest

from tests.harness import config
from tests.harness.lab import PYTHON, WEB_VIP, run, wait_until
from tests.harness.run import PATIENCE

STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"


def local_routes(lab):
    """Addresses for which we made the stack answer."""
    return {line.split()[1] for family in ("-4", "-6")
            for line in lab.sh("lb", "ip", family, "route", "show", "table", "local").stdout.splitlines()
            if "proto 115" in line}


def has_xdp(lab):
    return "xdp" in lab.sh("lb", "ip", "link", "show", "eth0").stdout


def test_a_start_that_fails_leaves_nothing_attached(lab):
    taken = lab.start("lb", PYTHON, "-c", "import socket,time; s=socket.socket();"
                      f" s.setsockopt(0, 15, 1); s.bind(('{WEB_VIP}', 80)); s.listen(); time.sleep(9999)")
    wait_until(lambda: ":80" in lab.sh("lb", "ss", "-ltn").stdout, "the port is taken")
    daemon = lab.shunt(config.full(), ready=False)
    assert daemon.wait(PATIENCE) == 1
    assert "another process does" in lab.log()
    assert not has_xdp(lab) and not local_routes(lab)
    assert not os.path.isdir(lab.pins) or os.listdir(lab.pins) == []
    lab.end(taken)


@pytest.fixture(scope="module")
def started(lab):
    lab.shunt(config.full())
    return lab


def test_vips_that_a_reload_removes_are_no_longer_ours(started):
    before = local_routes(started)
    assert WEB_VIP in before
    started.reload("node: { devices: [eth0] }\n")
    assert local_routes(started) == set()
    started.reload(config.full())
    assert local_routes(started) == before


def next_hops(lab):
    """What each number stands for."""
    dump = run("bpftool", "-j", "map", "dump", "pinned", os.path.join(lab.pins, "shunt_next_hops"))
    rows = (row["formatted"] for row in json.loads(dump.stdout))
    return {r["key"]: (r["value"]["ifindex"], tuple(r["value"]["via"])) for r in rows
            if r["value"]["ifindex"]}


def test_splices_keep_their_next_hops_when_a_new_daemon_numbers_others_first(started):
    old = started.talk("203.0.113.11", 7000, 1, STREAM)
    wait_until(lambda: started.status()["splices"]["active"] == 1, "a splice over IPv4")
    before = next_hops(started)
    started.stop(signal.SIGKILL)
    started.shunt(config.full(l4=()))  # nothing over IPv4 needs a next hop now
    new = started.talk("2001:db8:53::11", 7000, 1, STREAM)
    wait_until(lambda: started.status()["splices"]["active"] == 2, "a splice over IPv6")
    old.goes_on()
    new.goes_on()
    # Both gateways are one router here, so that only the numbers tell.
    assert before and {number: next_hops(started).get(number) for number in before} == before
    assert old.end()["bad"] == 0 and new.end()["bad"] == 0


def test_detaching_leaves_nothing(started):
    started.stop()
    started.detach()
    assert not has_xdp(started) and not local_routes(started)
    assert not os.path.isdir(started.pins)
