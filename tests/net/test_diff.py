"""`shuntctl diff`: what a configuration would change of what runs, before it is made."""
import json

import pytest

from tests.harness import config


@pytest.fixture(name="node", scope="module")
def fixture_node(shunt):
    shunt.reload(config.full())
    return shunt


def diff(node, text, *words):
    path = node.config + ".next"
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return node.ctl("diff", path, "--admin", node.admin, *words).stdout


def test_what_runs_differs_in_nothing_from_itself(node):
    got = json.loads(diff(node, config.full(), "--json"))
    assert got["same"] and not got["endpoints"] and not got["rings"]
    assert diff(node, config.full()) == "nothing of listeners, routes, upstreams and endpoints changes\n"


def test_an_endpoint_less_moves_what_it_had(node):
    got = json.loads(diff(node, config.full(l4=("a",)), "--json"))
    assert {"upstream": "l4", "endpoint": "172.16.0.4:8000 in b", "change": "removed",
            "weight_before": 1} in got["endpoints"]
    rings = {ring["listener"]: ring for ring in got["rings"]}
    assert 0.49 < rings["l4:8000/tcp"]["must"] < 0.51
    assert rings["l4:8000/tcp"]["must"] <= rings["l4:8000/tcp"]["moves"] < 0.52
    text = diff(node, config.full(l4=("a",)))
    assert "endpoint 172.16.0.4:8000 in b of l4: removed\n" in text
    assert "ring of l4:8000/tcp: 50." in text or "ring of l4:8000/tcp: 49." in text


def test_another_size_of_a_ring_is_said_to_move_connections(node):
    text = config.full().replace("port: 8000, protocol: tcp, ", "port: 8000, protocol: tcp, ring: 1021, ")
    got = diff(node, text)
    assert "listener l4:8000/tcp: changed\n" in got
    assert "ring of l4:8000/tcp: 1021 slots, was 16381: established connections move too\n" in got


def test_it_is_compared_with_what_runs_and_changes_nothing(node):
    before = node.status()["snapshot"]
    diff(node, config.full(l4=("a",)))
    assert node.status()["snapshot"] == before
    node.reload(config.full(l4=("a",)))
    assert json.loads(diff(node, config.full(l4=("a",)), "--json"))["same"]
    assert "endpoint 172.16.0.4:8000 in b of l4: added\n" in diff(node, config.full())
    node.reload(config.full())
