"""The access log: a line for every way in which an exchange ends, names of requests, times, targets."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from tests.harness import scripted
from tests.harness.plain import Client, Plain
from tests.harness.run import BUILD, PATIENCE, wait_until
from tests.harness.scripted import Answer

CONFIG = """
log: {{ {log} }}
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all, forwarded: {{ trusted: [127.0.0.1] }},
          requests: {{ underscores: refuse }}, timeouts: {{ drain: 1s }} }}
      - {{ port: {hasty}, protocol: http, routes: all, request_id: {{ header: X-Name, return: true }},
          timeouts: {{ head: 10m, body: 10m, response: 10m }} }}
      # Each hasty in one respect only: no other time-out comes first, however busy the machine is.
      - {{ port: {hasty_head}, protocol: http, routes: all, timeouts: {{ head: 1s }} }}
      - {{ port: {hasty_body}, protocol: http, routes: all, timeouts: {{ head: 10m, body: 3s, response: 10m }},
          rates: {{ request: 0, response: 0, endpoint: 0 }} }}
      - {{ port: {hasty_response}, protocol: http, routes: all, timeouts: {{ head: 10m, response: 1s }} }}
      - {{ port: {hasty_tunnel}, protocol: http, routes: all,
          timeouts: {{ head: 10m, response: 10m, tunnel: 1s }} }}
      - {{ port: {sni}, protocol: tls-passthrough, sni: {{ good.example.com: origin, dead.example.com: dead }},
          timeouts: {{ head: 10m }} }}
      - {{ port: {hasty_sni}, protocol: tls-passthrough, sni: {{ good.example.com: origin }},
          timeouts: {{ head: 1s }} }}
      - {{ port: {stream}, protocol: tcp-proxy, upstream: origin }}
      - {{ port: {strange}, protocol: http, routes: all, request_id: {{ take: none, forward: false }} }}
routes:
  all:
    - {{ name: none, match: {{ host: none.example.com }}, upstream: none }}
    - {{ name: dead, match: {{ host: dead.example.com }}, upstream: dead }}
    - {{ name: deaf, match: {{ host: deaf.example.com }}, upstream: deaf }}
    - {{ name: tls, match: {{ host: tls.example.com }}, upstream: tls }}
    - {{ name: said, match: {{ host: said.example.com }}, respond: {{ status: 200, body: "said" }} }}
    - {{ name: all, match: {{ path: /* , host: good.example.com }}, upstream: origin }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
  none: {{ endpoints: [ {{ address: "127.0.0.1:{origin}", weight: 0 }} ] }}
  dead: {{ endpoints: [ {{ address: "127.0.0.1:{dead}" }}, {{ address: "127.0.0.2:{dead}" }} ] }}
  deaf: {{ connect_timeout: 200ms, endpoints: [ {{ address: "127.0.0.1:{deaf}" }} ] }}
  tls: {{ tls: {{ verify: false }}, endpoints: [ {{ address: "127.0.0.1:{greeter}" }} ] }}
"""

LOG_WINDOW_S = 10  # as in log.h
PHASES = ("head_us", "connect_us", "response_us", "transfer_us")


class Logged(Plain):
    """log: what stands in the configuration's section of that name."""

    def __init__(self, log="level: info"):
        super().__init__()
        self.log_section, self.begun = log, {}
        self.sni, self.stream, self.strange, self.dead = self.free_ports(4)
        self.hasty_head, self.hasty_body, self.hasty_response, self.hasty_tunnel, self.hasty_sni = \
            self.free_ports(5)
        self.deaf, self.deaf_clients = socket.create_server(("127.0.0.1", 0), backlog=1), []
        self.greeter = socket.create_server(("127.0.0.1", 0))
        self.greeting = threading.Thread(target=self.greet, daemon=True)
        self.greeting.start()
        for _ in range(4):  # its queue is full, so nobody is answered
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(self.deaf.getsockname())
            self.deaf_clients.append(sock)

    def greet(self):
        """Speaks first, and no TLS."""
        while True:
            try:
                sock, _ = self.greeter.accept()
            except OSError:
                return
            with sock:
                sock.sendall(b"220 greetings\r\n")
                while sock.recv(4096):
                    pass

    def configuration(self):
        return CONFIG.format(greeter=self.greeter.getsockname()[1], log=self.log_section, port=self.port, hasty=self.hasty, sni=self.sni,
                             hasty_head=self.hasty_head, hasty_body=self.hasty_body,
                             hasty_response=self.hasty_response, hasty_tunnel=self.hasty_tunnel,
                             hasty_sni=self.hasty_sni, stream=self.stream, strange=self.strange, origin=self.origin.port,
                             dead=self.dead, deaf=self.deaf.getsockname()[1])

    def close(self):
        super().close()
        self.greeter.shutdown(socket.SHUT_RDWR)
        self.greeting.join(10)
        for sock in [self.greeter, self.deaf] + self.deaf_clients:
            sock.close()

    def at(self, listener):
        client = Client(getattr(self, listener))
        self.begun[client.sock.getsockname()] = (self.lines_written(), getattr(self, listener))
        return client

    def lines_of(self, address):
        """Since at(): its port may have been another client's before."""
        first, port = self.begun[address]
        return [line for line in self.accesses()[first:]
                if line["client"] == "%s:%d" % address and line["port"] == port]

    def line_of(self, address):
        return wait_until(lambda: self.lines_of(address), f"a line of {address}")[0]


@pytest.fixture(scope="module", name="shunt")
def fixture_shunt():
    with Logged() as built:
        yield built


def request(host="good", path=b"/", more=b"", method=b"GET"):
    return b"%s %s HTTP/1.1\r\nHost: %s.example.com\r\n%s\r\n" % (method, path, host.encode(), more)


def hello(shunt, name):
    """What openssl says first."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{shunt.sni}", "-servername", name],
                          input=b"", capture_output=True, check=False, timeout=PATIENCE)
    return done.stderr


WEBSOCKET = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# end, listener, what the client says ({token} stands for its name), how it ends, the endpoint's answer,
# the status in the log
ENDS = [
    ("done", "port", request(), "keep", None, 200),
    ("bad_head", "port", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "keep", None, 400),
    ("head_timeout", "hasty_head", b"GET / HTT", "keep", None, 408),
    ("no_connect", "port", b"CONNECT a.example.com:80 HTTP/1.1\r\nHost: a.example.com:80\r\n\r\n", "keep", None,
     405),
    ("bad_path", "port", request(path=b"/%00"), "keep", None, 400),
    ("bad_field", "port", request(more=b"X_A: 1\r\n"), "keep", None, 400),
    ("no_route", "port", request(host="other"), "keep", None, 404),
    ("bad_hello", "sni", b"GET / HTTP/1.1\r\n\r\n", "keep", None, None),
    ("hello_timeout", "hasty_sni", b"\x16\x03\x01\x02\x00\x01\x00", "keep", None, None),
    ("client_cut", "sni", b"\x16\x03\x01\x02\x00\x01\x00", "finish", None, None),
    ("bad_body", "port", request(method=b"POST", more=CHUNKED) + b"zz\r\n", "keep", None, 400),
    ("body_timeout", "hasty_body", request(method=b"POST", more=b"Content-Length: 9\r\n") + b"a", "keep", None, 408),
    ("client_gone", "port", request(path=b"/{token}"), "reset", Answer(()), None),
    ("client_cut", "port", request(method=b"POST", more=b"Content-Length: 9\r\n") + b"a", "finish", None, None),
    ("client_stalled", "hasty_body", request(path=b"/{token}"), "hold", Answer((LONG + b"x" * 30000000,)), 200),
    ("no_endpoint", "port", request(host="none"), "keep", None, 503),
    ("unreachable", "port", request(host="dead"), "keep", None, 502),
    ("connect_timeout", "port", request(host="deaf"), "keep", None, 504),
    ("endpoint_tls", "port", request(host="tls"), "keep", None, 502),
    ("response_timeout", "hasty_response", request(path=b"/{token}"), "keep", Answer(()), 504),
    ("endpoint_closed", "port", request(path=b"/{token}", method=b"POST", more=b"Content-Length: 0\r\n"), "keep",
     Answer((), "close"), 502),
    ("endpoint_cut", "port", request(path=b"/{token}"), "keep", Answer((LONG + b"x",), "close"), 200),
    ("endpoint_stalled", "hasty_body", request(path=b"/{token}"), "keep", Answer((LONG + b"x",)), 200),
    ("bad_response", "port", request(path=b"/{token}"), "keep", Answer((b"SIP/2.0 200 OK\r\n\r\n",)), 502),
    ("bad_response_body", "port", request(path=b"/{token}"), "keep",
     Answer((b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\nzz\r\n",)), 200),
    ("response_no_head", "port", request(path=b"/{token}"), "keep", Answer((b"HTTP/1.1 200 O",), "close"), 502),
    ("too_many_interims", "port", request(path=b"/{token}"), "keep",
     Answer((b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17,)), 502),
    ("tunnel_client", "port", request(path=b"/{token}", more=WEBSOCKET), "reset", Answer((SWITCHED,), "echo"), 101),
    ("tunnel_endpoint", "port", request(path=b"/{token}", more=WEBSOCKET), "keep", Answer((SWITCHED,), "reset"),
     101),
    ("tunnel_idle", "hasty_tunnel", request(path=b"/{token}", more=WEBSOCKET), "keep", Answer((SWITCHED,), "echo"), 101),
]


def add_up(line):
    """Whether the phases of a line are its total, where it has times."""
    return sum(line.get(phase, 0) for phase in PHASES) == line["total_us"] and line["head_us"] > 0


@pytest.mark.parametrize("end,listener,said,closing,answer,status", ENDS, ids=[
    f"{row[0]}-{row[1]}" for row in ENDS])
def test_every_end_has_its_line(shunt, end, listener, said, closing, answer, status):
    client, name = shunt.at(listener), scripted.token()
    address = client.sock.getsockname()
    if answer:
        shunt.origin.answers[name] = answer
    client.send(said.replace(b"{token}", name))
    if closing == "finish":
        client.finish()
    if closing == "reset":  # once the endpoint has it, and its answer has come where there is one
        wait_until(lambda: shunt.origin.whole(name), "the endpoint has the request")
        if answer.pieces:
            client.read_some()
        client.reset()
    line = shunt.line_of(address)
    assert (line["end"], line.get("status")) == (end, status)
    assert ("error" in line) == (end != "done")
    assert add_up(line), line
    assert line["vip"] == "web" and line["port"] == getattr(shunt, listener)
    client.sock.close()


@pytest.mark.parametrize("name,end", [("other.example.com", "no_name"), ("dead.example.com", "unreachable")])
def test_passthroughs_that_never_began_have_their_line(shunt, name, end):
    hello(shunt, name)
    line = wait_until(lambda: [x for x in shunt.accesses()
                               if x.get("host") == name and x["protocol"] == "tls-passthrough"], "its line")[0]
    assert line["end"] == end and add_up(line)


def test_a_tunnel_of_any_bytes_has_its_line(shunt):
    client = shunt.at("stream")
    address = client.sock.getsockname()
    client.send(request(path=b"/x"))
    assert client.read_answer().status == 200
    client.finish()
    assert client.read_all().ending == "eof"
    line = shunt.line_of(address)
    assert line["end"] == "done" and "status" not in line and "response_us" not in line
    assert line["bytes_in"] == len(request(path=b"/x")) and line["bytes_out"] > 0 and add_up(line)


def test_exchanges_of_one_connection_share_it_and_have_names_of_their_own(shunt):
    client = shunt.at("port")
    for _ in range(3):
        shunt.ask(client)
    lines = wait_until(lambda: (found := shunt.lines_of(client.sock.getsockname())) and
                       len(found) == 3 and found, "three lines")
    assert len({line["session"] for line in lines}) == 1
    assert len({line["request_id"] for line in lines}) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", line["request_id"]) for line in lines)
    assert [line.get("reused", False) for line in lines][1:] == [True, True]
    assert all(add_up(line) and line["idle_us"] >= 0 for line in lines)
    client.sock.close()


@pytest.mark.parametrize("listener,header,given,taken,forwarded", [
    ("port", "X-Request-ID", "a-name:1", True, True),      # of a trusted client
    ("port", "X-Request-ID", 'a"b', False, True),          # no name
    ("port", "X-Request-ID", "x" * 65, False, True),       # too long
    ("port", "X-Request-ID", None, False, True),
    ("hasty", "X-Name", "stranger", False, True),          # nobody is trusted there
    ("strange", "X-Request-ID", "mine", False, False),     # not our business: it goes on as it is
])
def test_a_request_has_one_name_for_all(shunt, listener, header, given, taken, forwarded):
    client, name = shunt.at(listener), scripted.token()
    address = client.sock.getsockname()
    more = f"{header}: {given}\r\n".encode() if given else b""
    client.send(request(path=b"/" + name, more=more))
    answer = client.read_answer()
    line = shunt.line_of(address)
    told = shunt.origin.whole(name)[0].all(header.lower().encode())
    assert (line["request_id"] == given) == taken
    assert told == [line["request_id"].encode() if forwarded else given.encode()]
    returned = answer.all(header.lower().encode())
    assert returned == ([line["request_id"].encode()] if listener == "hasty" else [])
    client.sock.close()


def test_our_error_answers_say_the_name(shunt):
    client = shunt.at("port")
    client.send(request(host="other"))
    answer = client.read_answer()
    line = shunt.line_of(client.sock.getsockname())
    assert answer.one(b"x-request-id") == line["request_id"].encode()
    assert answer.body.endswith(b"\nrequest " + line["request_id"].encode() + b"\n")
    client.sock.close()


def test_retries_are_counted(shunt):
    client = shunt.at("port")
    client.send(request(host="dead"))
    assert client.read_answer().status == 502
    assert shunt.line_of(client.sock.getsockname())["retries"] == 1
    client.sock.close()


def test_what_a_client_says_breaks_no_line(shunt):
    client = shunt.at("port")
    client.send(b"GET /\xff\xc3\xa4?q=\"\\ HTTP/1.1\r\nHost: good.example.com\r\n\r\n")
    client.read_answer()
    line = shunt.line_of(client.sock.getsockname())  # all lines were parsed for it
    assert line["end"] in ("done", "bad_head", "bad_path")
    client.sock.close()
    with open(shunt.path("access.log"), "rb") as log:
        assert not re.search(rb"[^\n -~]", log.read())


SECRETS = b"Authorization: Basic c2VjcmV0\r\nCookie: id=c2VjcmV0\r\nProxy-Authorization: c2VjcmV0\r\n"


def test_headers_that_were_asked_for_are_there_and_secrets_never():
    with Logged("headers: [User-Agent, Referer], query: hide, level: debug") as shunt:
        client = shunt.at("port")
        client.send(request(path=b"/a?token=c2VjcmV0", more=b"User-Agent: \"me\"\r\n" + SECRETS))
        assert client.read_answer().status == 200
        client.send(request(host="other", path=b"/a?token=c2VjcmV0", more=SECRETS))
        assert client.read_answer().status == 404
        lines = wait_until(lambda: (found := shunt.accesses()) and len(found) == 2 and found, "both")
        assert lines[0]["headers"] == {"User-Agent": '"me"'} and "headers" not in lines[1]
        assert lines[0]["path"] == "/a" and "query" not in lines[0]
        client.sock.close()
        for name in ("access.log", "log"):
            with open(shunt.path(name), encoding="utf-8") as text:
                assert "c2VjcmV0" not in text.read()


def test_a_stopping_shuntd_says_which_requests_it_cut():
    with Logged() as shunt:
        client, name = shunt.at("port"), scripted.token()
        shunt.origin.answers[name] = Answer(())
        client.send(request(path=b"/" + name))
        wait_until(lambda: shunt.origin.whole(name), "the endpoint has it")
        shunt.daemon.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in shunt.log(), "it stops")
        shunt.daemon.send_signal(signal.SIGTERM)  # two at once may be one
        assert shunt.daemon.wait(PATIENCE) == 0
        assert [line["end"] for line in shunt.accesses()] == ["stopped"]
        client.sock.close()


def test_after_a_rotation_lines_go_to_a_new_file(shunt):
    shunt.ask()
    before = len(shunt.accesses())
    os.rename(shunt.path("access.log"), shunt.path("access.log.1"))
    shunt.daemon.send_signal(signal.SIGUSR1)
    wait_until(lambda: os.path.exists(shunt.path("access.log")), "a new file")
    with open(shunt.path("access.log.1"), encoding="utf-8") as old, \
            open(shunt.path("access.log"), "a", encoding="utf-8") as new:
        new.write(old.read())  # so that all lines are found again
    shunt.ask()
    assert len(shunt.accesses()) == before + 1


class Targeted(Logged):
    """The access log goes where the configuration says."""

    def start(self):
        with open(self.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(self.configuration())
        with open(self.path("log"), "w", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(
                [os.path.join(BUILD, "shuntd"), "-c", self.path("plain.yaml"), "--workers", "1", "--admin",
                 self.path("admin.sock")], stdout=subprocess.PIPE, stderr=log)
        wait_until(lambda: "ready" in self.log() or self.daemon.poll() is not None, "shuntd is ready")
        assert self.daemon.poll() is None, self.log()

    def lines_written(self):
        return 0

    def follow(self, section):
        self.log_section = section
        with open(self.path("plain.yaml.new"), "w", encoding="utf-8") as out:
            out.write(self.configuration())
        os.rename(self.path("plain.yaml.new"), self.path("plain.yaml"))
        wait_until(lambda: self.snapshot() > self.seen, "the reload")
        self.seen = self.snapshot()

    seen = 1

    def refused(self):
        """A request that a warning tells of."""
        client = self.at("port")
        client.send(request(host="dead"))
        assert client.read_answer().status == 502
        client.sock.close()

    def snapshot(self):
        return self.daemon_status()["snapshot"]

    def lost(self):
        return self.daemon_status()["access_lines_lost"]


def test_target_and_level_follow_a_reload():
    with Targeted("access: stdout, level: notice") as shunt:
        shunt.ask()
        assert json.loads(shunt.daemon.stdout.readline())["end"] == "done"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
            syslog.settimeout(PATIENCE)
            syslog.bind(shunt.path("syslog"))
            shunt.follow(f"level: notice, access: 'syslog:{shunt.path('syslog')}'")
            shunt.ask()
            said = syslog.recv(8192).decode()
            shunt.refused()
            assert b"unreachable" in syslog.recv(8192)
        prefix, line = said.split(": ", 1)
        assert re.fullmatch(r"<134>\w{3} [ \d]\d \d\d:\d\d:\d\d shuntd\[%d\]" % shunt.daemon.pid, prefix)
        assert json.loads(line)["end"] == "done"
        said = shunt.log()
        assert "of upstream dead" in said
        shunt.follow("access: off, level: error")
        shunt.refused()
        assert shunt.lost() == 0
        assert shunt.log()[len(said):].count("\n") <= 1  # that the snapshot is in effect


def test_a_reader_that_sleeps_holds_nobody_up():
    with Targeted("access: stdout, headers: [X-Long]") as shunt:
        client = shunt.at("port")
        asked = 0
        while shunt.lost() == 0:  # the pipe and the ring are bounded
            for _ in range(200):
                client.send(request(host="said", path=b"/" + b"x" * 600, more=b"X-Long: " + b"y" * 180 + b"\r\n"))
                assert client.read_answer().body == b"said"
                asked += 1
            assert asked < 4000
        shunt.ask()
        shunt.daemon.stdout.close()
        client.sock.close()


def test_what_peers_cause_is_said_a_few_times_and_then_counted():
    with Logged() as shunt:
        client, began = shunt.at("port"), time.monotonic()
        for _ in range(20):
            client.send(request(host="dead"))
            assert client.read_answer().status == 502
        windows = 1 + (time.monotonic() - began) // LOG_WINDOW_S
        said = shunt.log().count("of upstream dead")
        assert 5 <= said <= 5 * windows
        client.sock.close()
        shunt.daemon.terminate()
        shunt.daemon.wait(PATIENCE)
        counted = re.findall(r"warning: (\d+) more suppressed of: endpoint ", shunt.log())
        assert counted and said + sum(map(int, counted)) == 40
