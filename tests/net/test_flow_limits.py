"""Full splices that are cut or outlive their time, and the line that tells how each ended."""
import json
import os
import signal
import subprocess
import time

import pytest

from tests.harness import config
from tests.harness.lab import PYTHON
from tests.harness.run import BUILD, run, wait_until

pytestmark = config.BOTH_HOOKS
STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
V4, V6 = "203.0.113.11", "2001:db8:53::11"
# Bytes both ways without a pause, until it is cut; says then what happened to it, and on which port it was.
BUSY = r"""
import socket, sys, threading
s = socket.create_connection((sys.argv[1], 7000), timeout=90)
s.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
while b"streaming" not in s.recv(999): pass
print(s.getsockname()[1], flush=True)
ends = []
def pour():
    while sys.argv[2] == "busy": s.sendall(b"x" * 9000)
def take():
    while s.recv(65536): pass
    ends.append("eof")
def until_the_end(what):
    try: what()
    except ConnectionResetError: ends.append("reset")  # only one of both is told
    except OSError as error: ends.append(str(error))
threads = [threading.Thread(target=until_the_end, args=[what]) for what in (pour, take)]
for t in threads: t.start()
for t in threads: t.join()
print("reset" if "reset" in ends else ends)
"""


def client(lab, vip, how="idle"):
    """One whose connection the kernel has, and its port."""
    before = lab.status()["splices"]["active"]
    made = lab.start("client", PYTHON, "-c", BUSY, vip, how, stdout=subprocess.PIPE, text=True)
    made.port = int(made.stdout.readline())
    wait_until(lambda: lab.status()["splices"]["active"] == before + 1 and lab.status()["sessions"] == 0,
               "its splice, and its sockets gone")
    return made


def kill(lab, *words, check=True):
    return lab.ctl("flows", "kill", *words, "--admin", lab.admin, check=check)


def ends(lab):
    return [line for line in lab.access_log() if line["splice"] == "ended"]


def the_end(lab, port):
    """The line of the splice whose client had that port."""
    return wait_until(lambda: [x for x in ends(lab) if x["client"].endswith(f":{port}")], "its line")[-1]


def gone_at_the_endpoint(lab, source):
    wait_until(lambda: f":{source} " not in lab.sh("web_a", "ss", "-tan").stdout + " ", "the endpoint heard of it")


def source_of(lab, port):
    return [f["port"] for f in lab.flows() if f["client"].endswith(f":{port}") and f["state"] == "spliced"][0]


@pytest.mark.parametrize("vip,how", [(V4, "idle"), (V6, "idle"), (V4, "busy"), (V6, "busy")])
def test_one_client_is_cut_at_once_at_both_ends_and_no_other(shunt, vip, how):
    one, other = client(shunt, vip, how), client(shunt, vip)
    source, other_source = source_of(shunt, one.port), source_of(shunt, other.port)
    name = f"[2001:db8:1::2]:{one.port}" if vip == V6 else f"198.51.100.2:{one.port}"
    assert kill(shunt, name).stdout == "1 cut, 0 as soon as the kernel alone has them\n"
    assert one.stdout.read() == "reset\n"
    gone_at_the_endpoint(shunt, source)
    assert f":{other_source} " in shunt.sh("web_a", "ss", "-tan").stdout
    line = the_end(shunt, one.port)
    assert (line["end"], line["closed_by"], line["upstream"]) == ("killed", "shunt", "odd6" if vip == V6 else "odd")
    assert (line["port"], line["protocol"]) == (7000, "tcp-proxy") and "error" in line
    assert line["splice_us"] > 0 and (how == "idle" or line["bytes_in"] > 0)
    assert kill(shunt, name).stdout.startswith("0 cut")  # it is not there any more
    assert kill(shunt, "--upstream", "odd6" if vip == V6 else "odd").stdout.startswith("1 cut")
    assert other.stdout.read() == "reset\n"


def test_all_of_an_address_an_upstream_or_the_node_are_cut(shunt):
    many = [client(shunt, V4), client(shunt, V4), client(shunt, V6)]
    assert kill(shunt, "198.51.100.3").stdout.startswith("0 cut")
    assert kill(shunt, "--upstream", "nobody").stdout.startswith("0 cut")
    assert json.loads(kill(shunt, "198.51.100.2", "--json").stdout) == {"cut": 2, "later": 0}
    assert kill(shunt, "--all").stdout.startswith("1 cut")
    assert [c.stdout.read() for c in many] == ["reset\n"] * 3
    assert shunt.status()["splices"]["active"] == 0


@pytest.mark.parametrize("words,sentence", [
    ([], "which? One of CLIENT, --upstream NAME and --all"),
    (["198.51.100.2", "--all"], "which? One of CLIENT, --upstream NAME and --all"),
    (["198.51.100.2:x"], '"198.51.100.2:x" is no client; it is an address with or without a port, such as '
     "198.51.100.7:4000 or [2001:db8::7]:4000"),
    (["--upstream", "a b"], "the name of an upstream has 1 to 255 bytes and no blanks"),
])
def test_what_is_to_be_cut_must_be_clear(shunt, words, sentence):
    got = kill(shunt, *words, check=False)
    assert (got.returncode, got.stderr) == (1, f"shuntctl flows kill: {sentence}\n")


def test_a_target_that_is_no_choice_cuts_nothing(shunt):
    one = client(shunt, V4)
    for query in ("", "?al", "?client=", "?client=nobody", "?upstream=", "?all&client=198.51.100.2"):
        got = run("curl", "-sS", "--unix-socket", shunt.admin, "-X", "POST", f"http://x/flows/kill{query}")
        assert "error" in json.loads(got.stdout), query
    assert shunt.status()["splices"]["active"] == 1
    kill(shunt, "--all")
    assert one.stdout.read() == "reset\n"


@pytest.mark.parametrize("words,what", [(["--all"], "--all"), (["--upstream", "odd"], "--upstream")])
def test_a_choice_without_kill_is_a_mistake(shunt, words, what):
    got = shunt.ctl("flows", *words, "--pin-dir", shunt.pins, check=False)
    assert (got.returncode, got.stdout) == (2, "")
    assert got.stderr == (f'shuntctl flows: {what} says what is to be cut, and goes with "flows kill"; '
                          '"flows" alone shows all\n')


@pytest.mark.parametrize("vip", [V4, V6])
def test_the_end_of_a_splice_has_its_line_with_bytes_and_who_closed(shunt, vip):
    talk = shunt.talk(vip, 7000, 1, STREAM)
    wait_until(lambda: shunt.status()["splices"]["active"] == 1, "its splice")
    port = [f for f in shunt.flows() if f["state"] == "spliced"][0]["client"].rsplit(":", 1)[1]
    talk.goes_on()
    assert talk.end()["bad"] == 0
    line = the_end(shunt, port)
    assert (line["end"], line["closed_by"]) == ("done", "client") and "error" not in line
    flow = [f for f in shunt.flows() if f["client"].endswith(f":{port}")][0]
    assert (flow["state"], flow["bytes_in"], flow["bytes_out"]) == ("closed", line["bytes_in"], line["bytes_out"])
    assert line["bytes_in"] > 0 < line["bytes_out"]
    own = [x for x in shunt.access_log() if x["splice"] == "full" and x["session"] == line["session"]]
    assert [x["client"] for x in own] == [line["client"]]


def test_the_line_of_a_splice_outlives_the_daemon_that_began_it(shunt):
    talk = shunt.talk(V4, 7000, 1, STREAM)
    wait_until(lambda: shunt.status()["splices"]["active"] == 1, "its splice")
    port = [f for f in shunt.flows() if f["state"] == "spliced"][0]["client"].rsplit(":", 1)[1]
    session = [x["session"] for x in shunt.access_log() if x["client"].endswith(f":{port}")]
    shunt.stop(signal.SIGKILL)
    shunt.shunt(config.full())
    talk.goes_on()
    assert talk.end()["bad"] == 0
    line = the_end(shunt, port)
    assert line["end"] == "done" and [line["session"]] == session


@pytest.mark.parametrize("vip", [V4, V6])
def test_a_busy_splice_ends_when_its_time_is_over(shunt, vip):
    """However busy: a splice that was never idle for its idle time has ended by the total one."""
    shunt.reload(config.full(tunnel="60s, tunnel_total: 3s"))
    before = shunt.status()["splices"]["expired"]
    one = client(shunt, vip, "busy")
    assert one.stdout.read() == "reset\n"
    line = the_end(shunt, one.port)
    assert (line["end"], line["closed_by"]) == ("tunnel_old", "shunt")
    assert line["splice_us"] >= 2_000_000 and line["bytes_in"] > 0
    assert shunt.status()["splices"]["expired"] == before + 1
    shunt.reload(config.full())


def test_a_relayed_tunnel_ends_when_its_time_is_over(shunt):
    shunt.reload(config.full(tunnel="60s, tunnel_total: 2s").replace("odd, timeouts", "odd, splice: off, timeouts"))
    made = shunt.start("client", PYTHON, "-c", BUSY, V4, "busy", stdout=subprocess.PIPE, text=True)
    port = made.stdout.readline().strip()
    assert made.stdout.read() == "reset\n"
    line = wait_until(lambda: [x for x in shunt.access_log() if x["client"].endswith(f":{port}")], "its line")[0]
    assert (line["end"], line["splice"]) == ("tunnel_old", "none")
    shunt.reload(config.full())


def test_nothing_is_cut_where_nobody_answers(shunt):
    got = run(os.path.join(BUILD, "shuntctl"), "flows", "kill", "--all", "--admin", "/nowhere/x", check=False)
    assert got.returncode == 1 and "no shuntd answers at /nowhere/x" in got.stderr


RATE, AT_ONCE = 400 << 10, (200 << 10) + 65536  # half a second, and a super-packet


@pytest.mark.parametrize("key,vip", [("splice_rate", V4), ("splice_rate_per_source", V6)])
def test_splices_that_share_a_rate_are_paced_to_it(shunt, key, vip):
    """By what went and how long that took; being slower is no mistake."""
    odd = "odd6" if vip == V6 else "odd"
    shunt.reload(config.full().replace(f"upstream: {odd}, timeouts", f"upstream: {odd}, {key}: 400kB, timeouts"))
    dropped = shunt.only("SPLICE_RATE")
    busy = [client(shunt, vip, "busy") for _ in range(2)]
    wait_until(lambda: sum(f["bytes_in"] for f in shunt.flows() if f["state"] == "spliced") > 2 * RATE, "some bytes")
    assert kill(shunt, "--all").stdout.startswith("2 cut")
    assert [c.stdout.read() for c in busy] == ["reset\n"] * 2
    lines = [the_end(shunt, c.port) for c in busy]
    seconds = max(line["splice_us"] for line in lines) / 1e6
    for way in ("bytes_in", "bytes_out"):
        assert sum(line[way] for line in lines) <= RATE * seconds + AT_ONCE
    assert shunt.only("SPLICE_RATE") > dropped
    shunt.reload(config.full())


# Takes what comes, and says four times a second by when how much that was.
TAKE = r"""
import socket, sys, time
s = socket.create_connection((sys.argv[1], 7000), timeout=90)
s.sendall(b"GET /big/90000000 HTTP/1.1\r\nHost: x\r\n\r\n")
got, told = 0, time.monotonic()
while True:
    data = s.recv(65536)
    got += len(data)
    now = time.monotonic()
    if not data or now > told + 0.25:
        told = now
        print(now, got, flush=True)
    if not data: break
"""


class Taker:
    def __init__(self, lab):
        before = lab.status()["splices"]["active"]
        self.process = lab.start("client", PYTHON, "-c", TAKE, V4, stdout=subprocess.PIPE, text=True)
        self.marks = []
        wait_until(lambda: lab.status()["splices"]["active"] == before + 1, "its splice")
        self.since = time.monotonic() + 1  # by then it has sent what it may at once

    def share(self):
        """Of the rate, in the last 2 seconds; 0 before there were as many."""
        when, got = self.process.stdout.readline().split()
        self.marks.append((float(when), int(got)))
        first = max((m for m in self.marks if self.since <= m[0] <= float(when) - 2), default=None)
        return (int(got) - first[1]) / (float(when) - first[0]) / ALONE if first else 0


def gets(takers, least, whole):
    """Whether they get so much of the whole rate together, and least of it each."""
    shares = [taker.share() for taker in takers]
    return min(shares) >= least and sum(shares) >= whole


ALONE = 1 << 20


def test_a_rate_is_used_up_by_one_connection_and_shared_by_two(shunt):
    """That it comes to be so, not when; that it is never more, the counters and clocks say."""
    shunt.reload(config.full().replace("upstream: odd, timeouts", "upstream: odd, splice_rate: 1MB, timeouts"))
    takers = [Taker(shunt)]
    wait_until(lambda: gets(takers, 0.85, 0.85), "the rate, by one")
    takers.append(Taker(shunt))
    wait_until(lambda: gets(takers, 0.05, 0.85), "the rate, by two")
    for flow in shunt.flows():
        assert flow["state"] != "spliced" or (flow["rate"], "rate_per_source" in flow) == (ALONE, False)
    assert sum(f.get("over_rate_out", 0) for f in shunt.flows()) > 0
    assert "  at most 1048576 B/s together  " in shunt.ctl("flows", "--pin-dir", shunt.pins).stdout
    kill(shunt, "--all")
    lines = wait_until(lambda: ends(shunt)[-2:], "their lines")
    seconds = max(line["splice_us"] for line in lines) / 1e6
    assert sum(line["bytes_out"] for line in lines) <= ALONE * (seconds + 0.5) + 65536
    shunt.reload(config.full())


def test_bodies_keep_to_the_rate_of_their_route(shunt):
    """As a lower limit of time: so many bytes were not relayed, and half a second of them came at once."""
    route = "name: big, match: { path: /big/* }, upstream: odd"
    shunt.reload(config.full().replace(route, f"{route}, splice_threshold: 64kB, splice_rate: 2MB"))
    dropped = shunt.only("SPLICE_RATE")
    url, none, seconds = "http://203.0.113.10/big/6000000", ["-o", "/dev/null"], 0.0

    def spliced():
        return sum(x.get("bytes_spliced", 0) for x in shunt.access_log() if x.get("path") == "/big/6000000")

    while spliced() < 4 << 20 and seconds < 60:  # one that comes at once is relayed
        got = shunt.curl(url, *none, url, *none, "-w", "%{size_download} %{time_total}\n").stdout.split()
        assert got[::2] == ["6000000"] * 2
        seconds += sum(float(x) for x in got[1::2])
        wait_until(lambda: shunt.status()["sessions"] == 0, "their lines")
    assert 4 << 20 <= spliced() <= (2 << 20) * (seconds + 0.5) + 65536
    assert shunt.only("SPLICE_RATE") > dropped
    shunt.reload(config.full())
