"""VXLAN that arrives for our vtep, sent by the kernel's own device."""
import pytest

from tests.harness import config
from tests.harness.lab import PYTHON, wait_until

pytestmark = config.BOTH_HOOKS

RECEIVE = ("import socket; s=socket.socket(socket.{family},socket.SOCK_DGRAM);"
           "s.bind(('{to}',9999)); s.settimeout(90); print('bound',flush=True);"
           "d,a=s.recvfrom(2000); print(len(d),a[0],flush=True)")
SEND = ("import socket; s=socket.socket(socket.{family},socket.SOCK_DGRAM);"
        "s.bind(('{source}',0)); s.sendto(b'x'*{size},('{to}',9999))")
LB, LB6 = "192.0.2.10", "2001:db8:2::10"
GATEWAY, GATEWAY6 = "172.31.0.1", "2001:db8:31::1"


def vxlan(lab, host, name, vni, local, *inside):
    """A tenant's device, with these addresses; all that they send goes to the vtep of lb."""
    lab.ip(host, "link", "add", name, "type", "vxlan", "id", str(vni), "dstport", "4789", "local", local,
           "remote", LB, "nolearning")
    if not any(":" in address for address in inside):
        # Only what a test sends: no multicast of IPv6 in between.
        lab.sh(host, "sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6")
    lab.ip(host, "link", "set", name, "up")
    for address in inside:
        family, length, to, via = ("-6", 64, LB6, GATEWAY6) if ":" in address else ("-4", 24, LB, GATEWAY)
        lab.ip(host, "addr", "add", f"{address}/{length}", "dev", name, *(["nodad"] if length == 64 else []))
        lab.ip(host, "neigh", "add", via, "lladdr", "02:00:00:00:00:99", "dev", name)
        lab.ip(host, family, "route", "add", to, "via", via, "dev", name, "table", str(vni))
        lab.ip(host, family, "rule", "add", "from", address, "table", str(vni))


def send(lab, host, source, size):
    family, to = ("AF_INET6", LB6) if ":" in source else ("AF_INET", LB)
    lab.sh(host, PYTHON, "-c", SEND.format(family=family, source=source, size=size, to=to))


@pytest.mark.parametrize("host,name,vni,local,inside", [
    ("host", "bad_vni", 6000, "192.0.3.21", "172.31.0.5"),
    ("client", "bad_vtep", 5001, "198.51.100.2", "172.31.0.6"),
], ids=["unknown VNI", "unknown vtep"])
def test_what_others_send_is_dropped_and_counted(shunt, host, name, vni, local, inside):
    vxlan(shunt, host, name, vni, local, inside)
    before, passed = shunt.only("TUNNEL_UNKNOWN"), shunt.only("DECAP_TO_STACK")
    send(shunt, host, inside, 100)
    wait_until(lambda: shunt.only("TUNNEL_UNKNOWN") == before + 1, "it is counted")
    assert shunt.only("DECAP_TO_STACK") == passed


@pytest.mark.parametrize("payload", [
    "", "08000000001389", "0800000000138900", "0800000000138900" + "00" * 13, "0000000000138900" + "00" * 60,
], ids=["empty", "header cut", "no frame", "frame cut", "no VNI flag"])
def test_what_is_malformed_is_dropped_and_counted(shunt, payload):
    before, passed = shunt.only("TUNNEL_BAD"), shunt.only("DECAP_TO_STACK")
    shunt.sh("host", PYTHON, "-c", "import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);"
             f"s.bind(('192.0.3.21',0)); s.sendto(bytes.fromhex('{payload}'),('{LB}',4789))")
    wait_until(lambda: shunt.only("TUNNEL_BAD") == before + 1, "it is counted")
    assert shunt.only("DECAP_TO_STACK") == passed


@pytest.fixture(scope="module")
def tunnel(shunt):
    """Underlay and inside in one namespace: the tenants' own devices have the VNIs of this one."""
    shunt.ip("tenant_a", "link", "del", "vx")
    vxlan(shunt, "host", "to_lb", 5001, "192.0.3.21", "172.31.0.4", "2001:db8:31::4")
    return shunt


@pytest.mark.parametrize("size", [0, 1, 1000, 1400])
@pytest.mark.parametrize("source", ["172.31.0.4", "2001:db8:31::4"])
def test_what_a_known_vtep_sends_is_unwrapped_for_the_stack(tunnel, source, size):
    before = tunnel.only("DECAP_TO_STACK")
    family, to = ("AF_INET6", LB6) if ":" in source else ("AF_INET", LB)
    receiver = tunnel.start("lb", PYTHON, "-c", RECEIVE.format(family=family, to=to), stdout=-1, text=True)
    assert receiver.stdout.readline() == "bound\n"
    send(tunnel, "host", source, size)
    assert receiver.stdout.readline() == f"{size} {source}\n"
    assert tunnel.only("DECAP_TO_STACK") > before
