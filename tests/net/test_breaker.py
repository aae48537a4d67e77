"""Upstreams that are not asked for a while, and endpoints that do worse than others; on loopback."""
import pytest

from tests.harness import plain, scripted
from tests.harness.explaining import post
from tests.net.test_balancing import Failing, Several
from tests.net.test_queue import Lined

SILENT = scripted.Answer(())


def explained(shunt):
    """What would become of a request now."""
    status, told = post(shunt.path("admin.sock"), "/explain",
                        {"request": f"GET http://a.example:{shunt.port}/", "from": "127.0.0.1"})
    assert status == 200, told
    return told


def some(shunt, count):
    """So many requests, one after the other."""
    return [shunt.get().status for _ in range(count)]


def test_an_upstream_that_fails_is_not_asked_until_trials_went_well():
    rules = "    breaker: { failed: 50, least: 4, window: 1m, time: 1s, trials: 2 }\n"
    with Several(1, rules) as shunt:
        shunt.origin.answers = Failing()
        assert [shunt.get().status for _ in range(4)] == [500] * 4
        answers = []
        # Those that are refused, and a trial, which fails as well.
        plain.wait_until(lambda: answers.append(shunt.get()) or {500, 503} <= {a.status for a in answers}, "both")
        refused = [answer for answer in answers if answer.status == 503]
        assert all(int(answer.one(b"retry-after")) >= 1 for answer in refused)
        assert shunt.served() == [4 + len(answers) - len(refused)], "who is refused is nobody's"
        assert "breaker_open" in [line["end"] for line in shunt.accesses()]
        shunt.origin.answers = {}
        plain.wait_until(lambda: shunt.get().status == 200, "a trial that goes well")
        plain.wait_until(lambda: shunt.stats()["breaker_closed"] == 1 or not shunt.get(), "it closes")
        assert [shunt.get().status for _ in range(10)] == [200] * 10
        stats = shunt.stats()
        assert stats["breaker_opened"] >= 2 and stats["breaker_closed"] == 1, stats
        assert stats["breaker_refused"] >= len(refused)


def test_who_waits_in_line_is_refused_when_it_opens():
    lined = Lined()
    lined.upstream += "    breaker: { failed: 50, least: 1, window: 1m, time: 10m }\n"
    with lined as shunt:
        name, client = scripted.token(), shunt.client()
        (first, _), = shunt.hold()
        client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
        plain.wait_until(lambda: shunt.stats()["queued"] == 1, "it waits")
        shunt.origin.answers[name] = scripted.Answer((b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",))
        waiting = [waits for waits, _ in shunt.queue(3)]
        first.reset()
        assert client.read_answer().status == 500
        for waits in waiting:
            late = waits.read_answer()
            assert late.status == 503 and int(late.one(b"retry-after")) > 1, late
        stats = shunt.stats()
        assert (stats["breaker_opened"], stats["breaker_refused"], stats["queue_served"], stats["queue_left"]) == (
            1, 3, 1, 3), stats
        assert [line["end"] for line in shunt.accesses()].count("breaker_open") == 3
        state, = shunt.daemon_status()["upstreams"]
        assert (state["active"], state["pending"], state["waiting"]) == (0, 0, 0), state


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_under_way_is_bounded_over_all_workers(workers):
    lined = Lined(None, "weight: 1", workers=workers)
    lined.upstream = "    breaker: { active: 4 }\n"
    with lined as shunt:
        held = shunt.hold(4)
        for _ in range(5):
            full = shunt.get()
            assert full.status == 503 and full.one(b"retry-after") == b"1"
        assert shunt.accesses()[-1]["end"] == "breaker_full"
        for client, _ in held:
            client.reset()
        plain.wait_until(lambda: shunt.get().status == 200, "room")
        assert shunt.stats()["breaker_refused"] >= 5


def test_what_waits_is_bounded_apart_from_what_is_being_answered():
    lined = Lined("size: 100, timeout: 1m")
    lined.upstream += "    breaker: { pending: 2 }\n"
    with lined as shunt:
        (first, _), = shunt.hold()
        waiting = shunt.queue(2)
        assert shunt.get().status == 503
        assert shunt.accesses()[-1]["end"] == "breaker_full"
        for client, _ in [(first, 0)] + waiting:
            client.reset()
        plain.wait_until(lambda: shunt.get().status == 200, "room")


def test_who_fails_more_often_than_the_others_is_left_alone():
    """Every second answer is bad: never two in a row, so only the comparison finds it."""
    class Half(dict):
        count = 0

        def get(self, *_):
            self.count += 1
            return Failing().get(0) if self.count % 2 else None

    rules = "    eject: { rate: 30, window: 1s, least: 5, time: 1h, most: 50 }\n"
    with Several(3, rules) as shunt:
        shunt.origins[1].answers = Half()
        plain.wait_until(lambda: some(shunt, 60) and shunt.stats()["endpoints_ejected_rate"] == 1, "ejected")
        before = shunt.served()
        assert [shunt.get().status for _ in range(20)] == [200] * 20
        assert shunt.served()[1] == before[1]


def test_who_is_slower_than_the_others_is_left_alone():
    rules = "    eject: { slow: 3, window: 2s, least: 3, time: 1h, most: 50 }\n"
    with Several(3, rules) as shunt:
        shunt.origins[2].delay = 0.1
        plain.wait_until(lambda: some(shunt, 15) and shunt.stats()["endpoints_ejected_slow"] == 1, "ejected")
        before = shunt.served()
        assert [shunt.get().status for _ in range(20)] == [200] * 20
        assert shunt.served()[2] == before[2]


def test_who_breaks_off_in_its_answers_is_left_alone():
    """A head that is good is no good answer yet."""
    class Breaks(dict):
        def get(self, *_):
            return scripted.Answer((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",), "reset")

    with Several(2, "    eject: { failures: 3, time: 1h, most: 50 }\n") as shunt:
        shunt.origins[0].answers = Breaks()
        for _ in range(20):
            shunt.get()
        assert shunt.stats()["endpoints_ejected"] == 1
        assert shunt.served()[0] == 3
        assert [line["end"] for line in shunt.accesses()].count("endpoint_cut") == 3


def test_explain_knows_of_breakers_and_lines():
    with Several(1, "    breaker: { failed: 50, least: 2, time: 1h }\n") as shunt:
        assert explained(shunt)["endpoint"] == f"127.0.0.1:{shunt.origin.port}"
        shunt.origin.answers = Failing()
        assert some(shunt, 2) == [500, 500]
        told = explained(shunt)
        assert (told["status"], told["end"]) == (503, "breaker_open"), told
        assert shunt.get().status == 503
    with Lined() as shunt:
        (first, _), = shunt.hold()
        told = explained(shunt)
        assert told["status"] is None and "wait in line" in told["endpoint_why"], told
        first.reset()
