"""Whatever goes wrong in the midst of a body that the kernel carries ends as it does where a body is relayed."""
import contextlib
import os
import random
import signal
import time

import pytest

from tests.harness import config
from tests.harness.body_pair import BODY, Pair, Pump
from tests.harness.run import PATIENCE, wait_until

pytestmark = config.BOTH_HOOKS
PORT = 8009
CONFIG = f"""
node: {{ name: lab, devices: [eth0], tunnel_address: 192.0.2.10, source_addresses: [192.0.2.10] }}
vips:
  - name: web
    addresses: [203.0.113.10]
    listeners:
      - {{ port: 80, protocol: http, routes: web, timeouts: {{ drain: 60s }} }}
      - {{ port: 81, protocol: http, routes: web, timeouts: {{ body: 1s, drain: 60s }} }}
routes:
  web:
    - {{ name: relayed, match: {{ host: relayed.example.com }}, upstream: script, splice: off }}
    - {{ name: spliced, match: {{ host: spliced.example.com }}, upstream: script, splice_threshold: 32kB }}
upstreams:
  script: {{ connect_timeout: 60s, endpoints: [ {{ address: "10.0.1.2:{PORT}" }} ] }}
"""
WITHOUT = "".join(line for line in CONFIG.splitlines(True) if "port: 81," not in line)
BOTH = ("relayed.example.com", "spliced.example.com")


@pytest.fixture(scope="module")
def pair(lab):
    lab.shunt(CONFIG)
    made = Pair(lab, PORT)
    yield made
    made.stop()


GONE = ("eof", "reset")
# The log's words: whether it is an upload, and whether there is more than its receiver takes.
STALLED = {(False, False): "endpoint_stalled", (True, False): "body_timeout",
           (False, True): "client_stalled", (True, True): "body_timeout"}


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_goes_is_told_to_the_endpoint(pair, up, how):
    for host in BOTH:
        pair.begin(up, host)
        getattr(pair.client, how)()
        if not up:
            assert pair.endpoint.send_in_vain() == "refused", host
        assert pair.endpoint.rest() in GONE, host
        assert pair.end() in ("client_gone", "client_cut"), host
        pair.nothing_is_left()


def test_a_client_with_no_more_to_ask_gets_the_whole_answer(pair):
    for host in BOTH:
        sent = pair.begin(False, host)
        pair.client.half_close()
        pair.whole(False, sent)
        assert pair.client.rest() == "eof", host
        assert pair.end() == "done", host
        pair.nothing_is_left()


def test_a_client_that_ends_its_upload_too_early_is_cut_off(pair):
    for host in BOTH:
        pair.begin(True, host)
        pair.client.half_close()
        assert pair.client.rest() in GONE and not pair.client.got, host
        assert pair.endpoint.rest() in GONE, host
        assert pair.end() == "client_cut", host
        pair.nothing_is_left()


@pytest.mark.parametrize("how", ["reset", "close"])
def test_an_endpoint_that_goes_cuts_its_answer(pair, how):
    for host in BOTH:
        sent = pair.begin(False, host)
        pair.endpoint.sock.sendall(BODY[sent:sent + 9000])
        getattr(pair.endpoint, how)()
        assert pair.client.rest() in GONE, host
        assert BODY.startswith(bytes(pair.client.got)), host
        assert pair.end() == "endpoint_cut", host
        pair.nothing_is_left()


@pytest.mark.parametrize("how", ["reset", "close"])
def test_an_endpoint_that_goes_in_the_midst_of_an_upload_is_a_502(pair, how):
    for host in BOTH:
        pair.begin(True, host)
        getattr(pair.endpoint, how)()
        assert pair.client.head().startswith("HTTP/1.1 502"), host
        pair.client.half_close()
        assert pair.client.rest() in GONE, host
        assert pair.end() == "endpoint_closed", host
        pair.nothing_is_left()


@pytest.mark.parametrize("how", ["keep", "close"])
def test_an_early_answer_to_an_upload_reaches_the_client(pair, how):
    for host in BOTH:
        sent = pair.begin(True, host)
        pair.endpoint.sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
        if how == "close":
            pair.endpoint.close()
        assert pair.client.head().startswith("HTTP/1.1 413"), host
        pair.client.more(5)
        assert pair.client.got == b"large", host
        pair.client.sock.sendall(BODY[sent:sent + (1 << 16)])  # had not heard of it yet
        pair.client.half_close()
        assert pair.client.rest() in GONE, host
        if how == "keep":
            assert pair.endpoint.rest() in GONE, host
        assert pair.end() == "done", host
        pair.nothing_is_left()


def fill(end):
    """Sends until nobody takes more, or takes anything."""
    end.sock.settimeout(0.3)
    with contextlib.suppress(OSError):
        while True:
            end.sock.sendall(bytes(1 << 20))
    end.sock.settimeout(PATIENCE)


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_a_body_that_stalls_is_timed_out(pair, up):
    """Its sender has nothing to send, or its receiver does not read; all four at once, as that takes time."""
    all_four = [(Pair(pair.lab, beside=pair), host, full) for host in BOTH for full in (False, True)]
    for one, host, full in all_four:
        one.begin(up, host, port=81, size=1 << 26)
        if full:
            fill(one.client if up else one.endpoint)
    for one, host, full in all_four:
        assert wait_until(one.end, "it is timed out") == STALLED[up, full], (host, full)
        if up:
            assert one.client.head().startswith("HTTP/1.1 408"), host
            one.client.half_close()
        assert one.client.rest() in GONE, (host, full)
        assert one.endpoint.rest() in GONE, (host, full)
        one.close()
    pair.nothing_is_left()


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_what_is_reconfigured_or_killed_meanwhile_harms_no_body(pair, up):
    sent = pair.begin(up)
    pair.lab.reload(CONFIG)
    pair.lab.ctl("flows", "kill", "--all", "--admin", pair.lab.admin)
    pair.whole(up, sent)
    pair.again()
    pair.nothing_is_left()


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_a_body_outlives_its_listener(pair, up):
    sent = pair.begin(up, port=81)
    pair.lab.reload(WITHOUT)
    pair.whole(up, sent)
    assert pair.client.rest() == "eof"
    pair.lab.reload(CONFIG)
    pair.nothing_is_left()


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_a_killed_daemon_leaves_nobody_waiting(pair, up):
    pair.begin(up)
    assert pair.lab.stop(signal.SIGKILL) == -signal.SIGKILL
    assert pair.client.rest() in GONE
    assert pair.endpoint.rest() in GONE
    pair.close()
    pair.lab.shunt(CONFIG)
    pair.whole(up, pair.begin(up))
    pair.again()
    pair.nothing_is_left()


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_an_upgrade_waits_for_a_body(pair, up):
    sent = pair.begin(up)
    old = pair.lab.upgrade()
    pair.whole(up, sent)
    pair.close()
    old.wait(PATIENCE)
    pair.whole(up, pair.begin(up))
    pair.again()
    pair.nothing_is_left()


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_a_daemon_that_is_to_stop_waits_for_a_body(pair, up):
    sent = pair.begin(up)
    pair.lab.daemon.terminate()
    pair.whole(up, sent)
    assert pair.client.rest() == "eof"
    pair.close()
    assert pair.lab.daemon.wait(PATIENCE) == 0
    pair.lab.shunt(CONFIG)


@pytest.mark.parametrize("up", [False, True], ids=["down", "up"])
def test_a_daemon_that_is_to_stop_at_once_cuts_a_body(pair, up):
    pair.begin(up)
    said = len(pair.lab.log())
    pair.lab.daemon.terminate()
    wait_until(lambda: "stopping; sessions have" in pair.lab.log()[said:], "it is about to stop")
    pair.lab.daemon.terminate()
    assert pair.client.rest() in GONE
    assert pair.endpoint.rest() in GONE
    assert pair.lab.daemon.wait(PATIENCE) == 0
    pair.close()
    pair.lab.shunt(CONFIG)


def descriptors(pair):
    return len(os.listdir(f"/proc/{pair.lab.daemon.pid}/fd"))


def end_in_full_flight(pair, dice):
    """Whoever is left hears of it, and a client that was answered may say the rest; what it was."""
    up, client = dice.random() < 0.5, dice.random() < 0.5
    how, most = dice.choice(("reset", "close")), dice.randrange(1 << dice.randrange(1, 25))
    what = f"{'up' if up else 'down'}, {'client' if client else 'endpoint'}, {how} after {most} bytes"
    pair.begin(up, size=1 << 30)
    pumps = Pump(pair.client, up), Pump(pair.endpoint, not up)
    wait_until(lambda: pumps[up].moved > most, f"it flows: {what}")
    pumps[not client].halt()
    getattr(pair.client if client else pair.endpoint, how)()
    left = pumps[client]
    if up and not client:
        hears = Pump(pair.client, False)
        wait_until(lambda: hears.first or left.how, f"the client is answered: {what}")
        assert not hears.first or hears.first.startswith(b"HTTP/1.1 502"), what
        hears.halt()
    else:
        wait_until(lambda: left.how, f"the other end hears of it: {what}")
    left.halt()
    pair.close()


def test_ends_at_any_moment_are_heard_of_and_leave_nothing(pair):
    seed = int(os.environ.get("SHUNT_BODY_SEED", time.time_ns() % 1000000))
    dice = random.Random(seed)
    print("seed", seed)
    before = descriptors(pair)
    for _ in range(int(os.environ.get("SHUNT_BODY_ENDS", "12"))):
        end_in_full_flight(pair, dice)
    pair.nothing_is_left()
    wait_until(lambda: descriptors(pair) <= before, "descriptors are as before")
