"""Name servers that say what is wrong, too much, or harmful: the last good answer serves on, and the log says why.

One shuntd has a name for each row; all of them go bad at once, and in the end are good again.
"""
import struct

import pytest

from tests.harness.named import Named, addresses
from tests.harness.names import A, CNAME, SRV, NameServer, wire_name
from tests.harness.run import wait_until

WRONG = b"\x7f\0\0\x04"  # a server listens there, so that who believes it is seen
OWN = b"\xc0\x0c"        # the name that was asked for
UNFIT = ["0.0.0.0", "0.0.0.7", "224.0.0.1", "255.255.255.255", "240.0.0.1"]
MANY = [f"127.7.{n // 250}.{n % 250 + 1}" for n in range(1000)]


def message(query, *records, number=None, question=None):
    """An answer; records: (name as bytes, type, data)."""
    out = (number or query[:2]) + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
    out += question or NameServer.question(query)
    for name, kind, data in records:
        out += name + struct.pack("!HHIH", kind, 1, 1, len(data)) + data
    return out


def other(query):
    return bytes([query[0] ^ 0xff, query[1]])


def to_itself(query):
    """A pointer, as the name of the first record."""
    return b"\xc0" + bytes([12 + len(NameServer.question(query))])


# Replies that nobody can believe.
REPLIES = {
    "loop": lambda q: [message(q, (OWN, CNAME, wire_name("b.test")), (wire_name("b.test"), CNAME, OWN))],
    "alias-of-itself": lambda q: [message(q, (OWN, CNAME, OWN))],
    "alias-of-nobody": lambda q: [message(q, (OWN, CNAME, wire_name("b.test")))],
    "pointer-to-itself": lambda q: [message(q, (to_itself(q), A, WRONG))],
    "too-short": lambda q: [message(q, (OWN, A, b"\x7f\0\0"))],
    "too-long": lambda q: [message(q, (OWN, A, WRONG + b"\x04"))],
    "of-another-name": lambda q: [message(q, (wire_name("x.test"), A, WRONG))],
    "wrong-id": lambda q: [message(q, (OWN, A, WRONG), number=other(q))] * 3,
    "wrong-question": lambda q: [message(q, (OWN, A, WRONG), question=wire_name("x.test") + b"\0\1\0\1")],
    "wrong-count": lambda q: [message(q)[:6] + b"\xff\xff" + message(q)[8:]],
    "head-alone": lambda q: [message(q)[:12]],
    "one-byte": lambda q: [q[:1]],
}
# Services that lead nowhere: priority, weight, port, target.
NOWHERE = {
    "port-0": [(0, 0, 0, "good.test")],
    "no-service": [(0, 0, 80, ".")],
    "target-gone": [(0, 0, 80, "gone.test")],
}
KEPT = [f"{row}.host.test" for row in [*REPLIES, "unfit"]] + [f"_{row}._tcp.test" for row in NOWHERE]
# What is believed, though not all of it.
MORE = ["forged.host.test", "some-unfit.host.test", "many.host.test", "zero.host.test", "bit.host.test",
        "all-bits.host.test", "long.host.test", "_many._tcp.test"]
NAMES = KEPT + MORE


class Hostile(Named):
    def configuration(self):
        path = {name: name.replace("_", "").replace(".", "-") for name in NAMES}
        routes = "".join(f"    - {{ name: {path[n]}, match: {{ path: /{path[n]} }}, upstream: {path[n]} }}\n" for n in NAMES)
        ends = {n: f"srv: {n}" if n[0] == "_" else f'address: "{n}:{self.endpoint}"' for n in NAMES}
        upstreams = "".join(f"  {path[n]}: {{ endpoints: [ {{ {ends[n]} }} ] }}\n" for n in NAMES)
        return (f'vips: [ {{ name: web, addresses: [127.0.0.1], listeners: [ {{ port: {self.port}, protocol: http, '
                f'routes: all }} ] }} ]\nnode: {{ tunnel_address: 127.0.0.1 }}\n'
                f'dns: {{ servers: ["127.0.0.1:{self.dns.port}"], timeout: 300ms, hold: 0s }}\n'
                f"routes:\n  all:\n{routes}upstreams:\n{upstreams}")

    def good(self):
        self.dns.reply = {}
        for name in NAMES:
            self.dns.say(name, "127.0.0.2")
            self.dns.records[(name, SRV)] = [(1, (1, 1, self.endpoint, "good.test"))]
        self.dns.say("good.test", "127.0.0.2")

    def bad(self):
        self.dns.say("unfit.host.test", *UNFIT)
        self.dns.say("some-unfit.host.test", "127.0.0.3", *UNFIT)
        self.dns.say("many.host.test", *MANY)
        for row, ttl in (("zero", 0), ("bit", 1 << 31), ("all-bits", (1 << 32) - 1), ("long", (1 << 31) - 1)):
            self.dns.say(f"{row}.host.test", "127.0.0.3", ttl=ttl)
        for row, records in NOWHERE.items():
            self.dns.records[(f"_{row}._tcp.test", SRV)] = [(1, record) for record in records]
        self.dns.records[("_many._tcp.test", SRV)] = [(1, (2, 1, 1000 + n, "good.test")) for n in range(100)] + \
            [(1, (1, 0, self.endpoint, "good.test")), (1, (1, 0, 0, "good.test")), (1, (1, 0, 9, "."))]
        self.dns.reply = {f"{row}.host.test": reply for row, reply in REPLIES.items()}
        self.dns.reply["forged.host.test"] = lambda q: [message(q, (OWN, A, WRONG), number=other(q)), self.dns.answer(q)]

    def asked(self, name, count=1):
        return self.who("/" + name.replace("_", "").replace(".", "-"), count)

    def logs(self, text):
        wait_until(lambda: text in self.log(), f"{text} in the log: {self.log()}")


@pytest.fixture(name="named", scope="module")
def fixture_named():
    named = Hostile()
    try:
        named.good()
        named.start()
        assert all(named.asked(name) == addresses(2) for name in NAMES), named.log()
        named.bad()
        yield named
    finally:
        named.close()


@pytest.mark.parametrize("name", KEPT)
def test_what_cannot_be_believed_changes_nothing(named, name):
    wait_until(lambda: named.status(name)["state"] == "failing", f"it fails: {named.log()}")
    assert named.asked(name, 2) == addresses(2)
    assert named.status(name)["detail"]
    assert f"cannot look up {name}: " in named.log()


def test_a_forged_answer_before_the_right_one_is_not_believed(named):
    before = named.status("forged.host.test")["lookups"]
    wait_until(lambda: named.status("forged.host.test")["lookups"] > before + 1, "it is asked")
    assert named.asked("forged.host.test") == addresses(2)


@pytest.mark.parametrize("row,least,most", [("zero", 0, 1000), ("bit", 0, 1000), ("all-bits", 0, 1000),
                                            ("long", 3000000, 3600000)])
def test_times_are_bounded(named, row, least, most):
    """The highest bit says 0 (RFC 2181, 8)."""
    name = f"{row}.host.test"
    wait_until(lambda: named.asked(name) == addresses(3), "the answer")
    wait_until(lambda: least <= named.status(name)["again_ms"] <= most, "its time")


def test_where_no_server_can_be_nobody_is_asked(named):
    wait_until(lambda: named.asked("some-unfit.host.test") == addresses(3), f"what can be used: {named.log()}")
    named.logs("some-unfit.host.test: 5 of its addresses are not used, such as ")
    named.logs("warning: unfit.host.test: 5 of its addresses are not used, such as ")
    assert named.status("unfit.host.test")["detail"] == "it has no address that can be used"


def test_too_many_records_are_cut_alike_in_any_order(named):
    name = "many.host.test"
    named.logs(f"{name} has more than 64 addresses; 936 are not used")
    assert named.status(name)["addresses"] == MANY[:64]
    said, asked = named.log().count(f"{name} has "), named.status(name)["lookups"]
    named.dns.say(name, *reversed(MANY))
    wait_until(lambda: named.status(name)["lookups"] > asked + 2, "some more answers")
    assert named.status(name)["addresses"] == MANY[:64]
    assert named.status(name)["change_in_ms"] is None
    assert named.log().count(f"{name} has ") == said


def test_services_with_too_many_targets_lose_the_last_priority(named):
    named.logs("_many._tcp.test has more than 64 addresses; 37 are not used")
    assert f"127.0.0.2:{named.endpoint}" in named.status("_many._tcp.test")["addresses"]
    assert named.asked("_many._tcp.test", 3) == addresses(2)


def test_all_is_well_when_the_name_server_is(named):
    """Another section dns has all asked anew, also the one whose answer is good for an hour."""
    named.good()
    with open(named.path("plain.yaml"), "w", encoding="utf-8") as out:
        out.write(named.configuration().replace("300ms", "400ms"))
    named.reload()
    for name in NAMES:
        wait_until(lambda: named.status(name)["state"] == "answered" and len(named.status(name)["addresses"]) == 1 and
                   named.asked(name) == addresses(2), f"{name} is well: {named.log()}")
    assert named.daemon.poll() is None


def test_only_allowed_networks_and_whole_answers_are_believed():
    """Alone, as all names share a connection to the server, which is cut off here."""
    named = Named()
    named.dns_more = ", hold: 0s, allow: [127.0.0.2, 127.0.0.4/31]"
    named.dns.say(named.name, "127.0.0.2", "127.0.0.3", "127.0.0.4", "::1")
    try:
        named.start()
        assert named.who() == addresses(2, 4)
        assert f"{named.name}: 1 of its addresses are not used, such as 127.0.0.3: " in named.log()
        named.dns.say(named.name, "127.0.0.3")
        wait_until(lambda: named.status()["state"] == "failing", "none of them may be")
        assert named.who() == addresses(2, 4)
        named.dns.say(named.name, "127.0.0.2", "127.0.0.4")
        wait_until(lambda: named.status()["state"] == "answered", "it is answered again")
        named.dns.cut_off.add(named.name)
        wait_until(lambda: named.status()["state"] == "failing", "it cannot be had by TCP")
        assert named.who() == addresses(2, 4)
    finally:
        named.close()
