"""VXLAN that arrives for our vtep, sent by the kernel's own device."""
import pytest

from tests.harness.lab import PYTHON, wait_until

RECEIVE = ("import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);"
           "s.bind(('192.0.2.10',9999)); s.settimeout(10); print('bound',flush=True);"
           "d,a=s.recvfrom(2000); print(len(d),a[0],flush=True)")


def vxlan(lab, host, name, vni, local, inside):
    """A tenant's device whose every frame goes to the vtep of lb."""
    lab.ip(host, "link", "add", name, "type", "vxlan", "id", str(vni), "dstport", "4789", "local", local,
           "remote", "192.0.2.10", "nolearning")
    # Only what a test sends: no multicast of IPv6 in between.
    lab.sh(host, "sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{name}/disable_ipv6")
    lab.ip(host, "link", "set", name, "up")
    lab.ip(host, "addr", "add", f"{inside}/24", "dev", name)
    lab.ip(host, "neigh", "add", "172.31.0.1", "lladdr", "02:00:00:00:00:99", "dev", name)
    lab.ip(host, "route", "add", "192.0.2.10/32", "via", "172.31.0.1", "dev", name, "table", str(vni))
    lab.ip(host, "rule", "add", "from", inside, "table", str(vni))


def send(lab, host, inside, size):
    lab.sh(host, PYTHON, "-c", "import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);"
           f"s.bind(('{inside}',0)); s.sendto(b'x'*{size},('192.0.2.10',9999))")


@pytest.mark.parametrize("size", [0, 1, 1000, 1400])
def test_what_a_known_vtep_sends_is_unwrapped_for_the_stack(shunt, size):
    if not shunt.sh("host", "ip", "link", "show", "to_lb", check=False).stdout:
        # Underlay and inside in one namespace: the tenants' own devices have the VNIs of this one.
        shunt.ip("tenant_a", "link", "del", "vx")
        vxlan(shunt, "host", "to_lb", 5001, "192.0.3.21", "172.31.0.4")
    before = shunt.only("DECAP_TO_STACK")
    receiver = shunt.start("lb", PYTHON, "-c", RECEIVE, stdout=-1, text=True)
    assert receiver.stdout.readline() == "bound\n"
    send(shunt, "host", "172.31.0.4", size)
    assert receiver.stdout.readline() == f"{size} 172.31.0.4\n"
    assert shunt.only("DECAP_TO_STACK") > before


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
