"""forward: dsr, to endpoints on a link of the node's own, which have the vip and answer directly."""
import os

import pytest

from tests.harness.config import BOTH_HOOKS
from tests.harness.lab import HARNESS, PYTHON
from tests.harness.run import wait_until

pytestmark = BOTH_HOOKS

DSR, DSR6 = "203.0.113.60", "2001:db8:53::60"
NEAR = {"web_a": ("192.0.2.31", "2001:db8:2::31"), "web_b": ("192.0.2.32", "2001:db8:2::32")}
STREAM = r"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"


def endpoints(port, family, hosts):
    form = "[%s]:%d" if family else "%s:%d"
    return ", ".join('{ address: "%s" }' % (form % (NEAR[h][family], port)) for h in hosts)


def config(hosts=("web_a", "web_b")):
    """nginx, the echo, and datagrams, each behind a vip of either family."""
    listeners, upstreams = {0: "", 1: ""}, ""
    for name, port, protocol in (("web", 8000, "tcp"), ("echo", 8001, "tcp"), ("udp", 5300, "udp")):
        for family in (0, 1):
            listeners[family] += f"""
      - {{ port: {port}, protocol: {protocol}, upstream: {name}{family}, forward: dsr }}"""
            upstreams += f"""
  {name}{family}: {{ balance: maglev, endpoints: [{endpoints(port, family, hosts)}] }}"""
    return f"""
node:
  devices: [eth0]
  source_addresses: [192.0.2.10, "2001:db8:2::10"]
vips:
  - name: dsr
    addresses: [{DSR}]
    listeners:{listeners[0]}
  - name: dsr6
    addresses: ["{DSR6}"]
    listeners:{listeners[1]}
upstreams:{upstreams}
"""


def move_to_link_of_node(lab):
    """The router becomes a switch between the node and both endpoints; answers go their old way."""
    lab.ip("router", "link", "add", "br0", "type", "bridge")
    for ip in ("192.0.2.1/24", "2001:db8:2::1/64"):
        lab.ip("router", "addr", "del", ip, "dev", "r-lb")
        lab.ip("router", "addr", "add", ip, "dev", "br0", *(["nodad"] if ":" in ip else []))
    lab.ip("router", "link", "set", "r-lb", "master", "br0")
    lab.ip("router", "link", "set", "br0", "up")
    lab.route_vips("lb")
    for number, (host, addresses) in enumerate(NEAR.items()):
        lab.ip(host, "link", "add", "near", "type", "veth", "peer", "name", f"r-near{number}", "netns",
               lab.ns("router"))
        for where, dev in ((host, "near"), ("router", f"r-near{number}")):
            how = "on" if lab.offloads else "off"
            lab.sh(where, "ethtool", "-K", dev, "tx", how, "tso", how, "gso", how, "gro", "on", check=False)
            lab.ip(where, "link", "set", dev, "up")
        lab.ip("router", "link", "set", f"r-near{number}", "master", "br0")
        lab.ip(host, "addr", "add", f"{addresses[0]}/24", "dev", "near")
        lab.ip(host, "addr", "add", f"{addresses[1]}/64", "dev", "near", "nodad")
        lab.sh(host, "sh", "-c", "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done;"
               " echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore")
        lab.ip(host, "addr", "add", f"{DSR}/32", "dev", "lo")
        lab.ip(host, "addr", "add", f"{DSR6}/128", "dev", "lo", "nodad")


def asks(lab, vip, size=300):
    got = lab.sh("client", PYTHON, os.path.join(HARNESS, "datagrams.py"), "ask", vip, "5300", str(size))
    return got.stdout.split()


@pytest.fixture(name="dsr", scope="module")
def fixture_dsr(lab):
    move_to_link_of_node(lab)
    for host in NEAR:
        for vip in (DSR, DSR6):
            lab.start(host, PYTHON, os.path.join(HARNESS, "datagrams.py"), "serve", vip, "5300", host)
    lab.shunt(config())
    for vip in (DSR, DSR6):
        wait_until(lambda v=vip: asks(lab, v)[-1] == "ok", "both endpoints are resolved")
    return lab


def answers(lab, vip, count):
    where = f"[{vip}]" if ":" in vip else vip
    return {lab.curl(f"http://{where}:8000/").stdout.split()[0] for _ in range(count)}


@pytest.mark.parametrize("vip", [DSR, DSR6])
def test_connections_spread_over_endpoints_on_our_link(dsr, vip):
    before = dsr.only("FORWARDED")
    assert answers(dsr, vip, 24) == {"web_a", "web_b"}
    assert dsr.only("FORWARDED") >= before + 24 * 4


@pytest.mark.parametrize("vip", [DSR, DSR6])
def test_transfers_and_datagrams_arrive_whole(dsr, vip):
    assert dsr.bulk(vip, 8001, 5, 20_000_000, STREAM).stdout == "ok 5\n"
    assert {asks(dsr, vip)[0] for _ in range(12)} == {"web_a", "web_b"}
    assert asks(dsr, vip, 4000)[-1] == "ok"  # in fragments


@pytest.mark.parametrize("vip", [DSR, DSR6])
def test_neither_a_pool_change_nor_a_restart_moves_a_connection(dsr, vip):
    talk = dsr.talk(vip, 8001, 20, STREAM)
    dsr.reload(config(("web_a",)))
    talk.goes_on()
    assert answers(dsr, vip, 8) == {"web_a"}
    assert dsr.stop() == 0
    talk.goes_on()
    dsr.shunt(config())
    talk.goes_on()
    assert talk.end()["bad"] == 0


@pytest.mark.parametrize("vip, web", [(DSR, "web0"), (DSR6, "web1")])
def test_checks_ask_for_the_vip_on_the_link(dsr, vip, web):
    family = int(web[-1])
    names = [f"[{NEAR[h][1]}]:8000" if family else f"{NEAR[h][0]}:8000" for h in NEAR]
    dsr.reload(config().replace(f"{web}: {{ balance: maglev", f"{web}: {{ balance: maglev, health: "
                                "{ http: /, interval: 500ms, timeout: 500ms, fall: 4 }"))
    well, gone = {name: ("up", "ok") for name in names}, ("down", "tunnel")
    wait_until(lambda: dsr.health(web) == well, "both are up")
    dsr.ip("web_b", "addr", "del", vip + ("/128" if family else "/32"), "dev", "lo")
    wait_until(lambda: dsr.health(web) == {**well, names[1]: gone}, "one has no vip")
    assert answers(dsr, vip, 12) == {"web_a"}
    dsr.ip("web_b", "addr", "add", vip + ("/128" if family else "/32"), "dev", "lo",
           *(["nodad"] if family else []))
    wait_until(lambda: dsr.health(web) == well, "both are up again")
    assert answers(dsr, vip, 24) == {"web_a", "web_b"}
