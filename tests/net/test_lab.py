"""The lab itself, as a person uses it: it comes whole, goes whole, and says what is wrong."""
import json
import os
import secrets
import signal
import subprocess

import pytest

from tests.harness import remains
from tests.harness.lab import HOSTS, TOP, Lab, run, wait_until
from tests.harness.run import PATIENCE

TOOL = os.path.join(TOP, "tools", "lab")


class Person:
    """Somebody with a lab of a name that nobody else has."""

    def __init__(self):
        self.name = "t" + secrets.token_hex(4)
        self.prefix = f"shunt-{self.name}"
        self.state = f"/run/{self.prefix}.json"
        self.env = {**os.environ, "SHUNT_LAB": self.name}

    def does(self, *words, **more):
        return run(TOOL, *words, check=False, env=self.env, **more)

    def starts(self, *words):
        return subprocess.Popen((TOOL,) + words, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def keeper(self):
        with open(self.state, encoding="utf-8") as file:
            return json.load(file)["pid"]

    def processes(self):
        """All that tools/lab has started know its name, whatever became of their parents."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if f"SHUNT_LAB={self.name}\0".encode() in file.read() + b"\0":
                        found.append(int(pid))
            except OSError:
                pass
        return found

    def remains(self):
        return left(self.prefix, f"/run/{self.prefix}") + self.processes() + [
            path for path in (self.state,) if os.path.exists(path)]


def left(prefix, folder):
    """Namespaces, mounts, cgroups and files of a lab."""
    cgroups = [os.path.join(root, prefix) for root in remains.mounts("cgroup2")]
    return (remains.namespaces(prefix, HOSTS)
            + [mount for mount in remains.mounts() if f"/{prefix}-" in mount or folder in mount]
            + [path for path in cgroups + [folder] if os.path.exists(path)])


@pytest.fixture
def person():
    somebody = Person()
    yield somebody
    somebody.does("down")
    wait_until(lambda: not somebody.processes(), "the lab's processes have ended")
    assert somebody.remains() == []


def serves(somebody):
    got = somebody.does("enter", "client", "curl", "-sS", "-m", "90", "-H", "Host: a.example.com",
                        "http://203.0.113.10/")
    return got.stdout.startswith("web_a ")


def test_it_comes_up_serves_and_leaves_nothing(person):
    up = person.does("up")
    assert up.returncode == 0, up
    assert "tools/lab enter client" in up.stdout
    assert serves(person)
    again = person.does("up")
    assert again.returncode == 1 and "up already" in again.stderr and again.stderr.count("\n") == 1
    assert person.does("enter", "lb", "bpftool", "net").stdout.count("xdp") >= 1
    assert "shunt_flows" in os.listdir(f"/run/{person.prefix}/bpf/lb")
    assert person.does("enter", "lb", "ls", f"/run/{person.prefix}/bpf/lb").returncode == 0
    assert person.does("down").returncode == 0
    wait_until(lambda: person.remains() == [], "nothing is left")


def test_down_ends_what_people_run_inside(person):
    assert person.does("up").returncode == 0
    inside = subprocess.Popen((TOOL, "enter", "web_b", "sh", "-c", "echo in; exec cat"), env=person.env,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert inside.stdout.readline() == "in\n"
    assert person.does("down").returncode == 0
    assert inside.wait(PATIENCE) == -signal.SIGKILL


def test_a_killed_keeper_is_cleared_away_and_the_next_lab_serves(person):
    assert person.does("up").returncode == 0
    os.kill(person.keeper(), signal.SIGKILL)
    wait_until(lambda: person.does("status").returncode == 1, "the keeper is gone")
    assert left(person.prefix, f"/run/{person.prefix}") != []
    assert person.does("up").returncode == 0
    assert serves(person)


def half_built(person):
    """Whoever is building, and its keeper, which stands still in the middle."""
    while True:
        building = person.starts("up")
        wait_until(lambda: len(remains.namespaces(person.prefix, HOSTS)) >= 2, "it is being built")
        keeper = person.keeper()
        os.kill(keeper, signal.SIGSTOP)
        if len(remains.namespaces(person.prefix, HOSTS)) < len(HOSTS):
            return building, keeper
        os.kill(keeper, signal.SIGCONT)  # it was quicker
        building.communicate(timeout=PATIENCE)
        person.does("down")


def is_told_to_end(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return any(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1 for line in status
                   if line.startswith(("SigPnd", "ShdPnd")))


def test_down_stops_a_lab_that_is_half_built(person):
    building, keeper = half_built(person)
    ending = person.starts("down")
    wait_until(lambda: is_told_to_end(keeper), "it is told to end")
    os.kill(keeper, signal.SIGCONT)
    assert ending.wait(PATIENCE) == 0
    said = building.communicate(timeout=PATIENCE)[1]
    assert building.returncode == 1 and said.startswith("lab: it could not be built"), said
    wait_until(lambda: person.remains() == [], "nothing is left")


def test_of_two_that_come_up_at_once_one_is_refused(person):
    both = [person.starts("up") for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], said
    assert "up already" in "".join(said)
    assert serves(person)


def test_two_labs_stand_side_by_side(person):
    other = Person()
    try:
        ups = [somebody.starts("up") for somebody in (person, other)]
        assert [process.wait(PATIENCE) for process in ups] == [0, 0]
        assert serves(person) and serves(other)
        other.does("down")
        assert serves(person)
    finally:
        other.does("down")
    wait_until(lambda: other.remains() == [], "nothing is left of the other")


def test_a_lab_that_fails_while_it_is_built_leaves_nothing():
    class Broken(Lab):
        def make_cgroup(self):
            super().make_cgroup()
            raise RuntimeError("broken")

    broken = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        broken.__enter__()
    assert left(broken.prefix, broken.dir) == []


@pytest.mark.parametrize("words,code,part", [
    ((), 2, "usage: lab up"),
    (("sideways",), 2, "usage: lab up"),
    (("up", "and away"), 2, "usage: lab up"),
    (("enter",), 2, "usage: lab up"),
    (("enter", "nowhere"), 2, 'no host "nowhere"'),
    (("enter", "client"), 1, "tools/lab up"),
    (("status",), 1, "tools/lab up"),
    (("down",), 0, ""),
])
def test_wrong_words_get_one_sentence(person, words, code, part):
    got = person.does(*words)
    assert got.returncode == code and part in got.stderr
    assert got.stderr.count("\n") <= 1


@pytest.mark.parametrize("name", ["", "a/b", "UPPER", "x" * 17])
def test_a_name_that_cannot_be_one_is_refused(name):
    got = run(TOOL, "up", check=False, env={**os.environ, "SHUNT_LAB": name})
    assert got.returncode == 2 and "SHUNT_LAB is a name" in got.stderr


def test_an_ordinary_user_is_told_that_it_needs_root(person):
    got = person.does("up", user=65534, group=65534, extra_groups=[])
    assert (got.returncode, got.stderr) == (1, "lab: network namespaces need root\n")
