"""A new binary takes the place of the old one, or fails to; on ordinary sockets."""
import os
import signal
import subprocess

import pytest

from tests.harness import plain, steady, successor
from tests.harness.run import PATIENCE, PYTHON, wait_until


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
                   "no upgrade" in self.log()[before:], "the failure")
        assert why in self.log()[before:]
        assert self.log()[before:].count("upgrade failed") + \
            self.log()[before:].count("no upgrade") == 1, self.log()


def steady_load(port):
    return steady.Load(subprocess.Popen, "127.0.0.1", port, "good.example.com")


@pytest.fixture
def shunt():
    with Upgradable() as started:
        yield started


def test_upgrades_under_load_fail_no_request_and_refuse_no_connection(shunt):
    load = steady_load(shunt.port)
    for _ in range(3):
        load.goes_on()
        old = shunt.upgrade()
        load.goes_on()
        assert old.wait(PATIENCE) in (0, None), shunt.log()
    load.goes_on()
    assert load.end()["bad"] == []
    wait_until(lambda: shunt.log().count("has ended") == 3, "the last one hears of its end")
    assert "error" not in shunt.log()


@pytest.mark.parametrize("first,then", [(1, 4), (4, 1)])
def test_the_new_one_may_have_other_workers(shunt, first, then):
    shunt.daemon.terminate()
    shunt.daemon.wait(PATIENCE)
    shunt.workers = first
    shunt.start()
    load = steady_load(shunt.port)
    load.goes_on()
    shunt.workers = then
    shunt.write(shunt.configuration())
    shunt.upgrade().wait(PATIENCE)
    load.goes_on()
    assert shunt.daemon_status()["workers"] == then
    assert load.end()["bad"] == []


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
    load, kept = steady_load(shunt.port), shunt.client()
    shunt.ask(kept)
    load.goes_on()
    spoil(shunt)
    for _ in range(2):
        shunt.try_upgrade(why)
    shunt.ask(kept)
    kept.sock.close()
    load.goes_on()
    assert shunt.daemon_status()["workers"] == 2
    shunt.write(shunt.configuration())
    if os.path.lexists(shunt.program):
        os.unlink(shunt.program)
    shunt.lead_to(plain.SHUNTD)
    shunt.upgrade().wait(PATIENCE)
    load.goes_on()
    assert load.end()["bad"] == []
