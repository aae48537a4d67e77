"""shuntctl endpoint: weights, drains and ends of service without a new file, on loopback."""
import json
import os
import subprocess

import pytest

from tests.harness import plain, successor
from tests.harness.run import BUILD
from tests.net.test_balancing import Failing
from tests.net.test_persistence import Kept, first_users


class Ordered(Kept):
    """Two endpoints by their numbers, with one worker: what it has once, it has."""

    def ctl(self, *words, code=0):
        got = subprocess.run([os.path.join(BUILD, "shuntctl"), "endpoint", *words, "--admin",
                              self.path("admin.sock")], capture_output=True, text=True, check=False)
        assert got.returncode == code, (words, got)
        return got.stdout + got.stderr

    def at(self, number):
        return f"127.0.0.1:{self.origins[number].port}"

    def set(self, number, *what):
        """Asks for it; nothing is to be said but in the log."""
        assert self.ctl("set", "origin", self.at(number), *what) == ""

    def listed(self):
        """By number: weight and what is wanted."""
        found = {one["endpoint"]: one for one in json.loads(self.ctl("list", "--json"))}
        return [(found[self.at(n)]["weight"], found[self.at(n)]["override"]) for n in range(len(self.origins))]

    def gets(self, *numbers):
        """Until new clients go to these, and only to them."""
        def now():
            return {self.who()[0] for _ in range(4 * len(self.origins))}
        plain.wait_until(lambda: now() == set(numbers) and now() == set(numbers), f"{numbers} get all")

    def explain(self, cookie):
        """What shuntctl says of a request of that user."""
        got = subprocess.run([os.path.join(BUILD, "shuntctl"), "explain", f"GET http://a.example:{self.port}/", "-H",
                              "Cookie: " + cookie.decode(), "--admin", self.path("admin.sock")],
                             capture_output=True, text=True, check=True)
        return got.stdout

    def status(self):
        got = subprocess.run([os.path.join(BUILD, "shuntctl"), "status", "--admin", self.path("admin.sock")],
                             capture_output=True, text=True, check=True)
        return got.stdout


def test_a_weight_counts_at_once_and_is_kept_over_reload_and_restart():
    with Ordered(2) as shunt:
        shunt.set(1, "weight", "0")
        shunt.gets(0)
        shunt.set(1, "weight", "3")
        plain.wait_until(lambda: shunt.spread([(b"", b"/")] * 40) == [10, 30], "one to three")
        weight, wanted = shunt.listed()[1]
        assert (weight, wanted["weight"], wanted["service"]) == (3, 3, "on")
        assert wanted["uid"] == os.getuid() and wanted["pid"] > 0
        assert f"endpoint {shunt.at(1)}: weight 3, by uid {os.getuid()}, pid {wanted['pid']}" in shunt.log()
        assert f"{shunt.at(1)}" in shunt.status() and "weight 3; by uid" in shunt.status()
        shunt.reload()
        shunt.restart()
        assert "1 overrides of endpoints are kept in" in shunt.log()
        assert shunt.spread([(b"", b"/")] * 40) == [10, 30]
        assert shunt.listed()[1][1] == wanted
        shunt.set(1, "reset")
        plain.wait_until(lambda: shunt.spread([(b"", b"/")] * 40) == [20, 20], "as configured")
        assert shunt.listed() == [(1, None)] * 2
        assert "overrides" not in shunt.status()


def test_the_next_process_knows_what_is_wanted():
    with Ordered(2) as shunt:
        shunt.set(1, "disable")
        wanted = shunt.listed()[1]
        old, shunt.daemon = shunt.daemon, successor.upgrade(shunt.daemon, shunt.log)
        assert old.wait(plain.PATIENCE) == 0
        assert shunt.listed()[1] == wanted
        shunt.gets(0)
        shunt.set(1, "enable")
        shunt.gets(0, 1)


def test_who_drains_keeps_its_users_until_its_time_is_over():
    with Ordered(2) as shunt:
        users = first_users(shunt)
        shunt.set(1, "drain")
        shunt.gets(0)
        assert [shunt.who(users[1])[0] for _ in range(4)] == [1] * 4
        said = shunt.explain(users[1])
        assert "gets nothing new: it drains" in said and "it had the client before" in said
        shunt.set(1, "drain", "1s")
        plain.wait_until(lambda: shunt.listed()[1][1]["service"] == "off", "its time is over")
        assert "its time to drain is over, it is off" in shunt.log()
        plain.wait_until(lambda: shunt.who(users[1])[0] == 0, "its users are led elsewhere")
        assert "off: shuntctl endpoint says so" in shunt.explain(users[1])
        shunt.restart()
        shunt.gets(0)
        shunt.set(1, "enable")
        shunt.gets(0, 1)
        assert shunt.listed() == [(1, None)] * 2


def test_an_open_connection_gets_another_endpoint_with_its_next_request():
    with Ordered(2) as shunt:
        client = shunt.client()
        assert {shunt.get(client=client).status for _ in range(4)} == {200}
        shunt.set(0, "disable")
        shunt.gets(1)
        before = shunt.served()
        assert {shunt.get(client=client).status for _ in range(4)} == {200}
        assert shunt.served() == [before[0], before[1] + 4]
        client.sock.close()


def test_nobody_is_asked_who_is_off_not_even_where_all_are():
    with Ordered(2) as shunt:
        users = first_users(shunt)
        for number in range(2):
            shunt.set(number, "disable")
        plain.wait_until(lambda: shunt.get().status == 503, "none is left")
        asked = shunt.served()
        for cookie in users.values():
            assert shunt.get(b"Cookie: " + cookie + b"\r\n").status == 503
        assert shunt.served() == asked
        shunt.set(0, "enable")
        shunt.gets(0)


def test_who_is_off_leaves_no_more_of_the_rest_to_be_ejected():
    shunt = Ordered(4)
    shunt.upstream += "    eject: { failures: 1, time: 1h, most: 50 }\n"
    with shunt:
        for number in (2, 3):
            shunt.set(number, "disable")
        shunt.gets(0, 1)
        for origin in shunt.origins[:2]:
            origin.answers = Failing()
        for _ in range(8):
            assert shunt.get().status == 500
        assert shunt.stats()["endpoints_ejected"] == 1, "half of the two that serve"


def test_who_is_down_stays_down_whatever_is_wanted_of_others():
    shunt = Ordered(2)
    shunt.upstream += "    health: { tcp: true, interval: 1s, timeout: 1s, fall: 100 }\n"
    shunt.origins[1].close()
    with shunt:
        plain.wait_until(lambda: f"{shunt.at(1)} is down" in shunt.log(), "the first check decides")
        shunt.gets(0)
        for weight in range(5):
            shunt.set(0, "weight", str(weight + 1))
        errors = shunt.stats()["upstream_connect_errors"]
        assert [shunt.who()[0] for _ in range(10)] == [0] * 10
        assert shunt.stats()["upstream_connect_errors"] == errors
        assert shunt.log().count(f"{shunt.at(1)} is down") == 1, "it is checked as before"
        down = {one["endpoint"]: one["down"] for one in json.loads(shunt.ctl("list", "--json"))}
        assert down == {shunt.at(0): False, shunt.at(1): True}


def test_an_override_waits_for_an_endpoint_that_is_away():
    with Ordered(3) as shunt:
        shunt.set(2, "disable")
        shunt.order = [0, 1]
        shunt.change()
        assert shunt.at(2) in shunt.status()
        shunt.order = [0, 1, 2]
        shunt.change()
        shunt.gets(0, 1)
        shunt.order = [0, 1]
        shunt.change()
        shunt.set(2, "reset")
        shunt.order = [0, 1, 2]
        shunt.change()
        shunt.gets(0, 1, 2)


@pytest.mark.parametrize("words,code,said", [
    (("set", "origin", "{0}", "weight", "1001"), 1, "weight takes a number from 0 to 1000, not \"1001\""),
    (("set", "origin", "{0}", "weight"), 1, "weight takes a number from 0 to 1000, not \"\""),
    (("set", "origin", "{0}", "drain", "soon"), 1, "drain takes a time such as 90s, 10m or 2h, not \"soon\""),
    (("set", "origin", "{0}", "drain", "9999h"), 1, "an endpoint drains for at most 30 days"),
    (("set", "origin", "{0}", "drian"), 1, "expected weight, drain, disable, enable or reset, found \"drian\""),
    (("set", "origin", "{0}", "reset", "now"), 1, "reset takes no value; \"now\" is one too many"),
    (("set", "origin", "{0}"), 1, "expected UPSTREAM ENDPOINT and one of weight N"),
    (("set", "origin", "127.0.0.1", "reset"), 1, "\"127.0.0.1\" is no endpoint; it is an address with its port"),
    (("set", "origin", "127.0.0.9:1", "reset"), 1, "upstream origin has no endpoint 127.0.0.9:1; it has {0}"),
    (("set", "origin", "{0}@a", "reset"), 1, "upstream origin has no endpoint {0}@a; it has {0}"),
    (("set", "x" + 40 * "é", "{0}", "reset"), 1, "there is no upstream \"x??"),  # cut in the middle of a letter
    (("set", "orgin", "{0}", "reset"), 1, "there is no upstream \"orgin\""),
    (("list", "orgin"), 1, "upstream \"orgin\" has no endpoints here, or is not there"),
    (("lst",), 2, "expected \"list [UPSTREAM]\" or \"set UPSTREAM ENDPOINT ...\", found \"lst\""),
])
def test_what_cannot_be_done_is_said_and_changes_nothing(words, code, said, one):
    got = one.ctl(*(word.format(one.at(0)) for word in words), code=code)
    assert said.format(one.at(0)) in got
    assert one.listed() == [(1, None)] * 2


@pytest.fixture(scope="module")
def one():
    with Ordered(2) as shunt:
        yield shunt


def test_without_a_place_to_keep_it_an_override_ends_with_shuntd():
    with Ordered(2) as shunt:
        shunt.more = ["--workers", "1"]
        shunt.restart()
        said = shunt.ctl("set", "origin", shunt.at(1), "disable")
        assert "it is in effect until shuntd ends; --state makes it last" in said
        assert shunt.ctl("set", "origin", shunt.at(1), "reset") == ""  # nothing is left that could end
        shunt.ctl("set", "origin", shunt.at(1), "disable")
        shunt.gets(0)
        shunt.restart()
        shunt.gets(0, 1)


def test_a_file_that_was_spoilt_is_put_aside():
    with Ordered(2) as shunt:
        shunt.set(0, "disable")
        shunt.daemon.terminate()
        shunt.daemon.wait(plain.PATIENCE)
        with open(shunt.path("state/overrides.json"), "a", encoding="utf-8") as out:
            out.write("{")
        shunt.start()
        assert "overrides.json is not as it was written" in shunt.log()
        assert os.path.exists(shunt.path("state/overrides.json.bad"))
        shunt.gets(0, 1)


def test_what_can_be_read_of_a_spoilt_file_is_kept():
    with Ordered(2) as shunt:
        shunt.set(0, "disable")
        shunt.daemon.terminate()
        shunt.daemon.wait(plain.PATIENCE)
        kept = shunt.path("state/overrides.json")
        with open(kept, encoding="utf-8") as old:
            wanted = json.load(old)
        with open(kept, "w", encoding="utf-8") as out:
            json.dump(wanted + ["?"], out)
        shunt.start()
        assert "1 overrides of endpoints could be read" in shunt.log()
        shunt.restart()
        shunt.gets(1)
