"""forward: nat: clients reach endpoints anywhere, on other ports, and are answered through us."""
import os

import pytest

from tests.harness.lab import HARNESS, LINKS, PYTHON
from tests.harness.run import wait_until
from tests.net.test_l4_orders import Spread

NAT, NAT6 = "203.0.113.61", "2001:db8:53::61"
STREAM = r"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"


def endpoints(port, family, hosts):
    form = "[%s]:%d" if family else "%s:%d"
    ips = {h: LINKS[h][2 if family else 0].split("/")[0] for h in hosts}
    return ", ".join('{ address: "%s" }' % (form % (ips[h], port)) for h in hosts)


def config(hosts=("web_a", "web_b"), ports="61000-65535"):
    """nginx at port 80, the echo at 7, datagrams at 53, each behind a vip of either family."""
    listeners, upstreams = {0: "", 1: ""}, ""
    for name, port, far, protocol in (("web", 80, 8000, "tcp"), ("echo", 7, 8001, "tcp"),
                                      ("udp", 53, 5300, "udp")):
        for family in (0, 1):
            listeners[family] += f"""
      - {{ port: {port}, protocol: {protocol}, upstream: {name}{family}, forward: nat }}"""
            upstreams += f"""
  {name}{family}: {{ balance: maglev, endpoints: [{endpoints(far, family, hosts)}] }}"""
    return f"""
node:
  devices: [eth0]
  source_addresses: [192.0.2.10, "2001:db8:2::10"]
  nat_ports: "{ports}"
vips:
  - name: nat
    addresses: [{NAT}]
    listeners:{listeners[0]}
  - name: nat6
    addresses: ["{NAT6}"]
    listeners:{listeners[1]}
upstreams:{upstreams}
"""


def asks(lab, vip, size=300):
    got = lab.sh("client", PYTHON, os.path.join(HARNESS, "datagrams.py"), "ask", vip, "53", str(size))
    return got.stdout.split()


@pytest.fixture(name="nat", scope="module")
def fixture_nat(lab):
    for host in ("web_a", "web_b"):
        for i in (0, 2):
            lab.start(host, PYTHON, os.path.join(HARNESS, "datagrams.py"), "serve",
                      LINKS[host][i].split("/")[0], "5300", host)
    try:
        lab.shunt(config())
    except AssertionError:
        print(lab.log())
        raise
    for vip in (NAT, NAT6):
        wait_until(lambda v=vip: asks(lab, v)[-1] == "ok", "both endpoints are resolved")
    return lab


def answers(lab, vip, count):
    where = f"[{vip}]" if ":" in vip else vip
    return {lab.curl(f"http://{where}/").stdout.split()[0] for _ in range(count)}


@pytest.mark.parametrize("vip", [NAT, NAT6])
def test_connections_spread_and_are_answered_through_us(nat, vip):
    before, back = nat.only("NATED"), nat.only("NAT_ANSWERED")
    assert answers(nat, vip, 24) == {"web_a", "web_b"}
    assert nat.only("NATED") >= before + 24 * 4  # SYN, ACK, request, FIN at least
    assert nat.only("NAT_ANSWERED") >= back + 24 * 3


@pytest.mark.parametrize("vip", [NAT, NAT6])
def test_transfers_and_datagrams_arrive_whole(nat, vip):
    assert nat.bulk(vip, 7, 5, 20_000_000, STREAM).stdout == "ok 5\n"
    assert {asks(nat, vip)[0] for _ in range(12)} == {"web_a", "web_b"}
    assert asks(nat, vip, 4000)[-1] == "ok"  # in fragments


@pytest.mark.parametrize("vip", [NAT, NAT6])
def test_flows_lists_connections_with_both_ends_and_our_port(nat, vip):
    talk = nat.talk(vip, 7, 20, STREAM)
    talk.goes_on()  # both ends have talked
    form = "[%s]:%d" if ":" in vip else "%s:%d"
    far = {form % (LINKS[h][2 if ":" in vip else 0].split("/")[0], 8001) for h in ("web_a", "web_b")}
    found = [f for f in nat.flows() if f["vip"] == form % (vip, 7) and f["state"] == "nat"]
    heard = "".join(nat.sh(h, "ss", "-Htn", "sport", "=", "8001").stdout for h in ("web_a", "web_b"))
    ports = {word.rsplit(":", 1)[-1] for word in heard.split()}
    assert len(found) == 20 == len({f["client"] for f in found}) and {f["endpoint"] for f in found} == far
    for flow in found:
        assert flow["protocol"] == "tcp" and 61000 <= flow["port"] <= 65535
        assert flow["source"].endswith(f":{flow['port']}") and str(flow["port"]) in ports
    table = nat.ctl("flows", "--pin-dir", nat.pins).stdout
    assert all(flow["client"] in table for flow in found) and " translated (forward: nat)" in table
    assert talk.end()["bad"] == 0
    wait_until(lambda: {f["state"] for f in nat.flows() if f["client"] in {x["client"] for x in found}} == {"nat over"},
               "they are over")


@pytest.mark.parametrize("vip", [NAT, NAT6])
def test_neither_a_pool_change_nor_a_restart_moves_a_connection(nat, vip):
    talk = nat.talk(vip, 7, 20, STREAM)
    nat.reload(config(("web_a",)))
    talk.goes_on()
    assert answers(nat, vip, 8) == {"web_a"}
    assert nat.stop() == 0
    talk.goes_on()
    nat.shunt(config())
    talk.goes_on()
    assert talk.end()["bad"] == 0
    assert answers(nat, vip, 24) == {"web_a", "web_b"}


def test_who_drains_keeps_its_flows_until_its_time_is_over(nat):
    """Then datagrams go elsewhere, and of connections, which nobody else could go on with, nothing goes on."""
    def order(*words):
        for name, port in (("udp0", 5300), ("echo0", 8001)):
            address = LINKS["web_b"][0].split("/")[0]
            nat.ctl("endpoint", "set", name, f"{address}:{port}", *words, "--admin", nat.admin)

    flows, talk = Spread(nat, "udp", 53, 40, NAT), nat.talk(NAT, 7, 20, STREAM)
    before = flows.names()
    assert set(before) == {"web_a", "web_b"}
    order("drain")
    assert flows.names() == before
    assert set(Spread(nat, "udp", 53, 40, NAT).names()) == {"web_a"}
    talk.goes_on()
    unknown = nat.only("NAT_UNKNOWN")
    order("drain", "1s")
    wait_until(lambda: set(flows.names()) == {"web_a"}, "its time is over")
    wait_until(lambda: nat.only("NAT_UNKNOWN") > unknown, "what its connections say is dropped")
    talk.process.kill()
    talk.process.wait()
    order("reset")
