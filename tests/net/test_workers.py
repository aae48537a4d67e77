"""Workers come and go with the configuration, while all are busy."""
import contextlib
import os
import subprocess

import pytest

from tests.harness import config, steady
from tests.harness.lab import WEB_VIP
from tests.harness.run import PATIENCE, wait_until
from tests.net.test_upgrade import Upgradable

STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
TURNS = (1, 4, 2, 3, 16, 1)


def threads(pid):
    """Names of the workers that run; numbers are never given twice."""
    names = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        # One that ends just now, or has as it is read, is none.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as name:
            names.add(name.read().strip())
    return {name for name in names if name.startswith("worker-")}


@pytest.fixture
def plain():
    with Upgradable() as started:
        yield started


def set_workers(shunt, count):
    shunt.workers = count
    shunt.write(shunt.configuration())
    shunt.reload()


def test_workers_come_and_go_under_load(plain):
    load = steady.Load(subprocess.Popen, "127.0.0.1", plain.port, "good.example.com")
    for count in TURNS:
        load.goes_on()
        set_workers(plain, count)
        assert plain.daemon_status()["workers"] == count
        load.goes_on()
        # A session that is kept ends with its next answer, so that a busy worker can go.
        wait_until(lambda: len(threads(plain.daemon.pid)) == count, f"{count} threads")
    before = plain.daemon_status()["stats"]["exchanges"]
    assert before >= 20 * len(TURNS)  # those that are gone have counted
    got = load.end()
    assert got["bad"] == []
    wait_until(lambda: plain.daemon_status()["stats"]["exchanges"] == got["done"], "each has counted once")


def test_a_session_goes_on_at_a_worker_that_is_dismissed(plain):
    set_workers(plain, 4)
    clients = [plain.client() for _ in range(40)]  # some at each worker
    for client in clients:
        client.send(b"POST /%d HTTP/1.1\r\nHost: good.example.com\r\nContent-Length: 4\r\n\r\nab" % id(client))
    wait_until(lambda: len(plain.origin.unfinished()) == 40, "all are in the middle")
    set_workers(plain, 1)
    assert len(threads(plain.daemon.pid)) > 1  # nearly always 4: the kernel chose among them
    for client in clients:
        client.send(b"cd")
    answers = [client.read_answer() for client in clients]
    assert [answer.status for answer in answers] == [200] * 40
    for client in clients:
        client.sock.close()
    wait_until(lambda: len(threads(plain.daemon.pid)) == 1, "the others are gone")
    plain.ask()


def test_a_stop_waits_for_dismissed_workers_too(plain):
    set_workers(plain, 4)
    clients = [plain.client() for _ in range(20)]
    for client in clients:
        client.send(b"POST / HTTP/1.1\r\nHost: good.example.com\r\nContent-Length: 2\r\n\r\na")
    wait_until(lambda: len(plain.origin.unfinished()) == 20, "all are in the middle")
    set_workers(plain, 1)
    plain.daemon.terminate()
    wait_until(lambda: "stopping" in plain.log(), "it stops")
    for client in clients:
        client.send(b"b")
    assert [client.read_answer().status for client in clients] == [200] * 20
    for client in clients:
        client.sock.close()
    assert plain.daemon.wait(PATIENCE) == 0


def test_workers_come_and_go_on_the_fast_path(lab):
    def text(count):
        return config.full().replace("node:", f"node:\n  workers: {count}", 1)
    lab.shunt(text(2), more=())
    load = steady.Load(lambda words, **more: lab.start("client", *words, **more), WEB_VIP, 80,
                       "b.example.com")
    talk = lab.talk("203.0.113.11", 7000, 10, STREAM)
    for count in TURNS:
        load.goes_on()
        lab.reload(text(count))
        assert lab.status()["workers"] == count
        load.goes_on()
        talk.goes_on()
    lab.upgrade().wait(PATIENCE)
    lab.reload(text(3))
    load.goes_on()
    assert load.end()["bad"] == []
    assert talk.end()["bad"] == 0
