"""SYN cookies of the fast path: the kernel makes connections of them, also under a flood."""
import json
import os
import signal
import subprocess

import pytest

from tests.harness import config
from tests.harness.lab import HARNESS, PYTHON, WEB_VIP, WEB_VIP6
from tests.harness.run import wait_until

GUARD = "node:\n  guard: { %s }\n"
HONEST = 200
# Reads until the proxy has closed, so that it is there that the connection is remembered.
SAME_PORT = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.settimeout(20)
s.bind(("", 27000))
s.connect((sys.argv[1], 80))
s.sendall(b"GET / HTTP/1.1\\r\\nHost: a.example.com\\r\\nConnection: close\\r\\n\\r\\n")
print(b"".join(iter(lambda: s.recv(4096), b"")).decode())
"""


def guarded(words):
    return config.full().replace("node:\n", GUARD % words, 1)


def sysctl(lab, cookies, stamps=1):
    lab.sh("lb", "sysctl", "-q", "-w", f"net.ipv4.tcp_syncookies={cookies}",
           f"net.ipv4.tcp_timestamps={stamps}")


@pytest.fixture(autouse=True)
def as_before(shunt):
    yield
    shunt.reload(config.full())
    sysctl(shunt, 1)


def failed(lab):
    """Cookies that the kernel did not believe in."""
    said = lab.sh("lb", "nstat", "-asz", "TcpExtSyncookiesFailed").stdout
    return int(said.split()[-2])


def get(lab, vip, count=1):
    """How many of so many connections, one after the other, are answered."""
    host = f"[{vip}]" if ":" in vip else vip
    got = lab.sh("client", "curl", "-sS", "-m", "60", "-H", "Host: a.example.com", "-H",
                 "Connection: close", f"http://{host}/?[1-{count}]", check=False, timeout=600)
    return got.stdout.count("web_a a.example.com")


@pytest.mark.parametrize("vip", [WEB_VIP, WEB_VIP6])
@pytest.mark.parametrize("stamps", [1, 2])
def test_connections_come_of_cookies(shunt, vip, stamps):
    sysctl(shunt, 2, stamps)
    shunt.reload(guarded("syn_cookies: always"))
    before, bad = shunt.only("COOKIE_SENT"), failed(shunt)
    assert get(shunt, vip, 30) == 30
    assert shunt.only("COOKIE_SENT") > before
    assert failed(shunt) == bad


@pytest.mark.parametrize("vip", [WEB_VIP, WEB_VIP6])
def test_a_port_may_be_used_again_at_once(shunt, vip):
    """The last connection of that port is in TIME-WAIT here, where an ACK of a cookie would end."""
    sysctl(shunt, 2, 2)
    shunt.reload(guarded("syn_cookies: always"))
    for turn in range(6):
        got = shunt.sh("client", PYTHON, "-c", SAME_PORT, vip, check=False)
        assert "web_a a.example.com" in got.stdout, (turn, got.stderr)


def test_observed_ones_are_left_to_the_kernel(shunt):
    shunt.reload(guarded("syn_cookies: always, mode: observe"))
    before, sent = shunt.only("COOKIE_SEEN"), shunt.only("COOKIE_SENT")
    assert get(shunt, WEB_VIP, 30) == 30
    assert shunt.only("COOKIE_SEEN") > before
    assert shunt.only("COOKIE_SENT") == sent


def test_without_the_kernels_help_the_configuration_is_refused(shunt):
    refused = shunt.status()["reloads_refused"]
    sysctl(shunt, 1)
    shunt.write(guarded("syn_cookies: always"))
    shunt.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: "sysctl -w net.ipv4.tcp_syncookies=2" in shunt.log(), "it says what to do")
    wait_until(lambda: shunt.status()["reloads_refused"] > refused, "it is counted")
    assert get(shunt, WEB_VIP) == 1


def test_honest_clients_get_through_a_flood(shunt):
    """However long it takes: the flood goes on until all have asked. What a flood costs, the bench says."""
    sysctl(shunt, 2, 2)
    shunt.reload(guarded("syn_cookies: auto, syn_cookies_above: 100"))
    mac = json.loads(shunt.sh("router", "ip", "-j", "link", "show", "r-client").stdout)[0]["address"]
    before = shunt.only("COOKIE_SENT")
    flood = shunt.start("client", PYTHON, os.path.join(HARNESS, "syn_flood.py"), "eth0", mac, "198.18",
                        WEB_VIP, "80", "3600", "5000", stdout=subprocess.DEVNULL)
    wait_until(lambda: shunt.only("COOKIE_SENT") - before > 1000, "cookies are sent")
    answered = get(shunt, WEB_VIP, HONEST)
    assert flood.poll() is None
    flood.kill()
    flood.wait()
    assert answered >= HONEST * 0.99
