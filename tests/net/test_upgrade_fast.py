"""A new shuntd takes the old one's place on the fast path: maps, splices and rights change hands."""
import contextlib
import ctypes
import os
import signal

import pytest

from tests.harness import config, steady
from tests.harness.lab import BUILD, WEB_VIP, wait_until
from tests.harness.run import PATIENCE, SHUNTD

STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
V4, V6 = "203.0.113.11", "2001:db8:53::11"


def load(lab):
    return steady.Load(lambda words, **more: lab.start("client", *words, **more), WEB_VIP, 80,
                       "b.example.com")


def wait_spliced(lab, count):
    wait_until(lambda: lab.status()["splices"]["active"] >= count, f"{count} splices")


def test_upgrades_under_load_fail_nothing_and_splices_go_on(shunt):
    asking = load(shunt)
    talks = [shunt.talk(vip, 7000, 10, STREAM) for vip in (V4, V6)]
    wait_spliced(shunt, 20)
    for _ in range(3):
        asking.goes_on()
        old = shunt.upgrade()
        asking.goes_on()
        for talk in talks:
            talk.goes_on()
        old.wait(PATIENCE)
        wait_spliced(shunt, 20)
        later = shunt.talk(V4, 7000, 2, STREAM)  # the new one splices too
        wait_until(lambda: shunt.status()["splices"]["begun"] == 2, "the new one splices")
        assert later.end()["bad"] == 0
    assert asking.end()["bad"] == []
    for talk in talks:
        assert talk.end() | {"turns": 0} == {"ok": 10, "bad": 0, "errors": [], "turns": 0}
    wait_until(lambda: shunt.status()["splices"]["active"] == 0, "all have ended")


@pytest.fixture
def replaceable(lab):
    """shuntd on the fast path, started from a name that can be made to lead elsewhere."""
    node = lab.nodes["lb"]
    if node.daemon and node.daemon.poll() is None:
        node.stop()
    for name in ("access.log", "shuntd"):  # of another user, or another program
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(node.dir, name))
    node.program = os.path.join(node.dir, "shuntd")
    lead_to(node, SHUNTD)
    yield node
    if node.daemon and node.daemon.poll() is None:
        node.stop()
    node.program = SHUNTD


def lead_to(node, program):
    os.symlink(program, node.program + ".new")
    os.rename(node.program + ".new", node.program)


def capabilities(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        rows = dict(line.split(":\t") for line in status if line.startswith(("Cap", "Uid")))
    return {name: rows[name].strip() for name in ("Uid", "CapPrm", "CapEff", "CapInh", "CapAmb")}


def test_rights_that_were_given_up_stay_so_and_suffice(lab, replaceable):
    node = replaceable
    os.chmod(lab.dir, 0o755)
    node.shunt(config.full(), more=("--workers", "2", "--user", "nobody"))
    before = capabilities(node.daemon.pid)
    assert before["CapInh"] == before["CapAmb"] == "0" * 16 != before["CapPrm"]
    asking, talk = load(lab), lab.talk(V4, 7000, 5, STREAM)
    for _ in range(2):
        asking.goes_on()
        node.upgrade().wait(PATIENCE)
        assert capabilities(node.daemon.pid) == before
        asking.goes_on()
        talk.goes_on()
        wait_spliced(lab, 5)
    node.reload(config.full(web_b="10.0.1.2:8000"))
    asking.goes_on()
    assert asking.end()["bad"] == []
    assert talk.end()["bad"] == 0


def test_what_a_failed_one_wrote_into_the_kernel_is_undone(lab, replaceable):
    node = replaceable
    node.shunt(config.full())
    other = os.path.join(node.dir, "other.yaml")
    with open(other, "w", encoding="utf-8") as out:
        out.write(config.full().replace(WEB_VIP, "203.0.113.99"))
    script = os.path.join(node.dir, "script")
    with open(script, "w", encoding="utf-8") as out:
        out.write(f'#!/bin/sh\nexec {BUILD}/shuntd "$@" -c {other} --user no-such-user\n')
    os.chmod(script, 0o755)
    lead_to(node, script)
    talk = lab.talk(V4, 7000, 5, STREAM)
    wait_spliced(lab, 5)
    before = len(node.log())
    node.daemon.send_signal(signal.SIGUSR2)
    wait_until(lambda: "upgrade failed" in node.log()[before:], "the failure")
    assert 'there is no user "no-such-user"' in node.log()[before:]
    assert lab.curl(f"http://{WEB_VIP}/", "-H", "Host: b.example.com").stdout.startswith("web_")
    talk.goes_on()
    later = lab.talk(V4, 7000, 2, STREAM)
    wait_spliced(lab, 7)
    assert later.end()["bad"] == 0
    assert talk.end()["bad"] == 0


def test_a_worker_that_crashes_ends_the_daemon_and_breaks_no_splice(lab, replaceable):
    node = replaceable
    node.shunt(config.full())
    talk = lab.talk(V4, 7000, 5, STREAM)
    wait_spliced(lab, 5)
    tasks = {}
    for task in os.listdir(f"/proc/{node.daemon.pid}/task"):
        with open(f"/proc/{node.daemon.pid}/task/{task}/comm", encoding="utf-8") as name:
            tasks[name.read().strip()] = int(task)
    ctypes.CDLL(None).tgkill(node.daemon.pid, tasks["worker-1"], signal.SIGSEGV)
    node.daemon.wait(PATIENCE)
    talk.goes_on()
    node.shunt(config.full())
    assert lab.status()["splices"]["adopted"] >= 5
    talk.goes_on()
    assert talk.end()["bad"] == 0
