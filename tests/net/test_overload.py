"""Ceilings: what is beyond them is told so or waits, and what is at work goes on unhurt."""
import contextlib
import os
import resource
import socket
import ssl
import subprocess

import pytest

from tests.harness import scripted
from tests.harness.certificates import Authority
from tests.harness.plain import SHUNTD, Plain
from tests.harness.run import BUILD, PATIENCE, wait_until

CONFIG = """
node: {{ tunnel_address: 127.0.0.1{node} }}
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all, timeouts: {{ idle: 10m, body: 10m }},
          rates: {{ request: 0, response: 0 }} }}
      - {{ port: {hasty}, {second} }}
certificates: {certificates}
routes: {{ all: [ {{ name: all, upstream: origin }} ] }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
"""
FEW = "protocol: http, routes: all, connections: 20, timeouts: { idle: 10m }"


class Full(Plain):
    def __init__(self, node="", second=FEW, key=None):
        super().__init__()
        self.node, self.second, self.certificates = node, second, "{}"
        if key:
            Authority(self.dir).sign("site", ["localhost"], kind=key)
            self.certificates = "{ site: { chain: site.pem, key: site.key } }"

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port, node=self.node,
                             second=self.second, certificates=self.certificates)


def refused(client):
    """Whether a request on it is answered 503, with a time to come back, and the connection ends."""
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = client.read_answer()
    if not answer or answer.status != 503:
        return False
    assert answer.one(b"retry-after") == b"1" and answer.one(b"connection") == b"close", answer
    assert b"no room" in answer.body, answer
    assert client.read_some() == b"" and client.ending == "eof"
    client.sock.close()
    return True


def test_above_its_ceiling_a_listener_says_503_and_its_connections_and_other_listeners_go_on():
    with Full() as shunt:
        held = [shunt.client(hasty=True) for _ in range(20)]
        for client in held:
            shunt.ask(client)
        for _ in range(100):
            assert refused(shunt.client(hasty=True))
        for client in held:
            shunt.ask(client)
        shunt.ask()
        assert shunt.stats()["requests_shed"] == 100
        assert [line["end"] for line in shunt.accesses()].count("overloaded") == 100
        held.pop().sock.close()
        wait_until(lambda: not refused(shunt.client(hasty=True)), "the place is free again")


def test_above_the_ceiling_of_the_node_hundreds_wait_or_are_told_so_and_old_ones_go_on():
    with Full(", connections: 30") as shunt:
        assert "up to 30 connections of clients" in shunt.log()
        held = [shunt.client() for _ in range(30)]
        for client in held:
            shunt.ask(client)
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(shunt.client().sock) for _ in range(300)]
            for sock in crowd:
                sock.sendall(b"GET / HTTP/1.1\r\n") # and no more: each holds what it was given
            for client in held * 3:
                shunt.ask(client)
            wait_until(lambda: shunt.stats()["accept_waits"] > 0, "the listener waits")
            last = shunt.client()
            last.sock.settimeout(PATIENCE)
            assert refused(last) # those before it have had their time
        for client in held:
            shunt.ask(client)
            client.sock.close()
        wait_until(lambda: not refused(shunt.client()), "there is room again")
        assert shunt.stats()["accept_errors"] == 0


class Poor(Full):
    """Hardly any descriptors."""

    def start(self):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        soft = subprocess.Popen # started by a shell that lowers the limit, for shuntd alone
        try:
            subprocess.Popen = lambda args, **more: soft(["prlimit", "--nofile=512:512"] + args, **more)
            super().start()
        finally:
            subprocess.Popen = soft
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_descriptors_do_not_run_out_and_what_to_raise_is_said_at_start():
    with Poor(", connections: 5000") as shunt:
        assert "warning: node.connections is 5000, which takes " in shunt.log()
        assert "this process may open 512: raise LimitNOFILE" in shunt.log()
        good = shunt.client()
        shunt.ask(good)
        crowd = [shunt.client() for _ in range(600)]
        for client in crowd:
            client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        for _ in range(20):
            shunt.ask(good)
        answers = [client.read_answer() for client in crowd]
        assert {answer.status for answer in answers} == {200, 503}
        assert shunt.stats()["accept_errors"] == 0
        shunt.ask(good)
        for client in crowd:
            client.sock.close()


SECURE = "protocol: https, routes: all, certificates: [site], timeouts: { handshake: 3s }"


def served_securely(shunt):
    """Whether a handshake was let to its end, and a request after it answered."""
    context = ssl.create_default_context(cafile=os.path.join(shunt.dir, "ca.pem"))
    raw = socket.create_connection(("127.0.0.1", shunt.hasty), timeout=PATIENCE)
    try:
        with context.wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return secure.recv(4096).startswith(b"HTTP/1.1 200 ")
    except (ssl.SSLError, ConnectionError):
        return False
    finally:
        raw.close()


def test_silent_handshakes_up_to_their_ceiling_hurt_nobody_and_the_next_one_waits_its_turn():
    with Full(", handshakes: 10", SECURE, key="ec") as shunt:
        plain = shunt.client()
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(shunt.client(hasty=True).sock) for _ in range(30)]
            for sock in crowd:
                sock.sendall(b"\x16\x03\x01")
            shunt.ask(plain)
            wait_until(lambda: shunt.stats()["accept_waits"] > 0, "the listener waits")
            for _ in range(20):
                shunt.ask(plain)
            # This client itself may be too slow when its turn comes, on a busy machine.
            wait_until(lambda: served_securely(shunt), "a good one has its turn")
        shunt.ask(plain)


def client_hello():
    """What a client says first, so that many can say it who reckon nothing."""
    context, came, goes = ssl.create_default_context(), ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(came, goes, server_hostname="localhost").do_handshake()
    return goes.read()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("key", ["rsa", "ec"])
def test_hundreds_of_handshakes_take_their_turns_and_those_with_rsa_are_done_aside(version, key):
    with Full("", SECURE.replace("3s", "10m"), key=key) as shunt:
        plain, hello = shunt.client(), client_hello()
        context = ssl.create_default_context(cafile=os.path.join(shunt.dir, "ca.pem"))
        context.minimum_version = context.maximum_version = version
        crowd = [shunt.client(hasty=True) for _ in range(300)]
        for i, client in enumerate(crowd):
            client.send(hello)
            if i % 3 == 0:
                client.reset() # while it waits for its signature, or is being served
            if i % 3 == 1:
                client.finish()
        for _ in range(30):
            shunt.ask(plain)
        for _ in range(3):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", shunt.hasty), timeout=PATIENCE),
                                     server_hostname="localhost") as secure:
                secure.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert secure.recv(4096).startswith(b"HTTP/1.1 200 ")
        for client in crowd[2::3]:
            client.sock.settimeout(PATIENCE)
            assert client.read_some()[:1] == b"\x16", client.ending # its ServerHello
            client.sock.close()
        stats = shunt.stats()
        assert stats["handshakes"] == 3
        if key == "rsa":
            assert stats["handshake_steps_aside"] >= 100 + 2 * 3, stats
        else:
            assert stats["handshake_steps_aside"] == 0
        shunt.ask(plain)
        wait_until(lambda: shunt.stats()["handshakes_failed"] >= 200, "those who went are forgotten")


def hoarder(shunt):
    """Has asked for much and reads nothing, so what is on its way to it stays with shunt."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", shunt.port))
    name = scripted.token()
    shunt.origin.answers[name] = scripted.Answer(
        (b"HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n",) + (b"x" * 65536,) * 256)
    sock.sendall(b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % name)
    return sock


def test_when_memory_is_short_requests_are_refused_and_those_that_run_come_to_their_end():
    with Full(", memory: 16MB, connections: 1900") as shunt:
        good = shunt.client()
        name = scripted.token()
        good.send(b"POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n" % name)
        with contextlib.ExitStack() as stack:
            def short():
                for _ in range(10):
                    stack.enter_context(hoarder(shunt))
                other = shunt.client()
                other.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                answer = other.read_answer()
                other.sock.close()
                return answer is not None and answer.status == 503
            wait_until(short, "memory is short")
            for _ in range(20):
                good.send(b"y" * 100)
            answer = good.read_answer(b"POST")
            assert answer and answer.status == 200, (good.got, good.ending)
            assert len(shunt.origin.whole(name)) == 1
        wait_until(lambda: not refused(shunt.client()), "memory is free again")
        shunt.ask()


@pytest.mark.parametrize("program", ["shuntctl", "shuntd"])
def test_check_says_what_this_machine_cannot_hold(program, tmp_path):
    file = tmp_path / "shunt.yaml"
    file.write_text("node: { connections: 1000000 }\n")
    command = {"shuntctl": [os.path.join(BUILD, "shuntctl"), "check", str(file)],
               "shuntd": [SHUNTD, "--check", "-c", str(file)]}[program]
    done = subprocess.run(["prlimit", "--nofile=1024:1024"] + command, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0
    assert "node.connections is 1000000, which takes " in done.stderr
    assert "this process may open 1024: raise LimitNOFILE of the unit (or ulimit -Hn) to " in done.stderr
