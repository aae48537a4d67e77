"""Wrong inputs: one sentence, an exit code, nothing left behind."""
import os
import socket

import pytest

from tests.harness.lab import BUILD, Lab
from tests.harness.run import PATIENCE

GOOD = "vips: []\n"


@pytest.fixture(scope="module")
def bare():
    with Lab() as lab:
        yield lab


def said(lab, *words):
    """Exit code and what was said on standard error, as lines."""
    done = lab.sh("lb", *words, check=False, timeout=PATIENCE)
    return done.returncode, done.stderr.strip().splitlines()


@pytest.mark.parametrize("words,code,part", [
    (("shuntd",), 2, "-c"),
    (("shuntd", "-c", "/nonexistent.yaml"), 1, "/nonexistent.yaml"),
    (("shuntd", "-c", "/sys"), 1, "expected 1 to 256 files"),
    (("shuntd", "-c", "{good}", "--workers", "none"), 2, "workers"),
    (("shuntd", "-c", "{good}", "--user", "nobody-of-this-name"), 1, "nobody-of-this-name"),
    (("shuntd", "-c", "{good}", "--admin", "/tmp/" + "x" * 200), 2, "admin"),
    (("shuntd", "-c", "{device}", "--pin-dir", "{pins}"), 1, "nodev0"),
    (("shuntd", "-c", "{eth0}", "--pin-dir", "/tmp/not-a-bpffs"), 1, "bpffs"),
    (("shuntctl", "chekc", "{good}"), 2, "check"),
    (("shuntctl", "check", "{bad}"), 1, "devices"),
    (("shuntctl", "diff", "--admin", "/nonexistent.sock", "{bad}"), 1, "devices"),
    (("shuntctl", "diff", "--admin", "/nonexistent.sock", "{good}"), 1, "/nonexistent.sock"),
    (("shuntctl", "diff"), 2, "FILE"),
    (("shuntctl", "status", "--admin", "/nonexistent.sock"), 1, "/nonexistent.sock"),
    (("shuntctl", "status", "--timeout", "0"), 2, "1 to 3600"),
    (("shuntctl", "status", "--timeout", "-5"), 2, "1 to 3600"),
    (("shuntctl", "status", "--timeout", "5s"), 2, "1 to 3600"),
    (("shuntctl", "status", "--timeout", "3601"), 2, "1 to 3600"),
    (("shuntctl", "status", "--timeout"), 2, "--timeout"),
    (("shunt-loader", "attach"), 2, "--dev"),
    (("shunt-loader", "attach", "--dev", "nodev0", "--pin-dir", "{pins}"), 1, "nodev0"),
    (("shunt-loader", "detach", "--pin-dir", "{pins}"), 1, "nothing is pinned"),
    (("shunt-loader", "attach", "--dev", "eth0", "--mode", "fast"), 2, "native"),
])
def test_wrong_input_gets_one_sentence(bare, words, code, part):
    files = {
        "good": bare.file("good.yaml", GOOD),
        "bad": bare.file("bad.yaml", "node: { device: [eth0] }\n"),
        "device": bare.file("device.yaml", "node: { devices: [nodev0] }\n"),
        "eth0": bare.file("eth0.yaml", "node: { devices: [eth0] }\n"),
        "pins": bare.pins,
    }
    program, *rest = (word.format(**files) for word in words)
    if program == "shuntd" and "--admin" not in rest:
        rest += ["--admin", bare.admin]  # the default is one for the whole machine
    got, lines = said(bare, os.path.join(BUILD, program), *rest)
    assert got == code, lines
    assert any(part in line for line in lines), lines
    assert len([line for line in lines if not line.startswith("notice")]) <= 2, lines
    assert not os.path.isdir(bare.pins)
    assert "xdp" not in bare.sh("lb", "ip", "link").stdout


@pytest.mark.parametrize("accepts", [True, False])
def test_a_daemon_that_says_nothing_is_given_up_when_asked_to(bare, accepts):
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as waiting:
        path = os.path.join(bare.dir, f"silent-{accepts}.sock")
        silent.bind(path)
        silent.listen(0)
        if not accepts:
            waiting.connect(path)  # has the only place in the queue
        code, lines = said(bare, os.path.join(BUILD, "shuntctl"), "status", "--admin", path, "--timeout", "1")
    assert code == 1 and len(lines) == 1, lines
    assert "said nothing for 1 s" in lines[0] and "--timeout" in lines[0]
