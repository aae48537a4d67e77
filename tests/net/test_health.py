"""Health checks of L4 endpoints: through the tunnel, to the vip, at each endpoint."""
import pytest

from tests.harness import config
from tests.harness.lab import L4_VIP, L4_VIP6
from tests.harness.run import PYTHON, wait_until

STREAM = r"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
# A probe may be late on a busy machine; several in a row are not.
FAST = "interval: 500ms, timeout: 500ms, rise: 2, fall: 4"
UP = ("up", "ok")


def http(more=""):
    return f"health: {{ http: /, {FAST}{more} }}"


def wait_for(lab, upstream, want):
    try:
        wait_until(lambda: lab.health(upstream) == want, "")
    except AssertionError:
        assert lab.health(upstream) == want, lab.log()


def answers(lab, vip, count):
    return {lab.curl(f"http://{vip}:8000/").stdout.split()[0] for _ in range(count)}


def who(lab, count):
    """Which tenants answer to new connections on the echo port."""
    return {lab.curl(f"http://{L4_VIP}:8001/").stdout.split()[0] for _ in range(count)}


def end_of(lab, host):
    """Ends nginx there."""
    for process in lab.processes:
        if process.args[0] == "nginx" and process.args[-1].endswith(f"nginx-{host}.conf"):
            lab.end(process)


def nginx_again(lab, host):
    lab.start(host, "nginx", "-p", f"{lab.dir}/nginx-{host}", "-c", f"{lab.dir}/nginx-{host}.conf")


BOTH = {"health": http(), "echo_health": f"health: {{ tcp: true, port: 8000, {FAST} }}"}


@pytest.fixture(scope="module")
def checked(lab):
    """l4 is checked by HTTP; l4-echo by a connection to the port of nginx, not its own."""
    lab.shunt(config.full(**BOTH))
    return lab


def test_what_is_well_is_up(checked):
    wait_for(checked, "l4", {"a": UP, "b": UP})
    wait_for(checked, "l4-echo", {"a": UP, "b": UP})
    assert checked.only("EGRESS_WRAPPED") > 0
    assert checked.only("EGRESS_UNSENT") == 0
    assert answers(checked, L4_VIP, 24) == {"tenant_a", "tenant_b"}


def test_who_stops_gets_nothing_new_and_keeps_what_it_has(checked):
    wait_for(checked, "l4-echo", {"a": UP, "b": UP})
    assert who(checked, 24) == {"tenant_a", "tenant_b"}
    before = checked.talk(L4_VIP, 8001, 40, STREAM)
    end_of(checked, "tenant_a")
    wait_for(checked, "l4-echo", {"a": ("down", "port"), "b": UP})
    wait_for(checked, "l4", {"a": ("down", "port"), "b": UP})
    assert answers(checked, L4_VIP, 16) == {"tenant_b"}
    assert answers(checked, f"[{L4_VIP6}]", 8) == {"tenant_b"}
    assert who(checked, 16) == {"tenant_b"}
    before.goes_on()
    meanwhile = checked.talk(L4_VIP, 8001, 40, STREAM)
    nginx_again(checked, "tenant_a")
    wait_for(checked, "l4-echo", {"a": UP, "b": UP})
    wait_for(checked, "l4", {"a": UP, "b": UP})
    assert answers(checked, L4_VIP, 24) == {"tenant_a", "tenant_b"}
    before.goes_on()
    meanwhile.goes_on()
    assert before.end()["bad"] == 0
    assert meanwhile.end()["bad"] == 0
    assert "endpoint 172.16.0.4:8001 in vpc a is down (port): connection refused" in checked.log()
    assert "endpoint 172.16.0.4:8001 in vpc a is up" in checked.log()


def test_a_dead_tunnel_is_told_from_a_dead_host(checked):
    checked.ip("tenant_a", "link", "set", "vx", "down")
    wait_for(checked, "l4", {"a": ("down", "tunnel"), "b": UP})
    assert answers(checked, L4_VIP, 12) == {"tenant_b"}
    checked.ip("tenant_a", "link", "set", "vx", "up")
    wait_for(checked, "l4", {"a": UP, "b": UP})
    checked.ip("router", "route", "add", "blackhole", "192.0.3.21/32")
    wait_for(checked, "l4", {"a": ("down", "host"), "b": ("down", "host")})
    checked.ip("router", "route", "del", "blackhole", "192.0.3.21/32")
    wait_for(checked, "l4", {"a": UP, "b": UP})


def test_a_way_that_is_too_narrow_is_named(checked):
    checked.ip("router", "link", "set", "r-host", "mtu", "1400")
    wait_for(checked, "l4", {"a": ("down", "mtu"), "b": ("down", "mtu")})
    assert "packets of 1450 bytes do not come through, small ones do" in checked.log()
    checked.ip("router", "link", "set", "r-host", "mtu", "1500")
    wait_for(checked, "l4", {"a": UP, "b": UP})


def test_all_down_is_as_if_none_was(checked):
    checked.reload(config.full(health=http(", expect: { status: [204, \"301-308\"] }")))
    wait_for(checked, "l4", {"a": ("down", "answer"), "b": ("down", "answer")})
    assert "status 200 is not expected" in checked.log()
    assert answers(checked, L4_VIP, 24) == {"tenant_a", "tenant_b"}
    checked.reload(config.full(**BOTH))
    wait_for(checked, "l4", {"a": UP, "b": UP})


def test_a_vip_of_ipv6_is_asked_by_ipv6(checked):
    text = config.full(**BOTH).replace(f'[{L4_VIP}, "{L4_VIP6}"]', f'["{L4_VIP6}", {L4_VIP}]')
    checked.ip("tenant_a", "addr", "del", f"{L4_VIP6}/128", "dev", "lo")
    checked.reload(text)
    wait_for(checked, "l4", {"a": ("down", "tunnel"), "b": UP})
    checked.ip("tenant_a", "addr", "add", f"{L4_VIP6}/128", "dev", "lo", "nodad")
    wait_for(checked, "l4", {"a": UP, "b": UP})
    checked.reload(config.full(**BOTH))


def test_without_checks_all_are_used_again(checked):
    end_of(checked, "tenant_a")
    wait_for(checked, "l4-echo", {"a": ("down", "port"), "b": UP})
    checked.reload(config.full())
    assert checked.health("l4-echo") == {}
    assert who(checked, 24) == {"tenant_a", "tenant_b"}
    nginx_again(checked, "tenant_a")
    checked.reload(config.full(**BOTH))
    wait_for(checked, "l4", {"a": UP, "b": UP})


def test_a_daemon_that_is_started_anew_sends_nothing_to_who_was_down(checked):
    end_of(checked, "tenant_a")
    wait_for(checked, "l4-echo", {"a": ("down", "port"), "b": UP})
    assert checked.stop() == 0
    assert who(checked, 12) == {"tenant_b"}
    checked.shunt(config.full(**BOTH))
    assert who(checked, 12) == {"tenant_b"}
    nginx_again(checked, "tenant_a")
    wait_for(checked, "l4-echo", {"a": UP, "b": UP})


def test_the_proxy_asks_nobody_who_is_down(checked):
    text = config.full(**BOTH).replace(
        '  a: { connect_timeout: 60s, endpoints: [ { address: "10.0.1.2:8000" } ] }',
        f'  a: {{ {http()}, connect_timeout: 60s, endpoints: [ {{ address: "10.0.1.2:8000" }}, {{ address: "10.0.2.2:8000" }} ] }}')
    ask = ("-H", "Host: a.example.com")

    def names():
        return [checked.curl("http://203.0.113.10/", *ask).stdout.split()[0] for _ in range(8)]

    checked.reload(text)
    wait_for(checked, "a", {"10.0.1.2:8000": UP, "10.0.2.2:8000": UP})
    assert set(names()) == {"web_a", "web_b"}
    end_of(checked, "web_b")
    wait_for(checked, "a", {"10.0.1.2:8000": UP, "10.0.2.2:8000": ("down", "port")})
    before = checked.status()["stats"]["upstream_connect_errors"]
    assert set(names()) == {"web_a"}
    assert checked.status()["stats"]["upstream_connect_errors"] == before
    nginx_again(checked, "web_b")
    wait_for(checked, "a", {"10.0.1.2:8000": UP, "10.0.2.2:8000": UP})
    assert set(names()) == {"web_a", "web_b"}


def test_datagrams_must_be_answered_as_expected(checked):
    server = ("import socket,sys\n"
              "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
              f"s.bind(('{L4_VIP}',5300))\n"
              "while 1:\n d,w=s.recvfrom(2048)\n s.sendto(sys.argv[1].encode()+d,w)\n")
    text = config.full(**BOTH).replace(
        "      - { port: 8001, protocol: tcp, upstream: l4-echo, forward: vxlan }",
        "      - { port: 8001, protocol: tcp, upstream: l4-echo, forward: vxlan }\n"
        "      - { port: 5300, protocol: udp, upstream: l4-udp, forward: vxlan }").replace(
        "upstreams:", "upstreams:\n  l4-udp:\n    health: { udp: { send: \"hex:0041\", expect: \"pong\" }, "
        f"{FAST} }}\n    endpoints:\n{config.l4_endpoints(('a', 'b'), 5300)}", 1)
    right = checked.start("tenant_a", PYTHON, "-c", server, "pong")
    checked.reload(text)
    wait_for(checked, "l4-udp", {"a": UP, "b": ("down", "port")})
    checked.end(right)
    wait_for(checked, "l4-udp", {"a": ("down", "port"), "b": ("down", "port")})
