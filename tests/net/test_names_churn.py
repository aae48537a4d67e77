"""Names whose answers differ each time: who is held that an answer lacks, and how often a snapshot is made."""
from tests.harness.named import Named, addresses
from tests.harness.run import wait_until
from tests.harness.side_by_side import SideBySide

CHECKED = "health: { http: /, interval: 100ms, rise: 1, fall: 1 }, "
cases = SideBySide(Named)
begun = cases.fixture()


def in_effect(named):
    return named.log().count("is in effect")


@cases.add
def test_who_serves_well_is_held_while_answers_lack_him(named):
    named.dns.say(named.name, "127.0.0.2", "127.0.0.3")
    named.web_more, named.dns_more = CHECKED, ", hold: 1h"
    named.start()
    assert named.who() == addresses(2, 3)
    before = in_effect(named)
    named.dns.say(named.name, "127.0.0.2")
    wait_until(lambda: named.status()["held"] == ["127.0.0.3"], "it is held")
    assert named.status()["addresses"] == ["127.0.0.2", "127.0.0.3"]
    assert "127.0.0.3 (held)" in named.status_text()
    assert named.who() == addresses(2, 3)
    assert in_effect(named) == before  # nothing has changed
    # Other subsets, by turns, are no change either.
    named.dns.say(named.name, "127.0.0.2", "127.0.0.3", "127.0.0.4")
    wait_until(lambda: named.who() == addresses(2, 3, 4), "the whole set")
    before, named.dns.subset = in_effect(named), 1
    asked = named.status()["lookups"]
    wait_until(lambda: named.status()["lookups"] > asked + 3, "some more answers")
    assert named.who() == addresses(2, 3, 4)
    assert in_effect(named) == before and len(named.status()["held"]) == 2
    # Who is found to be down is held no longer.
    named.dns.subset = None
    named.dns.say(named.name, "127.0.0.2", "127.0.0.4")
    wait_until(lambda: named.status()["held"] == ["127.0.0.3"], "one is held")
    named.stop_server(1)
    wait_until(lambda: named.status()["addresses"] == ["127.0.0.2", "127.0.0.4"], "it is given up")
    assert named.who() == addresses(2, 4)


@cases.add
def test_who_was_held_long_enough_goes(named):
    named.dns.say(named.name, "127.0.0.2", "127.0.0.3", ttl=1)
    named.web_more, named.dns_more = CHECKED, ", hold: 1500ms"
    named.start()
    named.dns.say(named.name, "127.0.0.2", ttl=3600)  # no other answer ends it
    named.becomes(addresses(2))
    assert named.status()["held"] == []
    assert f"{named.name} has 1 addresses now: 0 have come, 1 have gone" in named.log()


@cases.add
def test_snapshots_become_rare_while_each_answer_is_another_one(named):
    named.dns.say(named.name, "127.0.0.2", "127.0.0.3", "127.0.0.4")
    named.dns.subset = 1
    named.start()
    wait_until(lambda: named.status()["pause_ms"] >= 2000, "longer pauses")
    assert named.who(count=1) != {None}
    wait_until(lambda: named.status()["lookups"] > in_effect(named) + 3 and
               named.status()["lookups"] > named.log().count("addresses now") + 3, "answers that change nothing yet")
    named.dns.subset = None
    named.becomes(addresses(2, 3, 4))
