"""The guard: refused clients are dropped and counted, honest ones are not disturbed."""
import pytest

from tests.harness import config
from tests.harness.lab import L4_VIP, L4_VIP6, WEB_VIP, WEB_VIP6
from tests.harness.run import wait_until

pytestmark = config.BOTH_HOOKS

DENY = "{ %sdeny: [198.51.100.0/24, '2001:db8:1::/64'] }"


def guarded(guard, vip=None):
    """Of one vip, or of the node."""
    before = f"  - name: {vip}\n" if vip else "node:\n"
    indent = "    " if vip else "  "
    return config.full().replace(before, f"{before}{indent}guard: {guard}\n", 1)


@pytest.fixture(autouse=True)
def as_before(shunt):
    yield
    shunt.reload(config.full())


def get(lab, address, port=80, wait="10"):
    host = f"[{address}]" if ":" in address else address
    return lab.sh("client", "curl", "-sS", "-m", wait, "-H", "Host: a.example.com",
                  f"http://{host}:{port}/", check=False)


VIPS = [("web", WEB_VIP, 80), ("web", WEB_VIP6, 80), ("l4", L4_VIP, 8000), ("l4", L4_VIP6, 8000)]


@pytest.mark.parametrize("name,vip,port", VIPS)
@pytest.mark.parametrize("whose", ["vip", "node"])
def test_a_denied_client_is_dropped_and_counted(shunt, name, vip, port, whose):
    shunt.reload(guarded(DENY % "", name if whose == "vip" else None))
    before = shunt.only("GUARD_DENIED")
    assert get(shunt, vip, port, "0.5").returncode == 28
    assert shunt.only("GUARD_DENIED") > before
    assert "GUARD_DENIED" in shunt.ctl("status", "--admin", shunt.admin).stdout
    if whose == "vip":
        other = L4_VIP if name == "web" else WEB_VIP
        assert get(shunt, other, 8000 if name == "web" else 80).returncode == 0
    shunt.reload(config.full())
    assert get(shunt, vip, port).returncode == 0


@pytest.mark.parametrize("name,vip,port", VIPS)
def test_observe_only_counts(shunt, name, vip, port):
    shunt.reload(guarded(DENY % "mode: observe, ", name))
    before, seen = shunt.only("GUARD_DENIED"), shunt.only("GUARD_DENIED_SEEN")
    assert get(shunt, vip, port).returncode == 0
    assert shunt.only("GUARD_DENIED") == before
    assert shunt.only("GUARD_DENIED_SEEN") >= seen + 4


def test_only_those_who_are_allowed_come_in(shunt):
    shunt.reload(guarded("{ allow: [198.51.100.2] }", "web"))
    assert get(shunt, WEB_VIP).returncode == 0
    assert get(shunt, WEB_VIP6, wait="0.5").returncode == 28
    shunt.reload(guarded("{ allow: [198.51.100.3] }", "web"))
    assert get(shunt, WEB_VIP, wait="0.5").returncode == 28


def test_a_greedy_source_is_limited_and_an_honest_one_is_not(shunt):
    """The greedy one has the client's address; the honest one another of the same network."""
    shunt.reload(guarded("{ flows_per_source: 1, flows_burst: 5 }", "web"))
    shunt.ip("client", "addr", "replace", "198.51.100.3/24", "dev", "eth0")
    before = shunt.only("GUARD_FLOWS")

    def from_(address, what, wait):
        return shunt.sh("client", "curl", "-sS", "-Z", "--parallel-immediate", "-m", wait, "--interface",
                        address, "-H", "Host: a.example.com", "-H", "Connection: close",
                        f"http://{WEB_VIP}/?{what}", check=False).returncode

    wait_until(lambda: from_("198.51.100.2", "[1-20]", "0.5") and shunt.only("GUARD_FLOWS") > before,
               "the greedy one has spent its burst")
    assert from_("198.51.100.3", "1", "10") == 0


def test_established_connections_of_a_limited_source_go_on(shunt):
    talk = shunt.talk(L4_VIP, 8001, 10, r"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    shunt.reload(guarded("{ flows_per_source: 1, flows_burst: 1 }", "l4"))
    before = shunt.only("GUARD_FLOWS")
    wait_until(lambda: get(shunt, L4_VIP, 8000, "0.2").returncode and shunt.only("GUARD_FLOWS") > before,
               "it has spent its burst")
    talk.goes_on()
    assert talk.end()["bad"] == 0


def test_the_guard_outlives_the_daemon(shunt):
    shunt.reload(guarded(DENY % "", "l4"))
    assert shunt.stop() == 0
    assert get(shunt, L4_VIP, 8000, "0.5").returncode == 28
    shunt.shunt(guarded(DENY % "", "l4"))
    assert get(shunt, L4_VIP, 8000, "0.5").returncode == 28
