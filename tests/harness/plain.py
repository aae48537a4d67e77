"""shuntd as a plain proxy on loopback beside an endpoint that a test scripts: no devices, no
namespaces."""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from tests.harness import http1, scripted
from tests.harness.run import BUILD, PATIENCE, SHUNTD, wait_until

PARALLEL = 400

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all,
          timeouts: {{ head: 10m, idle: 10m, body: 10m, response: 10m }} }}
      - {{ port: {hasty}, protocol: http, routes: all, timeouts: {{ body: 3s, response: 3s }} }}
node: {{ tunnel_address: 127.0.0.1 }}
routes: {{ all: [ {{ name: all, upstream: origin }} ] }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
"""


def hold_port():
    """A socket on a port that the kernel gives to nobody else for as long as it is open. It never listens,
    so whoever sets SO_REUSEADDR may bind and listen beside it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


class Client:
    """A connection to shunt. got: all bytes that came; ending: eof, reset or silence."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got, self.ending, self.broken = b"", None, False

    def send(self, data):
        """False once the other side takes no more; what it said can still be read."""
        try:
            self.sock.sendall(data)
        except OSError:
            self.broken = True
        return not self.broken

    def finish(self):
        """Half-closes: nothing more will be sent."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.broken = True

    def reset(self):
        """Away at once."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def read_some(self):
        """What comes next; b"" at the end."""
        try:
            data = self.sock.recv(1 << 16)
            self.ending = None if data else "eof"
        except socket.timeout:
            data, self.ending = b"", "silence"
        except OSError:
            data, self.ending = b"", "reset"
        self.got += data
        return data

    def read_all(self, until=None):
        """Everything up to the end, which also ends this side."""
        more = True
        while more:
            if until:
                self.sock.settimeout(max(0.05, until - time.monotonic()))
            more = self.read_some()
        self.sock.close()
        return self

    def pipeline(self, request, count):
        """So many of it, 64 at once; answers have no body."""
        for _ in range(count // 64):
            self.send(request * 64)
            self.got = b""
            while self.got.count(b"\r\n\r\n") < 64:
                assert self.read_some()

    def read_answer(self, asked=b"GET"):
        """The next response that is not an interim one, or None where none comes."""
        while True:
            found = http1.take(self.got, asked, self.ending is not None)
            if found:
                self.got = self.got[found[1]:]
                if found[0].status >= 200:
                    return found[0]
            elif not self.read_some():
                found = http1.take(self.got, asked, True)
                return found[0] if found else None


class Plain:
    """shuntd and its endpoint, in a temporary folder, ended whatever happens."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="shunt-plain-")
        self.origin = scripted.Origin()
        self.held = []
        self.port, self.hasty = self.free_ports(2)
        self.daemon = None
        self.program, self.more, self.environment = SHUNTD, ["--workers", "1"], {}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def path(self, name):
        return os.path.join(self.dir, name)

    def free_ports(self, count):
        """Ports that nobody listens on, ours until close()."""
        socks = [hold_port() for _ in range(count)]
        self.held += socks
        return [sock.getsockname()[1] for sock in socks]

    def on_one_port(self, make, addresses):
        """make(address, port) for each, on a port that all have free: clients from these addresses may have it too."""
        for _ in range(100):
            port, made = self.free_ports(1)[0], []
            try:
                for address in addresses:
                    made.append(make(address, port))
                return port, made
            except OSError:
                for one in made:
                    one.close()
        raise OSError("no port is free on all addresses")

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port)

    def reload(self):
        """By signal, until the new snapshot is in effect."""
        before = self.log().count(" is in effect")
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log().count(" is in effect") > before, "the reload")

    def start(self):
        with open(self.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(self.configuration())
        with open(self.path("log"), "w", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(
                [self.program, "-c", self.path("plain.yaml"), *self.more, "--access-log",
                 self.path("access.log"), "--admin", self.path("admin.sock")],
                stdout=subprocess.DEVNULL, stderr=log, env=os.environ | self.environment)
        wait_until(lambda: "ready" in self.log() or self.daemon.poll() is not None, "shuntd is ready")
        assert self.daemon.poll() is None, self.log()

    def close(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        self.origin.close()
        for sock in self.held:
            sock.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        """What shuntd said."""
        with open(self.path("log"), encoding="utf-8") as lines:
            return lines.read()

    def daemon_status(self):
        """What shuntctl status says."""
        asked = subprocess.run(
            [os.path.join(BUILD, "shuntctl"), "status", "--json", "--admin", self.path("admin.sock")],
            capture_output=True, text=True, check=True)
        return json.loads(asked.stdout)

    def stats(self):
        """The counters of all workers."""
        return self.daemon_status()["stats"]

    def exchanges(self):
        """How many have ended; 0 where nobody can be asked."""
        got = subprocess.run([os.path.join(BUILD, "shuntctl"), "status", "--json", "--admin",
                              self.path("admin.sock")], capture_output=True, check=False)
        return json.loads(got.stdout)["stats"]["exchanges"] if got.returncode == 0 else 0

    def lines_written(self):
        """Of the access log; they come a moment later than what they tell of."""
        with open(self.path("access.log"), "rb") as lines:
            return lines.read().count(b"\n")

    def accesses(self):
        """The access log, one dictionary a line: all of what has ended by now."""
        wait_until(lambda: self.lines_written() >= self.exchanges(), "all lines of the access log")
        with open(self.path("access.log"), encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def client(self, hasty=False):
        return Client(self.hasty if hasty else self.port)

    def ask(self, client=None):
        """One good request, on a connection of its own unless told otherwise, and its own answer."""
        own = client or self.client()
        name = scripted.token()
        own.send(b"GET /%s HTTP/1.1\r\nHost: good.example.com\r\n\r\n" % name)
        answer = own.read_answer()
        if not client:
            own.sock.close()
        assert self.daemon.poll() is None, self.log()
        assert answer and answer.status == 200, (answer, own.got, own.ending)
        assert answer.body == b"GET /" + name, answer
        assert len(self.origin.whole(name)) == 1

    @staticmethod
    def listen(clients):
        """Each to its end. Patience lasts while they come to one; silent ones, who may be many, share it."""
        until = time.monotonic() + PATIENCE
        for client in clients:
            client.read_all(until)
            if client.ending != "silence" and until > time.monotonic():
                until = time.monotonic() + PATIENCE

    def together(self, jobs, hasty=False):
        """
        jobs: pieces of bytes for one connection each, and how it ends (keep, finish or reset). The
        next pieces of many connections go out in turn, so each is read by itself. The clients, in
        order.
        """
        out = []
        for start in range(0, len(jobs), PARALLEL):
            some = [(self.client(hasty), pieces, end)
                    for pieces, end in jobs[start:start + PARALLEL]]
            for turn in range(max(len(pieces) for _, pieces, _ in some)):
                for client, pieces, _ in some:
                    if turn < len(pieces) and not client.broken:
                        client.send(pieces[turn])
            for client, _, end in some:
                if end == "finish":
                    client.finish()
                elif end == "reset":
                    client.reset()
            self.listen([client for client, _, end in some if end != "reset"])
            out += [client for client, _, _ in some]
        return out
