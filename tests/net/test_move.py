"""Spliced connections move from one node to another, with their vip and their source address. By XDP here; by both hooks,
and into tunnels, in test_vpc_proxy.py."""
import json
import os
import signal
import subprocess

import pytest

from tests.harness import config
from tests.harness.endless import Endless
from tests.harness.lab import PYTHON, WEB_VIP, wait_until
from tests.harness.moving import alive, flows, move, said, wait_spliced, without_bbr

STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
WEBSOCKET = (r"GET /ws HTTP/1.1\r\nHost: x.example.com\r\nUpgrade: websocket\r\n"
             r"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             r"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
V4, V6 = "203.0.113.11", "2001:db8:53::11"
# The first node's; routed with the vips, so that whoever has these gets the endpoints' answers too.
SOURCES = ("203.0.113.201", "2001:db8:53::201")


BODIES = '- { name: body, match: { path: "/pattern/*" }, upstream: odd, splice_threshold: 32kB }'


def rated(**more):
    """The stream listener of IPv4 has a rate far above what runs."""
    return config.full(extra_routes=BODIES, **more).replace("upstream: odd, timeouts", "upstream: odd, splice_rate: 3GB, timeouts")


def first():
    return rated().replace('source_addresses: [192.0.2.10, "2001:db8:2::10"]',
                        f'source_addresses: [{SOURCES[0]}, "{SOURCES[1]}"]')


def second():
    return rated(node=config.SECOND).replace(
        "  source_addresses:", f'  guest_addresses: [{SOURCES[0]}, "{SOURCES[1]}"]\n  source_addresses:')


@pytest.fixture(scope="module")
def both(lab):
    without_bbr(lab, "client", "web_a")
    lab.ip("lb", "addr", "add", f"{SOURCES[0]}/32", "dev", "lo")
    lab.ip("lb", "addr", "add", f"{SOURCES[1]}/128", "dev", "lo", "nodad")
    lab.nodes["lb"].shunt(first())
    lab.nodes["lb2"].shunt(second())
    return lab


@pytest.fixture
def at_first(both):
    """Every test begins with the vips there and no splice that lives."""
    both.route_vips("lb")
    yield both
    for node in both.nodes.values():
        flows(node, "forget")
        flows(node, "kill", "--all")


def assert_carried(lab):
    """What the second node wrote is what the first one had written, but for what has happened since."""
    one, other = ({flow["client"]: flow for flow in map(json.loads, lines[1:])} for lines in (
        open(os.path.join(lab.dir, f"{node}.flows"), encoding="utf-8").read().splitlines() for node in ("lb", "lb2")))
    assert one.keys() == other.keys() and sum("rate" in flow for flow in one.values()) == 10
    for client, flow in one.items():
        later = other[client]
        assert 0 < later.pop("age_ms") - flow.pop("age_ms") < 900_000
        for way in ("from_client", "from_endpoint"):
            before, after = flow[way], later[way]
            for name in ("packets", "bytes"):
                assert after.pop(name) > before.pop(name)
            for name in ("max_seq", "max_ack", "drain"):
                assert (after.pop(name) - before.pop(name)) % 2**32 < 2**31
            before.pop("window"), after.pop("window")
        flow.get("rate", {}).pop("over_client", 0), later.get("rate", {}).pop("over_client", 0)
        flow.get("rate", {}).pop("over_endpoint", 0), later.get("rate", {}).pop("over_endpoint", 0)
        assert flow == later


def test_connections_move_to_another_node_and_back_and_lose_no_byte(at_first):
    lab, one, other = at_first, at_first.nodes["lb"], at_first.nodes["lb2"]
    talks = [lab.talk(V4, 7000, 10, STREAM), lab.talk(V6, 7000, 5, STREAM), lab.talk(WEB_VIP, 80, 5, WEBSOCKET),
             lab.talk(WEB_VIP, 80, 5, STREAM)]
    wait_spliced(one, 25)
    before = {f["client"]: f for f in alive(one)}
    move(lab, "lb", "lb2", 25)
    for talk in talks:
        talk.goes_on()
    after = {f["client"]: f for f in alive(other)}
    for client, was in before.items():
        now = after[client]
        assert all(now[key] == was[key] for key in ("vip", "source", "endpoint", "upstream", "port")), (was, now)
        assert now["bytes_in"] > was["bytes_in"] and now["age_s"] >= was["age_s"]
    assert {f["state"] for f in alive(one)} == {"moved"}
    assert said(one, "forget")["flows"] == 25
    assert not alive(one)
    move(lab, "lb2", "lb", 25)
    for talk in talks:
        talk.goes_on()
    assert said(other, "forget")["flows"] == 25
    assert not other.flows()
    assert_carried(lab)
    for talk in talks:
        assert talk.end()["bad"] == 0
    wait_until(lambda: not alive(one), "all have ended")
    assert one.status()["splices"]["imported"] == 25 and one.status()["splices"]["exported"] == 25


def test_streams_in_full_flow_move_and_every_byte_arrives(at_first):
    """What is under way is lost at the first node and comes again by the second one."""
    lab, one, other = at_first, at_first.nodes["lb"], at_first.nodes["lb2"]
    pour = Endless(lab, V4, 7000, 3, STREAM)
    wait_spliced(one, 3)
    pour.goes_on()
    move(lab, "lb", "lb2", 3, ("--vip", V4))
    pour.goes_on()
    assert said(one, "forget", "--vip", V4)["flows"] == 3
    assert pour.end() == {"ok": 3, "bad": []}
    wait_until(lambda: not alive(other), "all have ended")


def test_what_was_exported_stands_still_until_it_is_resumed(at_first):
    lab, one = at_first, at_first.nodes["lb"]
    file = os.path.join(lab.dir, "undo.flows")
    talk = lab.talk(V4, 7000, 3, STREAM)
    wait_spliced(one, 3)
    folder = os.path.join(lab.dir, "folder")
    os.mkdir(folder)
    failed = flows(one, "export", folder, check=False)
    assert failed.returncode == 1 and failed.stderr.endswith("the flows go on here: Is a directory\n"), failed
    talk.goes_on()
    assert said(one, "export", "--vip", f"{V4}:7000", file)["flows"] == 3
    dropped = one.only("SPLICE_MOVED")
    wait_until(lambda: one.only("SPLICE_MOVED") > dropped, "they send again")
    written = open(file, encoding="utf-8").read()
    assert all(f["packets_in"] == json.loads(line)["from_client"]["packets"]
               for f, line in zip(alive(one), written.splitlines()[1:]))
    again = flows(one, "export", file, check=False)
    assert again.returncode == 1 and again.stderr == (
        'shuntctl flows export: 3 of them were exported before: "flows forget" where the other node has them, '
        '"flows resume" where none has\n')
    assert open(file, encoding="utf-8").read() == written and not os.path.exists(file + ".new")
    here = flows(one, "import", file, check=False)
    assert here.returncode == 1 and {r["why"] for r in json.loads(here.stdout)["refused"]} == {
        "a splice with one of its ends is here already"}
    assert said(one, "resume", "--vip", V6)["flows"] == 0
    assert said(one, "resume")["flows"] == 3
    talk.goes_on()
    assert talk.end()["bad"] == 0


def test_what_handovers_have_drained_follows_what_was_acknowledged_since(at_first):
    """Else it falls 2^31 behind one day, and looks like bytes that an end may acknowledge."""
    talk = at_first.talk(V4, 7000, 1, STREAM)
    wait_spliced(at_first.nodes["lb"], 1)
    file = os.path.join(at_first.dir, "drain.flows")

    def drains():
        assert said(at_first.nodes["lb"], "export", file)["flows"] == said(at_first.nodes["lb"], "resume")["flows"] == 1
        flow = json.loads(open(file, encoding="utf-8").read().splitlines()[1])
        return [flow[way]["drain"] for way in ("from_client", "from_endpoint")]
    before = drains()
    wait_until(lambda: all(0 < (now - was) % 2**32 < 2**31 for was, now in zip(before, drains())), "both follow")
    talk.goes_on()
    assert talk.end()["bad"] == 0


def test_a_session_whose_bodies_go_past_its_sockets_stays_and_goes_on(at_first):
    code = ("import http.client, sys\n"
            f"c = http.client.HTTPConnection('{WEB_VIP}', timeout=90)\n"
            "for line in sys.stdin:\n"
            "    c.request('GET', '/pattern/1/4000000')\n"
            "    print(len(c.getresponse().read()), flush=True)")
    client = at_first.start("client", PYTHON, "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def asks():
        client.stdin.write("\n")
        client.stdin.flush()
        assert client.stdout.readline() == "4000000\n"
        return at_first.status()["stats"]["bodies_spliced"]
    wait_until(asks, "a body that is spliced")
    file = os.path.join(at_first.dir, "none.flows")
    got = said(at_first.nodes["lb"], "export", "--vip", WEB_VIP, file)
    assert (got["flows"], got["bodies"], got["sockets"]) == (0, 1, 0)
    assert len(open(file, encoding="utf-8").read().splitlines()) == 1
    asks()
    client.stdin.close()


def test_daemons_that_die_keep_what_was_exported_and_what_was_imported(at_first):
    lab, one, other = at_first, at_first.nodes["lb"], at_first.nodes["lb2"]
    talk = lab.talk(V4, 7000, 4, STREAM)
    wait_spliced(one, 4)
    move(lab, "lb", "lb2", 4)
    talk.goes_on()
    for node, text in ((one, first()), (other, second())):
        node.stop(signal.SIGKILL)
        node.shunt(text)
    assert [f["state"] for f in alive(one)] == ["moved"] * 4
    talk.goes_on()
    assert other.status()["splices"]["adopted"] >= 4 and one.status()["splices"]["moved"] == 4
    assert said(one, "forget")["flows"] == 4
    # Cut by a node that has their source address on no device: both ends hear of it all the same.
    ports = [f["port"] for f in alive(other)]
    assert said(other, "kill", "--all") == {"cut": 4, "later": 0}
    assert talk.end()["bad"] == 4
    wait_until(lambda: not any(f":{port} " in lab.sh("web_a", "ss", "-tanH").stdout + " " for port in ports),
               "the endpoint heard of it")
    assert not alive(other)


@pytest.fixture(scope="module")
def exported(both):
    """A file of one flow, which has ended."""
    both.route_vips("lb")
    talk = both.talk(V4, 7000, 1, STREAM)
    wait_spliced(both.nodes["lb"], 1)
    file = os.path.join(both.dir, "one.flows")
    assert said(both.nodes["lb"], "export", file)["flows"] == 1
    said(both.nodes["lb"], "resume")
    assert talk.end()["bad"] == 0
    return open(file, encoding="utf-8").read()


WRONG = {
    "nothing": (lambda text: "", "line 1: the file ends before the end of the line"),
    "no JSON": (lambda text: "flows\n", "line 1: expected one JSON object, JSON breaks at byte 5"),
    "another format": (lambda text: text.replace('"shunt_flows":1', '"shunt_flows":9'),
                       'line 1: "shunt_flows": expected a whole number from 1 to 1, found 9'),
    "cut off": (lambda text: text[:-9], "line 2: the file ends before the end of the line"),
    "a flow too few": (lambda text: text.replace('"flows":1', '"flows":2'),
                       "line 2: the head says 2 flows, and the file ends after 1"),
    "an unknown field": (lambda text: text.replace('"session"', '"sesion"'), 'line 2: unknown field "sesion"'),
    "a number too large": (lambda text: text.replace('"fin":0', '"fin":3'),
                           'line 2: "from_client.fin": expected a whole number from 0 to 2, found 3'),
    "a host name": (lambda text: text.replace("198.51.100.2:", "client:"),
                    'line 2: "client": expected an address with a port such as 192.0.2.1:80 or [2001:db8::1]:80, '
                    'found "client:'),
    "two families": (lambda text: text.replace("10.0.1.2:8001", "[2001:db8:a::2]:8001"),
                     'line 2: "client", "vip", "source" and "endpoint" are not of one family'),
    "a second flow that is wrong": (
        lambda text: text.replace('"flows":1', '"flows":2') + text.splitlines()[1].replace("true", "1") + "\n",
        'line 3: "timestamps": expected true or false, found 1'),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_is_wrong_is_told_in_one_sentence_and_nothing_is_imported(both, exported, what):
    other = both.nodes["lb2"]
    change, sentence = WRONG[what]
    file = both.file("wrong.flows", change(exported))
    before = other.status()["splices"]["imported"]
    got = flows(other, "import", file, check=False)
    assert got.returncode == 1 and got.stdout == "" and got.stderr.count("\n") == 1
    assert got.stderr.startswith(f"shuntctl flows import: {file}: {sentence}"), got.stderr
    assert other.status()["splices"]["imported"] == before and not alive(other)


def test_flows_that_have_no_place_here_are_told_line_by_line_and_the_others_are_taken(both, exported):
    other = both.nodes["lb2"]
    head, line = exported.splitlines()
    flow = json.loads(line)
    changed = [{"vip": "203.0.113.99:7000"}, {"source": "203.0.113.250:20001"}, {"source": "192.0.4.10:80"},
               {}, {}, {"client": "198.51.100.2:9"}]
    text = "".join(json.dumps(flow | one) + "\n" for one in changed)
    file = both.file("some.flows", head.replace('"flows":1', f'"flows":{len(changed)}') + "\n" + text)
    got = flows(other, "import", file, check=False)
    answer = json.loads(got.stdout)
    assert got.returncode == 1 and answer["flows"] == 1
    assert [(r["line"], r["why"]) for r in answer["refused"]] == [
        (2, "the vip's address belongs to no listener here that splices"),
        (3, "the source is neither this node's nor one of its guest_addresses"),
        (4, "the source's port is used here already, or is none of splice_ports"),
        (6, "a splice with one of its ends is here already"),
        (7, "a splice with one of its ends is here already")]
    # An import that was a mistake is taken back without a word to the ends.
    assert said(other, "export", "--vip", V4, file)["flows"] == 1
    assert said(other, "forget")["flows"] == 1
    assert not alive(other)


def test_old_files_and_other_mistakes_of_the_operator(both, exported):
    one = both.nodes["lb2"]
    when = json.loads(exported.splitlines()[0])["time_ms"]
    file = both.file("old.flows", exported.replace(str(when), str(when - 3600_000)))
    assert flows(one, "import", file, check=False).stderr == (
        "shuntctl flows import: the file is more than 15 minutes old, or the nodes' clocks differ by that much; "
        "such flows have ended by now: export them again\n")
    assert flows(one, "import", "/nowhere", check=False).stderr == (
        "shuntctl flows import: cannot read /nowhere: No such file or directory\n")
    assert "is no file of at most" in flows(one, "import", both.dir, check=False).stderr
    assert flows(one, "export", "--vip", "web", file, check=False).stderr.startswith(
        'shuntctl flows export: "web" is no vip; it is an address')
    assert "cannot write /nowhere/x.new" in flows(one, "export", "/nowhere/x", check=False).stderr
    for words in (("import",), ("export",), ("forget", file)):
        assert flows(one, *words, check=False).returncode == 2


def test_one_that_only_lingers_makes_room_for_its_successor(both, exported):
    one = both.nodes["lb"]
    file = both.file("again.flows", exported)
    client = json.loads(exported.splitlines()[1])["client"]
    assert said(one, "import", file)["flows"] == 1
    assert [f["state"] for f in one.flows() if f["client"] == client] == ["spliced"]
    assert said(one, "export", file)["flows"] == 1 and said(one, "forget")["flows"] == 1
