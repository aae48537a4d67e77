"""What shuntd says to the service manager, and how it behaves when something in it goes wrong."""
import contextlib
import ctypes
import os
import signal
import socket
import time

import pytest

from tests.harness import plain, successor
from tests.harness.run import PATIENCE, wait_until
from tests.net.test_upgrade import Upgradable

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17  # ptrace(2)
INTERVAL_S = 2


class Managed(Upgradable):
    """shuntd with a service manager, which hears (pid, text)."""

    def __init__(self):
        super().__init__()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.manager.bind(self.path("notify"))
        self.manager.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": self.path("notify"),
                            "WATCHDOG_USEC": str(INTERVAL_S * 1000000)}
        self.heard = []

    def close(self):
        super().close()
        self.manager.close()

    def listen(self):
        """All that was said so far, the watchdog's words left out."""
        with contextlib.suppress(BlockingIOError):
            while True:
                text, beside, _, _ = self.manager.recvmsg(256, socket.CMSG_SPACE(12))
                pid = int.from_bytes(beside[0][2][:4], "little")
                self.heard.append((pid, text.decode()))
        return [said for said in self.heard if said[1] != "WATCHDOG=1"]

    def wait_for(self, *said):
        wait_until(lambda: said in self.listen(), said)

    def signs_of_life(self, pid):
        self.listen()
        return self.heard.count((pid, "WATCHDOG=1"))


@pytest.fixture
def shunt():
    with Managed() as started:
        yield started


def test_it_says_when_it_is_ready_and_when_it_stops(shunt):
    pid = shunt.daemon.pid
    shunt.wait_for(pid, "READY=1")
    shunt.reload()
    shunt.wait_for(pid, "RELOADING=1")
    shunt.daemon.terminate()
    assert shunt.daemon.wait(PATIENCE) == 0
    assert [text for _, text in shunt.listen()] == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_the_one_that_serves_speaks_for_the_service(shunt):
    first = shunt.daemon.pid
    wait_until(lambda: shunt.signs_of_life(first) > 0, "the old one is alive")
    shunt.upgrade().wait(PATIENCE)
    second = shunt.daemon.pid
    shunt.wait_for(second, "READY=1")
    wait_until(lambda: shunt.signs_of_life(second) > 0, "the new one is alive")
    shunt.daemon.terminate()
    shunt.daemon.wait(PATIENCE)
    assert shunt.listen() == [(first, "READY=1"), (first, f"MAINPID={second}"), (second, "READY=1"),
                              (second, "STOPPING=1")]
    # The manager hears only whom it knows as the main process.
    assert max(i for i, said in enumerate(shunt.heard) if said[0] == first) == \
        shunt.heard.index((first, f"MAINPID={second}"))


def worker_of(pid, number):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as name:
            if name.read().strip() == f"worker-{number}":
                return int(task)
    raise AssertionError(f"no worker {number}")


@contextlib.contextmanager
def stopped(task):
    """One thread stands still, as in a loop without an end; the others go on."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ptrace(request):
        libc.ptrace.argtypes = [ctypes.c_long] * 4
        if libc.ptrace(request, task, 0, 0) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")
    ptrace(SEIZE)
    ptrace(INTERRUPT)
    os.waitpid(task, 0x40000000)  # __WALL
    try:
        yield
    finally:
        ptrace(DETACH)


def test_a_worker_that_hangs_makes_it_silent_and_one_that_recovers_lets_it_speak(shunt):
    pid = shunt.daemon.pid
    wait_until(lambda: shunt.signs_of_life(pid) > 0, "it is alive")
    with stopped(worker_of(pid, 1)):
        wait_until(lambda: "a worker has done nothing" in shunt.log(), "it is seen")
        before = shunt.signs_of_life(pid)
        end = time.monotonic() + INTERVAL_S
        while time.monotonic() < end:  # the control thread does not hang
            assert shunt.daemon_status()["workers"] == 2
        assert shunt.signs_of_life(pid) == before
    wait_until(lambda: shunt.signs_of_life(pid) > before, "it is alive again")
    shunt.ask()


def test_a_worker_that_crashes_takes_all_with_it(shunt):
    kept = shunt.client()
    shunt.ask(kept)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.tgkill(shunt.daemon.pid, worker_of(shunt.daemon.pid, 0), signal.SIGSEGV) == 0
    assert shunt.daemon.wait(PATIENCE) != 0
    assert kept.read_all().ending in ("eof", "reset")
    shunt.start()
    shunt.ask()


def test_a_stop_ends_a_new_one_that_is_not_ready(shunt):
    shunt.script("exec sleep 1000")
    shunt.daemon.send_signal(signal.SIGUSR2)
    wait_until(lambda: "is started as process" in shunt.log(), "it is started")
    pid = int(shunt.log().split("is started as process ")[1].split()[0])
    new = successor.Successor(pid)
    shunt.daemon.terminate()
    assert shunt.daemon.wait(PATIENCE) == 0
    new.wait(PATIENCE)
    assert "upgrade failed" not in shunt.log()


def test_what_is_asked_for_during_an_upgrade_is_done_after_it(shunt):
    gate = shunt.path("gate")
    shunt.script(f"while [ ! -e {gate} ]; do sleep 0.05; done; exit 5")
    shunt.daemon.send_signal(signal.SIGUSR2)
    wait_until(lambda: "is started as process" in shunt.log(), "it is started")
    shunt.daemon.send_signal(signal.SIGUSR2)
    wait_until(lambda: "no upgrade: another upgrade is under way" in shunt.log(), "the second one")
    shunt.daemon.send_signal(signal.SIGHUP)
    shunt.ask()
    assert shunt.daemon_status()["snapshot"] == 1
    open(gate, "w", encoding="utf-8").close()
    wait_until(lambda: "snapshot 2 is in effect" in shunt.log(), "the reload")
    assert "ended with status 5" in shunt.log()


def test_upgrades_that_fail_reloads_and_logs_leave_no_descriptor(shunt):
    def descriptors():
        shunt.listen()  # a manager that does not read keeps a socket busy
        return len(os.listdir(f"/proc/{shunt.daemon.pid}/fd"))

    shunt.script("exit 3")
    shunt.daemon_status()
    before = descriptors()
    for _ in range(8):
        said = len(shunt.log())
        for how in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1):
            shunt.daemon.send_signal(how)
        wait_until(lambda: "snapshot" in shunt.log()[said:], "the reload")
        shunt.listen()
        shunt.try_upgrade("ended with status 3")
    wait_until(lambda: descriptors() == before, "descriptors are as before")


def held_upgrade(shunt):
    """The old one is stopped, so it cannot hear that the new one is ready. (gate, new pid)"""
    gate = shunt.path("gate")
    shunt.script(f'while [ ! -e {gate} ]; do sleep 0.05; done; exec {plain.SHUNTD} "$@"')
    shunt.daemon.send_signal(signal.SIGUSR2)
    wait_until(lambda: "is started as process" in shunt.log(), "it is started")
    shunt.daemon_status()  # by now all was given
    shunt.daemon.send_signal(signal.SIGSTOP)
    return gate, int(shunt.log().split("is started as process ")[1].split()[0])


def has_open(pid, path):
    with contextlib.suppress(OSError):
        return path in [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return False


@pytest.mark.parametrize("how", [signal.SIGUSR1, signal.SIGHUP])
def test_what_is_asked_of_the_old_one_is_done_by_the_new_one(shunt, how):
    gate, pid = held_upgrade(shunt)
    open(gate, "w", encoding="utf-8").close()
    wait_until(lambda: has_open(pid, shunt.path("access.log")), "its log is open")
    os.rename(shunt.path("access.log"), shunt.path("access.log.1"))
    old = shunt.daemon
    old.send_signal(how)
    old.send_signal(signal.SIGCONT)
    wait_until(lambda: "serves in the place of this one" in shunt.log(), "the new one serves")
    shunt.daemon = successor.Successor(pid)
    wait_until(lambda: has_open(pid, shunt.path("access.log")), "its log is open anew")
    if how == signal.SIGHUP:
        wait_until(lambda: "snapshot 2 is in effect" in shunt.log(), "the reload")
    shunt.ask()
    assert len(shunt.accesses()) == 1
    old.wait(20)


def drain_for(shunt, how_long):
    shunt.write(shunt.configuration()
                .replace("timeouts: {", f"timeouts: {{ drain: {how_long},"))
    shunt.reload()


def test_the_old_one_ends_at_its_deadline_and_cuts_who_is_left(shunt):
    drain_for(shunt, "1s")
    idle = shunt.client()
    shunt.ask(idle)
    old = shunt.upgrade()
    assert old.wait(PATIENCE) == 0
    assert idle.read_all().ending == "eof"
    shunt.ask()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_old_one_ends_at_once_where_the_new_one_has_ended(shunt, how):
    drain_for(shunt, "10m")
    idle = shunt.client()
    shunt.ask(idle)
    old = shunt.upgrade()
    shunt.daemon.send_signal(how)
    assert old.wait(PATIENCE) == 0
    shunt.daemon.wait(PATIENCE)
    assert idle.read_all().ending == "eof"
    said = "was ended by signal 9" if how == signal.SIGKILL else "ended with status 0"
    assert f"the shuntd in the place of this one {said};" in shunt.log()
    shunt.start()
    shunt.ask()
