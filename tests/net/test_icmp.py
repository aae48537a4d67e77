"""What routers say and what does not fit, with the kernel at each end as the judge."""
import os
import subprocess

import pytest

from tests.harness import config
from tests.harness.lab import HARNESS, L4_VIP, L4_VIP6, LINKS, PYTHON, TENANTS, WEB_VIP
from tests.harness.run import PATIENCE, wait_until

pytestmark = config.BOTH_HOOKS

STREAM = r"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
SPLICED, SPLICED6 = "203.0.113.11", "2001:db8:53::11"
UDP_PORT = 8005
CLIENTS = tuple(LINKS["client"][i].split("/")[0] for i in (0, 2))
MIB = 1 << 20


def with_udp():
    """config.full() and a UDP listener beside its L4 ones."""
    text = config.full()
    listener = "      - { port: 8000, protocol: tcp, upstream: l4, forward: vxlan }\n"
    assert listener in text
    text = text.replace(listener, listener + f"      - {{ port: {UDP_PORT}, protocol: udp, "
                        "upstream: l4-udp, forward: vxlan }\n")
    return text + f"  l4-udp:\n    balance: maglev\n    endpoints:\n{config.l4_endpoints('ab', UDP_PORT)}\n"


@pytest.fixture(scope="module")
def icmp(lab):
    for tenant in TENANTS:
        # Endpoints that do not ask for less, as a fresh host would not.
        for family, via in (("-4", LINKS[tenant][1]), ("-6", LINKS[tenant][3])):
            lab.ip(tenant, family, "route", "replace", "default", "via", via.split("/")[0])
        for address in (L4_VIP, L4_VIP6):
            lab.start(tenant, PYTHON, os.path.join(HARNESS, "datagrams.py"), "serve", address,
                      str(UDP_PORT), tenant)
        wait_until(lambda t=tenant: lab.sh(t, "ss", "-lunH").stdout.count(f":{UDP_PORT} ") == 2,
                   f"both UDP servers in {tenant}")
    lab.shunt(with_udp())
    return lab


@pytest.fixture(autouse=True)
def forget(icmp):
    """What hosts learned of paths is not for the next test; nor is its narrow link."""
    yield
    for client in CLIENTS:
        icmp.sh("router", "ip", "route", "del", client, "dev", "r-client", check=False)
    for host in ("client", "web_a", *TENANTS):
        icmp.ip(host, "route", "flush", "cache")
        icmp.ip(host, "-6", "route", "flush", "cache")


def narrow(lab):
    """From the router to the client only: veth drops what is larger than the receiver's MTU."""
    for client in CLIENTS:
        lab.ip("router", "route", "add", client, "dev", "r-client", "mtu", "1300")


class Pour:
    def __init__(self, lab, address, port, count=MIB):
        self.process = lab.start("client", PYTHON, os.path.join(HARNESS, "pour.py"), address,
                                 str(port), str(count), STREAM, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)


def route_mtu(lab, host, to):
    """What the host has learned of the path; 0 where it has not."""
    words = lab.sh(host, "ip", "-o", "route", "get", to).stdout.split()
    return int(words[words.index("mtu") + 1]) if "mtu" in words else 0


def ask(lab, address, count):
    return lab.sh("client", PYTHON, os.path.join(HARNESS, "datagrams.py"), "ask", address, str(UDP_PORT),
                  str(count)).stdout.split(None, 1)


@pytest.mark.parametrize("vip", [L4_VIP, L4_VIP6])
def test_datagrams_of_4_kb_arrive_whole_once_the_path_is_known(icmp, vip):
    told = icmp.only("TOO_BIG_TOLD")
    assert ask(icmp, vip, 4096)[1] == "ok\n"
    assert icmp.only("TOO_BIG_TOLD") > told
    assert route_mtu(icmp, "client", vip) == 1450
    # Now none is lost, whichever endpoint it is for: both get some, each the whole of theirs.
    told = icmp.only("TOO_BIG_TOLD")
    got = [ask(icmp, vip, size) for size in (4096, 3000, 1423, 9000) * 5]
    assert {answer for _, answer in got} == {"ok\n"}
    assert {name for name, _ in got} == set(TENANTS)
    assert icmp.only("TOO_BIG_TOLD") == told


@pytest.mark.parametrize("vip", [L4_VIP, L4_VIP6])
def test_a_client_learns_what_fits_the_tunnel(icmp, vip):
    told = icmp.only("TOO_BIG_TOLD")
    pour = Pour(icmp, vip, 8001)
    assert route_mtu(icmp, "client", vip) == 0
    assert pour.go() == "ok"
    assert route_mtu(icmp, "client", vip) == 1450
    assert icmp.only("TOO_BIG_TOLD") > told
    pour.end()


@pytest.mark.parametrize("vip,client", list(zip((L4_VIP, L4_VIP6), CLIENTS)))
def test_an_endpoint_hears_of_a_narrow_link_behind_the_router(icmp, vip, client):
    pour = Pour(icmp, vip, 8001)
    narrow(icmp)
    followed = icmp.only("ERROR_FOLLOWED")
    assert pour.go() == "ok"
    assert icmp.only("ERROR_FOLLOWED") > followed
    assert sorted(route_mtu(icmp, tenant, client) for tenant in TENANTS) == [0, 1300]
    pour.end()


@pytest.mark.parametrize("vip,own", [(SPLICED, "192.0.2.10"), (SPLICED6, "2001:db8:2::10")])
def test_an_end_of_a_splice_hears_of_a_narrow_link_behind_the_other(icmp, vip, own):
    pour = Pour(icmp, vip, 7000)
    wait_until(lambda: icmp.status()["splices"]["active"] >= 1 and icmp.status()["sessions"] == 0,
               "it is spliced")
    narrow(icmp)
    translated = icmp.only("ERROR_TRANSLATED")
    assert route_mtu(icmp, "web_a", own) == 0
    assert pour.go() == "ok"
    assert icmp.only("ERROR_TRANSLATED") > translated
    assert icmp.only("ERROR_FORGED") == 0
    assert route_mtu(icmp, "web_a", own) == 1300
    pour.end()
    wait_until(lambda: icmp.status()["splices"]["active"] == 0, "it has ended")


@pytest.mark.parametrize("vip", [L4_VIP, L4_VIP6])
def test_an_l4_vip_answers_pings(icmp, vip):
    answered = icmp.only("PING_ANSWERED")
    for size in ("0", "56", "1401"):
        got = icmp.sh("client", "ping", "-c", "2", "-i", "0.01", "-W", "60", "-s", size, vip).stdout
        assert "2 received" in got, got
    assert icmp.only("PING_ANSWERED") == answered + 6


def test_pings_to_the_proxys_vip_are_the_kernels_unless_told_otherwise(icmp):
    answered = icmp.only("PING_ANSWERED")
    icmp.sh("client", "ping", "-c", "1", "-W", "1", WEB_VIP, check=False)
    assert icmp.only("PING_ANSWERED") == answered
    text = with_udp()
    icmp.reload(text.replace("  - name: web\n", "  - name: web\n    ping: answer\n")
                .replace("  - name: l4\n", "  - name: l4\n    ping: drop\n"))
    assert "1 received" in icmp.sh("client", "ping", "-c", "1", "-W", "60", WEB_VIP).stdout
    dropped = icmp.only("PING_DROPPED")
    assert "0 received" in icmp.sh("client", "ping", "-c", "1", "-W", "1", L4_VIP, check=False).stdout
    assert icmp.only("PING_DROPPED") == dropped + 1
    icmp.reload(text)


# A datagram with so many hops; prints who says that it came no further, or what is answered.
HOPS = """
import select, socket, struct, sys
to, port, hops = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
v6 = ":" in to
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
level, ttl, tell = (41, 16, 25) if v6 else (0, 2, 11)
s.setsockopt(level, ttl, hops)
s.setsockopt(level, tell, 1)
s.connect((to, port))
s.send(b"hello")
assert select.select([s], [], [], 60)[0]
try:
    print(s.recv(1000).decode().split()[0])
except OSError:
    _, more, _, _ = s.recvmsg(100, 1000, 8192)
    what = more[0][2]
    at = 16 + (8 if v6 else 4)
    print("type", what[5], "from", socket.inet_ntop(socket.AF_INET6 if v6 else socket.AF_INET,
                                                    what[at:at + (16 if v6 else 4)]))
"""


@pytest.mark.parametrize("vip,router,kind", [(L4_VIP, "198.51.100.1", 11), (L4_VIP6, "2001:db8:1::1", 3)])
def test_who_counts_hops_sees_one_here(icmp, vip, router, kind):
    """The router, then we, by the only address of ours that it knows, then the endpoint's host."""
    script = icmp.file("hops.py", HOPS)

    def heard(hops):
        return icmp.sh("client", PYTHON, script, vip, str(UDP_PORT), str(hops)).stdout.strip()

    before = icmp.only("TTL_TOLD")
    assert heard(1) == f"type {kind} from {router}"
    assert heard(2) == f"type {kind} from {vip}"
    assert heard(3) in TENANTS
    assert icmp.only("TTL_TOLD") == before + 1
