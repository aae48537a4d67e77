"""The lab itself, as a person uses it: it comes whole, goes whole, and says what is wrong."""
import os

import pytest

from tests.harness.lab import TOP, run

LAB = os.path.join(TOP, "tools", "lab")


def remains():
    """Namespaces, mounts and processes of a lab that a person made."""
    found = [name for name in run("ip", "netns", "list").stdout.split() if name.startswith("lab-")]
    with open("/proc/mounts", encoding="utf-8") as mounts:
        lines = mounts.read()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"tools/lab\0up" in file.read():
                    found.append(f"process {pid}")
        except OSError:
            pass
    return found + [line for line in lines.splitlines() if "/run/netns/lab-" in line]


@pytest.fixture
def person():
    if remains():
        pytest.skip("somebody's lab is up on this machine")
    yield lambda *words: run(LAB, *words, check=False)
    run(LAB, "down", check=False)


def test_it_comes_up_serves_and_leaves_nothing(person):
    up = person("up")
    assert up.returncode == 0, up
    assert "tools/lab enter client" in up.stdout
    got = person("enter", "client", "curl", "-sS", "-H", "Host: a.example.com", "http://203.0.113.10/")
    assert got.stdout.startswith("web_a ")
    again = person("up")
    assert again.returncode == 1 and "up already" in again.stderr
    assert person("enter", "lb", "bpftool", "net").stdout.count("xdp") >= 1
    assert person("down").returncode == 0
    assert remains() == []
    assert not os.path.exists("/run/shunt-lab.json")


@pytest.mark.parametrize("words,code,part", [
    ((), 2, "usage: lab up"),
    (("sideways",), 2, "usage: lab up"),
    (("enter",), 2, "usage: lab up"),
    (("enter", "nowhere"), 2, 'no host "nowhere"'),
    (("enter", "client"), 1, "tools/lab up"),
    (("status",), 1, "tools/lab up"),
    (("down",), 0, ""),
])
def test_wrong_words_get_one_sentence(person, words, code, part):
    got = person(*words)
    assert got.returncode == code and part in got.stderr
    assert got.stderr.count("\n") <= 1
