"""Two nodes with one configuration are one: a connection may move from one to the other."""
import pytest

from tests.harness import config
from tests.harness.lab import L4_VIP, L4_VIP6

pytestmark = config.BOTH_HOOKS

STREAM = r"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def both(lab):
    lab.nodes["lb"].shunt(config.full())
    lab.nodes["lb2"].shunt(config.full(node=config.SECOND))
    return lab


@pytest.mark.parametrize("vip", [L4_VIP, L4_VIP6])
def test_connections_go_on_when_another_node_gets_their_packets(both, vip):
    """The second node has never seen them: only equal rings can send them to the same endpoints."""
    both.route_vips("lb")
    talk = both.talk(vip, 8001, 40, STREAM)
    before = both.nodes["lb2"].only("FORWARDED")
    both.route_vips("lb2")
    talk.goes_on()
    assert both.nodes["lb2"].only("FORWARDED") >= before + 40
    both.route_vips("lb")
    talk.goes_on()
    assert talk.end()["bad"] == 0


def test_each_node_serves_by_itself(both):
    for node in ("lb2", "lb"):
        both.route_vips(node)
        before = both.nodes[node].only("TO_STACK")
        got = both.curl("http://203.0.113.10/x", "-H", "Host: b.example.com").stdout
        assert got.startswith("web_b ")
        assert both.nodes[node].only("TO_STACK") > before
