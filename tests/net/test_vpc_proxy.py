"""Endpoints in vpcs behind the proxy: its own connections go through VXLAN, and splices too."""
import hashlib
import os
import signal

import pytest

from tests.harness import config
from tests.harness.endless import Endless
from tests.harness.lab import wait_until
from tests.harness.moving import move, said, wait_spliced, without_bbr

pytestmark = config.BOTH_HOOKS
VIP = "203.0.113.14"
OURS = {"a": "172.16.0.250", "b": "172.16.0.251"}
OUR_MAC = "02:73:68:75:6e:00"
STREAM = r"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"


def inside(name, port):
    return (f"{{ address: \"172.16.0.4:{port}\", vpc: {name}, host: 192.0.3.21,"
            f" mac: \"02:00:00:00:00:04\" }}")


def configuration(health=""):
    """Both tenants have an endpoint 172.16.0.4; by the port or the host of a request one is chosen."""
    text = config.full(extra_routes="\n".join(
        f"    - {{ name: vpc-{name}-{what}, match: {{ host: {name}.vpc.example.com, path: {path} }},"
        f" upstream: vpc-{name}-{port}{more}, splice_threshold: 256kB }}"
        for name in OURS for what, path, port, more in (
            ("stream", "/stream", 8001, ", splice: connection"), ("big", "/big/*", 8001, ""),
            ("up", "/up", 8001, ""), ("all", "/*", 8000, ""))).lstrip())
    for name, ours in OURS.items():
        text = text.replace(f"  {name}: {{ vni: 500", f"  {name}: {{ source: {ours}, vni: 500", 1)
    upstreams = "".join(
        f"  vpc-{name}-{port}: {{ {health if port == 8000 else ''} connect_timeout: 60s,"
        f" endpoints: [ {inside(name, port)} ] }}\n" for name in OURS for port in (8000, 8001))
    listeners = "".join(f"      - {{ port: {7001 + i}, protocol: tcp-proxy, upstream: vpc-{name}-8001 }}\n"
                        for i, name in enumerate(OURS))
    return text.replace("upstreams:\n", "upstreams:\n" + upstreams, 1).replace(
        "  - name: stream\n", f"  - name: vpc\n    addresses: [{VIP}]\n    listeners:\n{listeners}"
        "  - name: stream\n", 1)


@pytest.fixture(scope="module")
def inner(lab):
    """The tenants know our address in their network, behind our vtep."""
    for name, ours in OURS.items():
        lab.ip(f"tenant_{name}", "neigh", "add", ours, "lladdr", OUR_MAC, "dev", "vx")
        lab.sh(f"tenant_{name}", "bridge", "fdb", "add", OUR_MAC, "dst", "192.0.2.10", "dev", "vx")
        lab.ip(f"tenant_{name}", "link", "set", "vx", "mtu", "1450")
    lab.shunt(configuration())
    return lab


def host(name):
    return ("-H", f"Host: {name}.vpc.example.com")


def test_requests_reach_the_tenant_that_was_meant(inner):
    """Connections of one are never taken for the other, though their addresses are the same."""
    for _ in range(4):
        for name in OURS:
            assert inner.curl("http://203.0.113.10/", *host(name)).stdout.startswith(f"tenant_{name} ")
    assert inner.only("EGRESS_WRAPPED") > 0
    assert inner.only("EGRESS_UNSENT") == 0


@pytest.mark.parametrize("name,port", [("a", 7001), ("b", 7002)])
def test_a_stream_is_spliced_into_the_tunnel(inner, name, port):
    talk = inner.talk(VIP, port, 5, STREAM)
    wait_until(lambda: inner.status()["splices"]["active"] >= 5 and inner.status()["sessions"] == 0,
               "all are spliced")
    counted, wrapped = inner.only("SPLICED"), inner.only("EGRESS_WRAPPED")
    talk.goes_on()
    assert inner.only("SPLICED") > counted
    assert inner.only("EGRESS_WRAPPED") == wrapped
    assert talk.end() | {"turns": 0} == {"ok": 5, "bad": 0, "errors": [], "turns": 0}
    wait_until(lambda: inner.status()["splices"]["active"] == 0, "all have ended")
    said = {line["splice"] for line in inner.access_log() if line["port"] == port}
    assert said <= {"full", "ended"} and "full" in said


def test_bulk_fits_the_tunnel(inner):
    """Segments of both legs are as long as the tunnel allows, and no longer."""
    before, begun = inner.only("TOO_BIG"), inner.status()["splices"]["begun"]
    for port in (7001, 7002):
        assert inner.bulk(VIP, port, 10, 5_000_000, STREAM).stdout == "ok 10\n", inner.not_done()
    wait_until(lambda: inner.status()["splices"]["begun"] == begun + 20, "all were spliced")
    assert inner.only("TOO_BIG") == before
    assert inner.only("EGRESS_UNSENT") == 0


def test_a_reload_without_the_vpc_cuts_no_splice(inner):
    talk = inner.talk(VIP, 7001, 3, STREAM)
    wait_until(lambda: inner.status()["splices"]["active"] >= 3 and inner.status()["sessions"] == 0,
               "all are spliced")
    talk.goes_on()
    inner.reload(configuration().replace("upstream: vpc-b-8001 }\n", "upstream: vpc-a-8001 }\n"))
    talk.goes_on()
    assert talk.end()["bad"] == 0
    inner.reload(configuration())


def test_its_health_is_asked_through_the_tunnel(inner):
    inner.reload(configuration("health: { http: /, interval: 500ms, timeout: 500ms, rise: 2, fall: 4 },"))
    for name in OURS:
        wait_until(lambda n=name: inner.health(f"vpc-{n}-8000") == {n: ("up", "ok")}, f"{name} is up")


def upload(lab, name):
    """8 MB; how many bodies were spliced meanwhile. Segments out of order may be a reason for none."""
    path, before = f"{lab.dir}/{name}.bin", lab.status()["stats"]["bodies_spliced"]
    with open(path, "wb") as out:
        out.write(os.urandom(8 << 20))
    with open(path, "rb") as sent:
        digest = hashlib.sha256(sent.read()).hexdigest()
    got = lab.curl("http://203.0.113.10/up", *host(name), "--data-binary", f"@{path}", "-H", "Expect:")
    assert digest in got.stdout
    return lab.status()["stats"]["bodies_spliced"] - before


@pytest.mark.parametrize("name", OURS)
def test_a_body_goes_past_the_sockets_into_the_tunnel(inner, name):
    wait_until(lambda: upload(inner, name), "a body is spliced")


def test_a_killed_daemon_cuts_no_splice_into_a_tunnel(inner):
    talk = inner.talk(VIP, 7002, 5, STREAM)
    wait_until(lambda: inner.status()["splices"]["active"] >= 5 and inner.status()["sessions"] == 0,
               "all are spliced")
    inner.stop(signal.SIGKILL)
    talk.goes_on()
    inner.shunt(configuration())
    assert inner.status()["splices"]["adopted"] >= 5
    talk.goes_on()
    assert talk.end()["bad"] == 0


def test_a_splice_into_a_tunnel_moves_to_another_node(inner):
    """Both nodes have the same address in the vpc; its hosts must send to the other one's vtep from then on."""
    one, other = inner.nodes["lb"], inner.nodes["lb2"]
    without_bbr(inner, "client", "tenant_a")
    other.shunt(configuration().replace("192.0.2.10", config.SECOND[0]).replace("2001:db8:2::10", config.SECOND[1]))
    pour = Endless(inner, VIP, 7001, 2, STREAM)
    wait_spliced(one, 2)
    pour.goes_on()

    def routes():
        inner.sh("tenant_a", "bridge", "fdb", "replace", OUR_MAC, "dst", config.SECOND[0], "dev", "vx")
    move(inner, "lb", "lb2", 2, ("--vip", VIP), routes)
    pour.goes_on()
    assert said(one, "forget")["flows"] == 2
    # Its own connections have that address too: none may get a port that came from elsewhere.
    talk = inner.talk(VIP, 7001, 2, STREAM)
    wait_spliced(other, 4)
    assert len({flow["port"] for flow in other.flows()}) == 4
    assert {flow["source"].split(":")[0] for flow in other.flows()} == {OURS["a"]}
    assert talk.end()["bad"] == 0
    assert pour.end() == {"ok": 2, "bad": []}
    inner.sh("tenant_a", "bridge", "fdb", "replace", OUR_MAC, "dst", "192.0.2.10", "dev", "vx")
    inner.route_vips("lb")
