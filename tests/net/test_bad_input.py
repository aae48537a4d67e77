"""Wrong inputs: one sentence, an exit code, nothing left behind."""
import os
import socket
import subprocess

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
    (("shuntctl", "diff", "@x", "{good}"), 1, 'the number of a revision as shuntctl revisions tells it, found "x"'),
    (("shuntctl", "diff", "@", "{good}"), 1, "the number of a revision"),
    (("shuntctl", "diff", "@1", "--admin", "/nonexistent.sock"), 1, "/nonexistent.sock"),
    (("shuntctl", "test"), 2, "FILE"),
    (("shuntctl", "test", "{bad}"), 1, "devices"),
    (("shuntctl", "test", "/nonexistent.yaml"), 1, "/nonexistent.yaml"),
    (("shuntctl", "revisions", "1"), 2, 'unexpected "1"'),
    (("shuntctl", "explain"), 1, "needs a request such as"),
    (("shuntctl", "explain", "GET /x", "--config", "{good}"), 1, 'found "GET /x"'),
    (("shuntctl", "explain", "GET http://h/", "--at", "x"), 1, "the number of a revision"),
    (("shuntctl", "explain", "GET http://h/", "--at", "-1"), 1, "the number of a revision"),
    (("shuntctl", "explain", "GET http://h/", "--at", "1", "--config", "{good}"), 1, "found both"),
    (("shuntctl", "explain", "GET http://h/", "--request-id", "x"), 1, "expected one of a request, --request-id"),
    (("shuntctl", "explain", "GET http://h/", "--packet", "tcp 1.2.3.4:1 > 1.2.3.5:1"), 1, "found more"),
    (("shuntctl", "explain", "--request-id", "x", "--from", "192.0.2.1"), 1, "for a request such as"),
    (("shuntctl", "explain", "GET http://h/", "-H"), 2, 'no value is given for "-H"'),
    (("shuntctl", "explain", "GET http://h/", "--from", "--json"), 2, 'no value is given for "--from"'),
    (("shuntctl", "explain", "GET http://h/", *["-H", "a: b"] * 33), 2, "at most 32"),
    (("shuntctl", "explain", "GET http://h/\udcff"), 1, "no UTF-8"),
    (("shuntctl", "endpoint", "set", "site", "192.0.2.1:80", "wieght", "3"), 1, 'found "wieght"'),
    (("shuntctl", "endpoint", "set", "site", "192.0.2.1:80@", "disable"), 1, "the name of a vpc behind the @"),
    (("shuntctl", "endpoint", "set", "site", "192.0.2.1:80", "drain", "5"), 1, "such as 90s, 10m or 2h"),
    (("shuntctl", "endpoint", "set", "\udcff", "192.0.2.1:80", "drain"), 1, "no UTF-8"),
    (("shuntctl", "flows", "exprot"), 2, 'unknown word "exprot"'),
    (("shuntctl", "flows", "export", "--upstream", "site", "x"), 2, "--upstream says what is to be cut"),
    (("shuntctl", "flows", "forget", "--all"), 2, "--all says what is to be cut"),
    (("shuntctl", "flows", "kill", "192.0.2.1", "--vip", "192.0.2.2"), 2, "--vip says what moves"),
    (("shuntctl", "flows", "import", "--vip", "192.0.2.2", "{good}"), 2, "--vip says what moves"),
    (("shuntctl", "flows", "resume", "x"), 2, 'expected no FILE, found "x"'),
    (("shuntctl", "flows", "export"), 2, "expected the FILE"),
    (("shuntctl", "flows", "export", ""), 1, "expected a FILE to write to"),
    (("shuntctl", "flows", "export", "/dev/null"), 1, 'expected a FILE to write to, found "/dev/null"'),
    (("shuntctl", "flows", "import", "{good}"), 1, "line 1: expected one JSON object"),
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


def test_what_a_daemon_without_a_fast_path_cannot_say_is_no_status_of_http(bare, tmp_path):
    path = str(tmp_path / "admin.sock")
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(path)
        old.listen(1)
        ctl = subprocess.Popen([os.path.join(BUILD, "shuntctl"), "watch", "--vip", "web", "--admin", path,
                                "--pin-dir", bare.pins], stderr=subprocess.PIPE, text=True)
        client = old.accept()[0]
        with client:
            client.recv(4096)
            client.sendall(b'HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\n\r\n{"error": "Not Found"}')
        assert "this shuntd cannot say that: it has no fast path" in ctl.communicate(timeout=PATIENCE)[1]
    assert ctl.returncode == 1
