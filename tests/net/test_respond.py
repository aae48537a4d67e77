"""Answers of routes: written or from a file, with fields, over kept and pipelined connections."""
import os

import pytest

from tests.harness.plain import Plain
from tests.harness.run import SHUNTD, run, wait_until

CONFIG = """
vips:
  - {{ name: web, addresses: [127.0.0.1], listeners: [ {{ port: {port}, protocol: http, routes: all }} ] }}
node: {{ tunnel_address: 127.0.0.1 }}
routes:
  all:
    - {{ name: text, match: {{ path: /text }}, respond: {{ status: 200, body: "as written" }} }}
    - {{ name: page, match: {{ path: /page }}, respond: {{ status: 503, file: page.html,
         headers: {{ Retry-After: "120", Cache-Control: no-store }} }} }}
    - {{ name: typed, match: {{ path: /typed }}, respond: {{ status: 200, file: icon, type: image/png }} }}
    - {{ name: empty, match: {{ path: /empty }}, respond: {{ status: 204, headers: {{ X-Why: because }} }} }}
"""
LARGE = bytes(range(256)) * 96  # as much as may be, with every byte


class Answers(Plain):
    def start(self):
        self.write("page.html", b"<p>Back soon</p>")
        self.write("icon", LARGE)
        super().start()

    def write(self, name, data):
        """In place of the old one, at once."""
        with open(self.path(name + ".new"), "wb") as out:
            out.write(data)
        os.rename(self.path(name + ".new"), self.path(name))

    def configuration(self):
        return CONFIG.format(port=self.port)

    def get(self, path, *words):
        return run("curl", "-sS", "-i", "-m", "60", *words, f"http://127.0.0.1:{self.port}{path}").stdout


@pytest.fixture(scope="module", name="answers")
def fixture_answers():
    with Answers() as made:
        yield made


@pytest.mark.parametrize("path,status,fields,body", [
    ("/text", 200, ["content-type: text/plain; charset=utf-8", "content-length: 10"], "as written"),
    ("/page", 503, ["content-type: text/html; charset=utf-8", "retry-after: 120", "cache-control: no-store"],
     "<p>Back soon</p>"),
    ("/empty", 204, ["x-why: because"], ""),
])
def test_an_answer_is_as_the_route_says(answers, path, status, fields, body):
    head, got = answers.get(path).split("\n\n", 1)
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert set(fields) <= {line.lower() for line in head.split("\n")}
    assert head.lower().count("content-type") == (1 if body else 0)
    assert got == body
    only = answers.get(path, "-I")
    assert only.split("\n\n", 1)[1] == "" and f"content-length: {len(body)}" in only.lower() or status == 204


def test_a_file_of_the_most_bytes_is_sent_whole_and_in_order(answers):
    """Pipelined, to a client that reads when it has sent all."""
    count = 40
    client = answers.client()
    client.sock.sendall(b"GET /typed HTTP/1.1\r\nHost: x\r\n\r\n" * (count - 1) +
                        b"GET /typed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    data = b""
    while part := client.sock.recv(1 << 20):
        data += part
    heads = data.count(b"HTTP/1.1 200 OK\r\n")
    assert heads == count and data.count(LARGE) == count
    assert data.count(b"Content-Type: image/png\r\n") == count


def test_a_file_that_changes_is_read_again_and_one_that_cannot_be_is_not_taken(answers):
    answers.write("page.html", b"<p>Later</p>")
    wait_until(lambda: "<p>Later</p>" in answers.get("/page"), "the new page")
    os.unlink(answers.path("page.html"))
    wait_until(lambda: "page.html: No such file" in answers.log(), "the log says why")
    assert "<p>Later</p>" in answers.get("/page")
    answers.write("page.html", b"x" * 24577)
    wait_until(lambda: "has more than 24576 bytes" in answers.log(), "the log says why")
    assert "<p>Later</p>" in answers.get("/page")
    answers.write("page.html", b"<p>At last</p>")
    wait_until(lambda: "<p>At last</p>" in answers.get("/page"), "the last page")


@pytest.mark.parametrize("respond,why", [
    ("status: 200, file: none.html", "none.html: No such file or directory"),
    ("status: 200, file: /dev/zero", "cannot read /dev/zero: Invalid argument"),
    ("status: 200, file: x.yaml, body: x", 'expected one of "body" and "file", found both'),
    ("status: 204, file: x.yaml", "an answer with status 204 has no body"),
    ("status: 200, type: text/html", '"type" is that of a body, and there is none'),
    ("status: 200, body: x, type: html", "expected a media type such as text/html"),
    ('status: 200, body: x, type: "a/b\\nc: d"', "expected a media type such as text/html"),
    ("status: 200, headers: { Content-Length: 5 }", 'the field "Content-Length" is not one that may be set'),
    ("status: 200, headers: { content-type: a/b }", 'may be set: use "type"'),
    ('status: 200, headers: { x: "a\\nb" }', "expected the value of a field"),
    ("status: 200, headers: { a: a, b: b, c: c, d: d, e: e, f: f, g: g, h: h }", "expected at most 7 fields"),
])
def test_answers_that_cannot_be_are_told_with_their_place(tmp_path, respond, why):
    file = tmp_path / "x.yaml"
    file.write_text(f"routes:\n  all:\n    - {{ name: a, respond: {{ {respond} }} }}\n")
    got = run(SHUNTD, "-c", file, "--check", check=False)
    assert got.returncode == 1
    assert why in got.stderr and "x.yaml:3:" in got.stderr
