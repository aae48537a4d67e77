"""Spliced connections move from one node to another, with their vip and their source address."""
import json
import os
import re

import pytest

from tests.harness import config
from tests.harness.lab import WEB_VIP, wait_until

pytestmark = config.BOTH_HOOKS
STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
WEBSOCKET = (r"GET /ws HTTP/1.1\r\nHost: x.example.com\r\nUpgrade: websocket\r\n"
             r"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             r"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
V4, V6 = "203.0.113.11", "2001:db8:53::11"
# The first node's; routed with the vips, so that whoever has these gets the endpoints' answers too.
SOURCES = ("203.0.113.201", "2001:db8:53::201")


def first(**more):
    text = config.full(**more)
    return text.replace('source_addresses: [192.0.2.10, "2001:db8:2::10"]',
                        f'source_addresses: [{SOURCES[0]}, "{SOURCES[1]}"]')


def second():
    return config.full(node=config.SECOND).replace(
        "  source_addresses:", f'  guest_addresses: [{SOURCES[0]}, "{SOURCES[1]}"]\n  source_addresses:')


@pytest.fixture(scope="module")
def both(lab):
    lab.ip("lb", "addr", "add", f"{SOURCES[0]}/32", "dev", "lo")
    lab.ip("lb", "addr", "add", f"{SOURCES[1]}/128", "dev", "lo", "nodad")
    lab.nodes["lb"].shunt(first())
    lab.nodes["lb2"].shunt(second())
    return lab


@pytest.fixture
def at_first(both):
    """Every test begins with the vips there and no splice that lives."""
    both.route_vips("lb")
    yield both
    for node in both.nodes.values():
        flows(node, "forget")
        flows(node, "kill", "--all")


def flows(node, *words, check=True):
    return node.ctl("flows", *words, "--admin", node.admin, "--pin-dir", node.pins, "--json", check=check)


def said(node, *words):
    return json.loads(flows(node, *words).stdout)


def alive(node):
    return [f for f in node.flows() if f["state"] != "closed"]


def wait_spliced(node, count):
    wait_until(lambda: node.status()["splices"]["active"] == count and node.status()["sessions"] == 0,
               f"{count} splices and no session")


def move(lab, source, target, count, more=()):
    """As an operator does it, step for step."""
    file = os.path.join(lab.dir, f"{source}.flows")
    one, other = lab.nodes[source], lab.nodes[target]
    assert said(one, "export", *more, file)["flows"] == count
    assert said(other, "import", file) | {"unresolved": 0} == {"flows": count, "unresolved": 0, "refused": []}
    lab.route_vips(target)
    return file


def test_connections_move_to_another_node_and_back_and_lose_no_byte(at_first):
    lab, one, other = at_first, at_first.nodes["lb"], at_first.nodes["lb2"]
    talks = [lab.talk(V4, 7000, 10, STREAM), lab.talk(V6, 7000, 5, STREAM), lab.talk(WEB_VIP, 80, 5, WEBSOCKET),
             lab.talk(WEB_VIP, 80, 5, STREAM)]
    wait_spliced(one, 25)
    before = {f["client"]: f for f in alive(one)}
    move(lab, "lb", "lb2", 25)
    for talk in talks:
        talk.goes_on()
    after = {f["client"]: f for f in alive(other)}
    for client, was in before.items():
        now = after[client]
        assert all(now[key] == was[key] for key in ("vip", "source", "endpoint", "upstream", "port")), (was, now)
        assert now["bytes_in"] > was["bytes_in"] and now["age_s"] >= was["age_s"]
    assert {f["state"] for f in alive(one)} == {"moved"}
    assert said(one, "forget")["flows"] == 25
    assert not alive(one)
    move(lab, "lb2", "lb", 25)
    for talk in talks:
        talk.goes_on()
    assert said(other, "forget")["flows"] == 25
    assert not other.flows()
    for talk in talks:
        assert talk.end()["bad"] == 0
    wait_until(lambda: not alive(one), "all have ended")
    assert one.status()["splices"]["imported"] == 25 and one.status()["splices"]["exported"] == 25
