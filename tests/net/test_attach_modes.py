"""A device changes its hook or its mode under load."""
import json
import os

import pytest

from tests.harness import config, numbered
from tests.harness.lab import L4_VIP
from tests.harness.run import BUILD


@pytest.fixture(name="node", scope="module")
def fixture_node(lab):
    numbered.serve_all(lab)
    lab.shunt(numbered.with_listener(config.full()))
    return lab


def mode(lab):
    got = lab.sh("lb", os.path.join(BUILD, "shunt-loader"), "status", "--json", "--pin-dir", lab.pins)
    return [device["mode"] for device in json.loads(got.stdout)]


@pytest.mark.parametrize("to", ["tc", "native", "generic", "native"])
def test_what_is_lost_is_at_most_what_waits_in_queues_of_the_device(node, to):
    stream = numbered.Stream(node, L4_VIP)
    stream.goes_on()
    node.sh("lb", os.path.join(BUILD, "shunt-loader"), "attach", "--dev", "eth0", "--mode", to, "--cgroup",
            node.cgroup, "--pin-dir", node.pins)
    assert mode(node) == [to]
    stream.goes_on()
    got = stream.end()
    print(f"to {to}: {got['unanswered']} of {got['answered']} lost")
    # A driver that begins or ends native XDP may empty its queues; no more than this is ever under way.
    assert got["unanswered"] <= numbered.WINDOW
    assert (got["strayed"], got["twice"], got["names"]) == ([], 0, ["tenant_a", "tenant_b"])
