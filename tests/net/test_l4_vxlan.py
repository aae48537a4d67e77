"""L4 listeners: XDP to VPC hosts over VXLAN, answers directly from there."""
import pytest

from tests.harness import config
from tests.harness.lab import L4_VIP, L4_VIP6

pytestmark = config.BOTH_HOOKS
STREAM = r"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"


def answers(lab, vip, count):
    return {lab.curl(f"http://{vip}:8000/").stdout.split()[0] for _ in range(count)}


@pytest.mark.parametrize("vip", [L4_VIP, f"[{L4_VIP6}]"])
def test_connections_spread_over_both_tenants(shunt, vip):
    before, known = shunt.only("FORWARDED"), shunt.only("FORWARDED_STICKY")
    assert answers(shunt, vip, 24) == {"tenant_a", "tenant_b"}
    assert shunt.only("FORWARDED") >= before + 24 * 4  # SYN, ACK, request, FIN at least
    assert shunt.only("FORWARDED_STICKY") == known  # the ring alone knows


@pytest.mark.parametrize("vip", [L4_VIP, L4_VIP6])
def test_a_pool_change_moves_no_established_connection(shunt, vip):
    talk = shunt.talk(vip, 8001, 40, STREAM)
    shunt.reload(config.full(l4=("a",)))
    talk.goes_on()
    # New ones see the new pool only, old ones stay with both.
    where = f"[{vip}]" if ":" in vip else vip
    assert answers(shunt, where, 12) == {"tenant_a"}
    shunt.reload(config.full())
    talk.goes_on()
    assert talk.end()["bad"] == 0


def test_an_endpoint_that_is_switched_off_keeps_its_connections_and_gets_no_new_ones(shunt):
    def order(what, vpc="b"):
        for upstream, port in (("l4", 8000), ("l4-echo", 8001)):
            shunt.ctl("endpoint", "set", upstream, f"172.16.0.4:{port}@{vpc}", what, "--admin", shunt.admin)

    talk = shunt.talk(L4_VIP, 8001, 40, STREAM)
    order("disable")
    talk.goes_on()
    assert answers(shunt, L4_VIP, 12) == {"tenant_a"}
    shunt.reload(config.full())
    assert answers(shunt, L4_VIP, 12) == {"tenant_a"}
    order("drain", "a")
    dropped = shunt.only("NO_ENDPOINT")
    assert shunt.curl(f"http://{L4_VIP}:8000/", "-m", "1", check=False).returncode == 28
    assert shunt.only("NO_ENDPOINT") > dropped, "none is left for what is new"
    talk.goes_on()
    for vpc in "ab":
        order("reset", vpc)
    assert answers(shunt, L4_VIP, 24) == {"tenant_a", "tenant_b"}
    talk.goes_on()
    assert talk.end()["bad"] == 0


def test_what_is_not_for_a_vip_passes_untouched(shunt):
    before = shunt.only("NOT_OURS")
    assert "1 received" in shunt.sh("client", "ping", "-c", "1", "-W", "60", "192.0.2.10").stdout
    assert shunt.only("NOT_OURS") > before


def test_a_port_without_listener_is_refused_by_the_stack(shunt):
    before = shunt.only("ODD_TO_STACK")
    got = shunt.curl(f"http://{L4_VIP}:8002/", check=False)
    assert got.returncode == 7, got
    assert shunt.only("ODD_TO_STACK") > before


def test_forwarding_goes_on_without_the_daemon(shunt):
    assert shunt.stop() == 0
    assert answers(shunt, L4_VIP, 8) <= {"tenant_a", "tenant_b"}
    shunt.shunt(config.full())
    assert answers(shunt, L4_VIP, 24) == {"tenant_a", "tenant_b"}
