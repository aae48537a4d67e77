"""Whole upstreams that are down, and zones, on loopback: no devices, no namespaces."""
import pytest

from tests.harness import plain, scripted
from tests.net.test_balancing import Failing, Several


class Standing(Several):
    """The first two origins are the upstream "origin", the third is "spare", which stands in for it."""

    def __init__(self, keys="", spare=""):
        super().__init__(3)
        self.keys, self.spare = keys, spare

    def configuration(self):
        text = super().configuration()
        text = text[:text.index("  origin:\n")]
        addresses = [f'{{ address: "127.0.0.1:{origin.port}" }}' for origin in self.origins]
        return text + (f"  origin: {{ failover: spare, {self.keys} endpoints: [ {', '.join(addresses[:2])} ] }}\n"
                       f"  spare: {{ {self.spare} endpoints: [ {addresses[2]} ] }}\n")


# Answered like any other request: by what answers says of its name.
HEALTH = "health: { http: /id00000000, interval: 500ms, rise: 1, fall: 2 },"


def calm(shunt, what):
    """Nobody is sent to who is sick."""
    plain.wait_until(lambda: [shunt.get().status for _ in range(14)] == [200] * 14, what)


def sick(origin):
    origin.answers = Failing()


@pytest.mark.parametrize("keys,cause", [
    (HEALTH, "all are down by their checks"),
    ("eject: { failures: 2, time: 1h, most: 100 },", "all are ejected"),
    ("breaker: { failed: 50, least: 4, time: 1h },", "its breaker is open"),
])
def test_another_upstream_stands_in_while_nobody_can_be_asked(keys, cause):
    with Standing(keys) as shunt:
        assert [shunt.get().status for _ in range(10)] == [200] * 10
        assert shunt.served()[2] == 0
        sick(shunt.origins[0])
        sick(shunt.origins[1])
        calm(shunt, cause)
        assert shunt.served()[2] >= 10 and shunt.stats()["failovers"] >= 10
        assert shunt.accesses()[-1]["upstream"] == "spare"


def test_it_comes_back_with_the_first_endpoint_that_does():
    with Standing(HEALTH) as shunt:
        sick(shunt.origins[0])
        sick(shunt.origins[1])
        plain.wait_until(lambda: shunt.get() and shunt.accesses()[-1].get("upstream") == "spare", "failed over")
        shunt.origins[1].answers = {}
        plain.wait_until(lambda: shunt.get() and shunt.accesses()[-1].get("upstream") == "origin", "it is back")
        before = shunt.served()[2]
        assert [shunt.get().status for _ in range(10)] == [200] * 10
        assert shunt.served()[2] == before


def test_where_all_are_down_the_first_one_is_asked_all_the_same():
    with Standing(HEALTH, HEALTH) as shunt:
        for origin in shunt.origins:
            sick(origin)
        down = lambda: shunt.log().count("is down") >= 3
        plain.wait_until(down, "all are down")
        assert shunt.get().status == 500 and shunt.accesses()[-1]["upstream"] == "origin"


class Zoned(Several):
    """Endpoints in the zones of that word, one letter each; the node is in zone a."""

    def __init__(self, zones, keys="", weights=None):
        weights = weights or [1] * len(zones)
        super().__init__(len(zones), f"    zones: own_first\n    eject: {{ failures: 1, time: 1h, most: 100 }}\n{keys}",
                         lambda number: f", zone: {zones[number]}, weight: {weights[number]}")

    def configuration(self):
        return super().configuration().replace("node: {", "node: { zone: a,")

    def answered(self, count):
        """How many of these each one answered."""
        names = [scripted.token() for _ in range(count)]
        for name in names:
            client = self.client()
            client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
            assert client.read_answer().status == 200
            client.sock.close()
        return [sum(bool(origin.whole(name)) for name in names) for origin in self.origins]


def test_the_own_zone_is_asked_first_and_spills_over_as_it_fails():
    with Zoned("aaabb") as shunt:
        assert shunt.answered(60) == [20, 20, 20, 0, 0]
        # Two of three: 140 % of that is nearly all.
        sick(shunt.origins[0])
        calm(shunt, "it is down")
        spilled = shunt.answered(300)
        assert spilled[0] == 0 and 230 <= spilled[1] + spilled[2] <= 300, spilled
        # One of three: 47 %.
        sick(shunt.origins[1])
        calm(shunt, "so is the next")
        spilled = shunt.answered(400)
        assert 120 <= spilled[2] <= 255 and abs(spilled[3] - spilled[4]) <= 1, spilled
        sick(shunt.origins[2])
        calm(shunt, "and the last")
        assert sum(shunt.answered(40)[3:]) == 40
        stats = shunt.stats()
        assert stats["zone_own"] > 60 and stats["zone_other"] > 0, stats


def test_zones_have_their_weights():
    with Zoned("abb", weights=[1, 3, 1]) as shunt:
        assert shunt.answered(20) == [20, 0, 0]
        sick(shunt.origins[0])
        calm(shunt, "it is down")
        assert shunt.answered(40) == [0, 30, 10]
