"""SYN cookies by the accept queue: on while it fills, whatever the rate of SYNs, and off again."""
import os

import pytest

from tests.harness import config
from tests.harness.lab import HARNESS, PYTHON, WEB_VIP, WEB_VIP6
from tests.harness.run import wait_until

# By the rate alone there would never be a cookie.
GUARD = "node:\n  connections: 20\n  guard: { syn_cookies: auto, syn_cookies_above: 10000000%s }\n"
CROWD = 400


def guarded(words=""):
    return config.full().replace("node:\n", GUARD % words, 1)


@pytest.fixture(scope="module")
def shunt(lab):
    """Queues of 16, which the kernel fixes when sockets begin to listen."""
    lab.sh("lb", "sysctl", "-q", "-w", "net.core.somaxconn=16", "net.ipv4.tcp_syncookies=2",
           "net.ipv4.tcp_timestamps=2")
    lab.shunt(guarded())
    return lab


class Crowd:
    """More connections than the node has room for: the rest waits to be accepted."""

    def __init__(self, lab, vip):
        self.process = lab.start("client", PYTHON, os.path.join(HARNESS, "waiters.py"), vip, "80", str(CROWD))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def get(lab, vip):
    host = f"[{vip}]" if ":" in vip else vip
    return lab.sh("client", "curl", "-sS", "-m", "60", "-H", "Host: a.example.com", f"http://{host}/",
                  check=False).returncode


def pressed(lab):
    return lab.status()["accept_queues_pressed"]


@pytest.mark.parametrize("vip", [WEB_VIP, WEB_VIP6])
def test_a_full_accept_queue_turns_cookies_on_and_an_empty_one_off(shunt, vip):
    shunt.reload(guarded())
    times, sent = (shunt.status()["accept_queues_pressed_times"], shunt.only("COOKIE_SENT"))
    said = shunt.log().count("wait to be accepted")
    assert pressed(shunt) == 0
    with Crowd(shunt, vip):
        wait_until(lambda: pressed(shunt) == 1, "its queue is in trouble")
        wait_until(lambda: shunt.only("COOKIE_SENT") > sent, "SYNs are answered with cookies")
        shunt.reload(guarded())
        again = shunt.only("COOKIE_SENT")
        wait_until(lambda: shunt.only("COOKIE_SENT") > again, "also after a reload")
    status = shunt.status()
    assert status["accept_queues_pressed_times"] > times
    assert shunt.log().count("wait to be accepted") > said
    wait_until(lambda: pressed(shunt) == 0, "it is over")
    assert "its accept queue has room again" in shunt.log()
    last = shunt.only("COOKIE_SENT")
    assert get(shunt, vip) == 0
    assert shunt.only("COOKIE_SENT") == last


def test_observed_it_is_counted_and_nobody_gets_a_cookie(shunt):
    shunt.reload(guarded(", mode: observe"))
    sent, seen = shunt.only("COOKIE_SENT"), shunt.only("COOKIE_SEEN")
    with Crowd(shunt, WEB_VIP):
        wait_until(lambda: shunt.only("COOKIE_SEEN") > seen, "it would have sent cookies")
    assert shunt.only("COOKIE_SENT") == sent
    wait_until(lambda: pressed(shunt) == 0, "it is over")


def test_without_auto_nobody_looks(shunt):
    shunt.reload(config.full().replace("node:\n", "node:\n  connections: 20\n", 1))
    times, sent = (shunt.status()["accept_queues_pressed_times"], shunt.only("COOKIE_SENT"))
    with Crowd(shunt, WEB_VIP):
        wait_until(lambda: shunt.sh("lb", "nstat", "-asz", "TcpExtListenOverflows").stdout.split()[-2] != "0",
                   "the queue is full")
    status = shunt.status()
    assert status["accept_queues_pressed_times"] == times
    assert shunt.only("COOKIE_SENT") == sent
