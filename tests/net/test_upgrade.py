"""A new binary takes the place of the old one, or fails to; on ordinary sockets."""
import json
import os
import signal
import subprocess

import pytest

from tests.harness import plain, successor
from tests.harness.run import BUILD, HARNESS, PYTHON, wait_until


class Upgradable(plain.Plain):
    """shuntd started from a name that can be made to lead elsewhere, by two workers."""

    workers = 2

    def __init__(self):
        super().__init__()
        self.more = []
        self.program = self.path("shuntd")
        self.lead_to(plain.SHUNTD)

    def configuration(self):
        return super().configuration().replace("node: {", f"node: {{ workers: {self.workers},")

    def lead_to(self, program):
        """As a package manager does: a new file over the old one."""
        os.symlink(program, self.program + ".new")
        os.rename(self.program + ".new", self.program)

    def script(self, text):
        with open(self.path("script"), "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\n" + text + "\n")
        os.chmod(self.path("script"), 0o755)
        self.lead_to(self.path("script"))

    def write(self, text):
        with open(self.path("plain.yaml.new"), "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(self.path("plain.yaml.new"), self.path("plain.yaml"))

    def upgrade(self):
        """The old one; the new one is the daemon."""
        old = self.daemon
        self.daemon = successor.upgrade(old, self.log)
        return old

    def try_upgrade(self, why):
        """One that must fail, with a sentence that says so."""
        before = len(self.log())
        self.daemon.send_signal(signal.SIGUSR2)
        wait_until(lambda: "upgrade failed" in self.log()[before:] or
                   "no upgrade" in self.log()[before:], "the failure", 20)
        assert why in self.log()[before:]
        assert self.log()[before:].count("upgrade failed") + \
            self.log()[before:].count("no upgrade") == 1, self.log()

    def status(self):
        return json.loads(subprocess.run(
            [os.path.join(BUILD, "shuntctl"), "status", "--json", "--admin", self.path("admin.sock")],
            check=True, capture_output=True, text=True).stdout)


class Steady:
    """Clients that ask without end; see steady.py."""

    def __init__(self, port, kept=6, new=4):
        self.process = subprocess.Popen(
            [PYTHON, os.path.join(HARNESS, "steady.py"), "127.0.0.1", str(port), "good.example.com",
             str(kept), str(new)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def done(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        got = json.loads(self.process.stdout.readline())
        assert got["bad"] == []
        return got["done"]

    def goes_on(self, turns=20):
        """The slowest gets so many more answers."""
        before = self.done()
        wait_until(lambda: self.done() >= before + turns, "all get answers", 30)

    def end(self):
        return json.loads(self.process.communicate(timeout=60)[0])


@pytest.fixture
def shunt():
    with Upgradable() as started:
        yield started


def test_upgrades_under_load_fail_no_request_and_refuse_no_connection(shunt):
    steady = Steady(shunt.port)
    for _ in range(3):
        steady.goes_on()
        old = shunt.upgrade()
        steady.goes_on()
        assert old.wait(20) in (0, None), shunt.log()
    steady.goes_on()
    assert steady.end()["bad"] == []
    wait_until(lambda: shunt.log().count("has ended") == 3, "the last one hears of its end")
    assert "error" not in shunt.log()


@pytest.mark.parametrize("first,then", [(1, 4), (4, 1)])
def test_the_new_one_may_have_other_workers(shunt, first, then):
    shunt.daemon.terminate()
    shunt.daemon.wait(20)
    shunt.workers = first
    shunt.start()
    steady = Steady(shunt.port)
    steady.goes_on()
    shunt.workers = then
    shunt.write(shunt.configuration())
    shunt.upgrade().wait(20)
    steady.goes_on()
    assert shunt.status()["workers"] == then
    assert steady.end()["bad"] == []


SPEAK = f"""exec {PYTHON} -c '
import os, time
os.write(int(os.environ["SHUNT_UPGRADE"]), b"HTTP/1.1 200 OK")
time.sleep(999)'"""
FAILURES = {
    "it ends at once": (lambda s: s.script("exit 3"), "ended with status 3 before it was ready"),
    "it crashes": (lambda s: s.script("kill -SEGV $$"), "was ended by signal 11 before it was ready"),
    "it is something else": (lambda s: s.script(SPEAK), "the other process of the upgrade is no shuntd"),
    "it is no program": (lambda s: s.lead_to("/dev/null"), "no upgrade: cannot start"),
    "it is gone": (lambda s: os.unlink(s.program), "no upgrade: cannot start"),
    "its configuration is wrong": (lambda s: s.write(s.configuration() + "nonsense: 1\n"),
                                   "ended with status 1 before it was ready"),
    "a place is taken": (lambda s: s.write(s.configuration().replace(str(s.hasty), str(s.origin.port))),
     "ended with status 1 before it was ready"),
}


@pytest.mark.parametrize("spoil,why", FAILURES.values(), ids=FAILURES.keys())
def test_a_new_one_that_fails_leaves_the_old_one_as_it_was(shunt, spoil, why):
    steady, kept = Steady(shunt.port), shunt.client()
    shunt.ask(kept)
    steady.goes_on()
    spoil(shunt)
    for _ in range(2):
        shunt.try_upgrade(why)
    shunt.ask(kept)
    kept.sock.close()
    steady.goes_on()
    assert shunt.status()["workers"] == 2
    shunt.write(shunt.configuration())
    if os.path.lexists(shunt.program):
        os.unlink(shunt.program)
    shunt.lead_to(plain.SHUNTD)
    shunt.upgrade().wait(20)
    steady.goes_on()
    assert steady.end()["bad"] == []
