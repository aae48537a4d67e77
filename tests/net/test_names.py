"""Endpoints that are names: looked up, followed as answers change, kept when nobody answers."""
import os
import signal
import subprocess

import pytest

from tests.harness.named import Named, addresses
from tests.harness.names import AAAA, NXDOMAIN, SERVFAIL, SRV
from tests.harness.run import SHUNTD, wait_until
from tests.harness.side_by_side import SideBySide
from tests.harness.successor import PLACE, Successor

cases = SideBySide(Named)
begun = cases.fixture()


@cases.add
def test_endpoints_follow_what_a_name_stands_for(named):
    named.dns.say(named.name, "127.0.0.2", "127.0.0.3")
    named.start()
    assert named.who() == addresses(2, 3)  # from the first request on
    named.dns.say(named.name, "127.0.0.4", "127.0.0.3")
    named.becomes(addresses(3, 4))
    assert f"{named.name} has 2 addresses now: 1 have come, 1 have gone" in named.log()
    named.dns.say(named.name, "127.0.0.2", "127.0.0.2")
    named.becomes(addresses(2))
    assert named.status()["addresses"] == ["127.0.0.2"]
    before = named.log().count("is in effect")
    asked = named.status()["lookups"]
    wait_until(lambda: named.status()["lookups"] > asked + 2, "more look-ups")
    assert named.log().count("is in effect") == before  # the same answer changes nothing
    # Broken files on disk are no reason to lose sight of endpoints.
    os.unlink(named.path("page.txt"))
    with open(named.path("plain.yaml"), "w", encoding="utf-8") as out:
        out.write("vips: [")
    named.dns.say(named.name, "127.0.0.3")
    named.becomes(addresses(3))
    assert named.who("/page", 1) == {"page"}


@cases.add
def test_the_last_answer_is_kept_while_there_is_no_other(named):
    named.dns.say(named.name, "127.0.0.2")
    named.start()
    for why, break_it in (("Timeout", {"silent": True}), ("SERVFAIL", {"rcode": SERVFAIL}),
                          ("not found", {"rcode": NXDOMAIN}), ("", {"garbage": b"\x81\x80" + b"\xff" * 40})):
        for key, value in break_it.items():
            setattr(named.dns, key, value)
        wait_until(lambda: named.status()["state"] == "failing", f"it fails: {why}")
        assert named.who() == addresses(2)
        assert "what it stood for before is kept" in named.log()
        named.dns.silent, named.dns.rcode, named.dns.garbage = False, None, None
        wait_until(lambda: named.status()["state"] == "answered", "it is answered again")
    named.dns.say(named.name, "127.0.0.3")
    named.becomes(addresses(3))
    assert named.daemon.poll() is None


@cases.add
def test_what_a_name_stands_for_is_no_matter_of_the_files_tests(named):
    named.tests = f'tests: [ {{ request: "GET http://h:{named.port}/", endpoints: ["127.0.0.3:{named.endpoint}"] }} ]'
    named.beside = f', {{ address: "127.0.0.3:{named.endpoint}" }}'
    named.dns.say(named.name, "127.0.0.2")
    named.start()
    assert named.who() == addresses(2, 3)
    named.dns.say(named.name, "127.0.0.4")
    named.becomes(addresses(3, 4))


@cases.add
def test_what_changes_during_an_upgrade_is_followed_by_the_next_process(named):
    named.dns.say(named.name, "127.0.0.2", ttl=3600)  # the old one does not ask again
    named.start()
    named.dns.silent = True
    old = named.daemon
    old.send_signal(signal.SIGUSR2)
    wait_until(lambda: "is started as process" in named.log(), "the next one")
    old.send_signal(signal.SIGSTOP)  # so that the next one waits for its turn
    wait_until(lambda: f"cannot look up {named.name}" in named.log(), "it goes on without an answer")
    named.dns.say(named.name, "127.0.0.3")
    named.dns.silent = False
    wait_until(lambda: named.log().count("has 1 addresses now") == 2, "the answer")
    old.send_signal(signal.SIGCONT)
    wait_until(lambda: PLACE.search(named.log()), "its turn")
    named.daemon = Successor(int(PLACE.search(named.log())[1]))
    named.becomes(addresses(3))
    assert old.wait(60) == 0


@cases.add
def test_a_start_does_not_wait_for_ever(named):
    named.dns.silent = True
    named.start()
    assert f"no name server has said in 5000 ms what {named.name} is" in named.log() or \
        f"cannot look up {named.name}" in named.log()
    assert named.who(count=2) == {None}
    named.dns.say(named.name, "127.0.0.2")
    named.dns.silent = False
    named.becomes(addresses(2))


@cases.add
def test_a_reload_brings_new_names_when_they_are_known(named):
    named.dns.say(named.name, "127.0.0.2")
    named.dns.say("other.example.test", "127.0.0.3")
    named.start()
    named.name = "Other.Example.Test"
    with open(named.path("plain.yaml"), "w", encoding="utf-8") as out:
        out.write(named.configuration())
    seen = set()
    named.daemon.send_signal(1)
    while "127.0.0.3" not in seen:
        seen |= named.who(count=1)
    assert seen <= addresses(2, 3)  # and never nobody
    wait_until(lambda: [one for one in ("other.example.test",) if named.status(one)["state"] == "answered"], "status")


@cases.add
def test_services_say_ports_priorities_and_weights(named):
    service = "_http._tcp.example.test"
    named.dns.say(named.name, "127.0.0.2")
    for n in (2, 3, 4):
        named.dns.say(f"s{n}.example.test", f"127.0.0.{n}")

    def say(*records):
        named.dns.records[(service, SRV)] = [(1, record) for record in records]

    say((10, 30, named.endpoint, "s2.example.test"), (10, 10, named.endpoint, "s3.example.test"),
        (20, 1, named.endpoint, "s4.example.test"))
    named.start()
    count = {}
    for _ in range(40):
        who = named.who("/srv", 1).pop()
        count[who] = count.get(who, 0) + 1
    assert count == {"127.0.0.2": 30, "127.0.0.3": 10}
    say((20, 1, named.endpoint, "s4.example.test"))
    named.becomes(addresses(4), "/srv")
    say((20, 1, named.endpoint, "s4.example.test"), (20, 1, named.endpoint, "gone.example.test"))
    wait_until(lambda: ("gone.example.test", 1) in named.dns.asked, "the target that is gone was asked for")
    assert named.who("/srv") == addresses(4)
    say((0, 0, 0, "."))
    wait_until(lambda: named.status(service)["state"] == "failing", "the service is away")
    assert named.who("/srv") == addresses(4)


@cases.add
def test_families_are_as_wanted(named):
    named.dns.say(named.name, "127.0.0.2", "::1")
    named.start()
    assert named.who() == addresses(2)  # auto: IPv4 where there is some
    named.dns.say(named.name, "::1")
    named.becomes({"::1"})
    named.dns.say(named.name, "127.0.0.2", "::1")
    for family, want in (("both", {"127.0.0.2", "::1"}), ("ipv6", {"::1"}), ("ipv4", {"127.0.0.2"})):
        named.dns_more = f", family: {family}"
        with open(named.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(named.configuration())
        named.reload()
        named.becomes(want)


@cases.add
def test_a_name_repeats_no_endpoint_and_has_a_bound(named):
    named.beside = f', {{ address: "127.0.0.2:{named.endpoint}" }}'
    named.dns.say(named.name, "127.0.0.2", "127.0.0.3", "0.0.0.0", "224.0.0.1", ttl=3600)
    named.dns_more = ", ttl_most: 2s"
    named.start()
    count = [named.who(count=1).pop() for _ in range(8)]
    assert sorted(count) == ["127.0.0.2"] * 4 + ["127.0.0.3"] * 4
    named.dns.say(named.name, *[f"127.0.1.{n}" for n in range(100)], ttl=3600)
    wait_until(lambda: "has more than 64 addresses; 36 are not used" in named.log(), "the bound")
    assert len(named.status()["addresses"]) == 64


@cases.add
def test_an_answer_is_good_for_its_time(named):
    named.dns.say(named.name, "127.0.0.2", ttl=3600)
    named.start()
    first = named.status()
    assert 3590000 < first["again_ms"] <= 3600000
    assert named.dns.asked.count((named.name, AAAA)) == first["lookups"] == 1


@pytest.mark.parametrize("endpoint,why", [
    ('address: "web.example.test"', "expected an address with port such as"),
    ('address: "web.example.test:0"', "expected an address with port such as"),
    ('address: "web..example.test:80"', "expected an address with port such as"),
    ('address: "10.0.0.256:80"', "expected an address with port such as"),
    ('address: "we b:80"', "expected an address with port such as"),
    ("srv: example.test", "expected a service such as _http._tcp.example.com"),
    ('srv: _http._tcp.example.test, address: "a.test:80"', 'expected one of "address" and "srv"'),
    ("weight: 1", 'expected one of "address" and "srv" for an endpoint, found none'),
    ('address: "a.test:80", host: 10.0.0.1', "an endpoint that is behind a vtep needs an address"),
])
def test_names_that_are_none_are_told_with_their_place(tmp_path, endpoint, why):
    file = tmp_path / "x.yaml"
    file.write_text(f"upstreams:\n  a: {{ endpoints: [ {{ {endpoint} }} ] }}\n")
    got = subprocess.run([SHUNTD, "-c", file, "--check"], capture_output=True, text=True, check=False)
    assert got.returncode == 1
    assert why in got.stderr and "x.yaml:2:" in got.stderr


def test_packet_listeners_need_addresses(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("""
node: { tunnel_address: 192.0.2.1, devices: [lo] }
vips: [ { name: v, addresses: [198.51.100.1], listeners: [ { port: 80, protocol: tcp, upstream: a, forward: vxlan } ] } ]
upstreams: { a: { endpoints: [ { address: "a.test:80" } ] } }
""")
    got = subprocess.run([SHUNTD, "-c", file, "--check"], capture_output=True, text=True, check=False)
    assert got.returncode == 1
    assert "are names, which only listeners of the proxy can use" in got.stderr
