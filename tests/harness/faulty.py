"""Endpoints that fail in every way, on command, and clients that never stop asking and count what they get."""
import collections
import contextlib
import socket
import struct
import threading
import time

from tests.harness.plain import hold_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
BROKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
SLOW_S, FLAP_S = 0.15, 0.25


def cut(sock):
    """With a reset."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Endpoint:
    """mode: ok, stalled, slow, half (of its answers are 500), flapping, breaking (in its bodies), killed.
    hits: when requests of clients came; faults: how many of them it spoiled.
    Its port is its own unless one is given, which then somebody else holds."""

    def __init__(self, address="127.0.0.1", port=None):
        self.address, self.held = address, None if port else hold_port()
        self.port = port or self.held.getsockname()[1]
        self.lock, self.mode = threading.Lock(), "ok"
        self.hits, self.faults, self.probes = [], 0, 0
        self.conns, self.over, self.listener = set(), False, None
        self.open()

    def open(self):
        self.listener = socket.create_server((self.address, self.port), backlog=512)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def shut(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts
        self.listener.close()
        with self.lock:
            gone, self.conns = self.conns, set()
        for sock in gone:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            cut(sock)

    def set(self, mode):
        before, self.mode = self.mode, mode
        if mode == "killed":
            self.shut()
        elif before == "killed":
            self.open()

    def close(self):
        self.shut()
        if self.held:
            self.held.close()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.lock:
                    self.conns.add(sock)
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        data = b""
        with contextlib.suppress(OSError):
            while True:
                got = sock.recv(65536)
                data += got
                if not got:
                    break
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    if not self.answer(sock, head.startswith(b"GET /health")):
                        return
        with self.lock:
            self.conns.discard(sock)
        sock.close()

    def spoils(self):
        """Whether the next one is, and how many came."""
        mode = self.mode
        bad = {"ok": False, "half": len(self.hits) % 2 == 0,
               "flapping": int(time.monotonic() / FLAP_S) % 2 == 0}.get(mode, True)
        return mode if bad else "ok"

    def answer(self, sock, probe):
        """False: the connection is of no more use."""
        with self.lock:
            fault = self.spoils()
            if probe:
                self.probes += 1
                fault = fault if fault in ("stalled", "slow") else "ok"
            else:
                self.hits.append(time.monotonic())
                self.faults += fault not in ("ok", "slow")
        if fault == "stalled":
            return True
        if fault == "slow":
            time.sleep(SLOW_S)
        if fault in ("flapping", "killed"):
            cut(sock)
            return False
        sock.sendall({"half": BAD, "breaking": BROKEN}.get(fault, OK))
        if fault == "breaking":
            cut(sock)
        return fault != "breaking"


class Clients:
    """Threads that ask one request after the other; results: (when, status or how it broke, seconds)."""

    def __init__(self, port, count, pause=0.004):
        self.port, self.pause, self.over = port, pause, threading.Event()
        self.results = collections.deque()
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        sock = None
        while not self.over.wait(self.pause):
            began = time.monotonic()
            try:
                sock = sock or socket.create_connection(("127.0.0.1", self.port), timeout=60)
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
                status, keep = self.read(sock)
            except OSError:
                status, keep = "reset", False
            self.results.append((time.monotonic(), status, time.monotonic() - began))
            if not keep:
                sock = sock and sock.close()

    @staticmethod
    def read(sock):
        """The status of a whole answer, else "cut"; and whether the connection serves on."""
        data = b""
        while b"\r\n\r\n" not in data:
            got = sock.recv(65536)
            if not got:
                return "cut", False
            data += got
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            got = sock.recv(65536)
            if not got:
                return "cut", False
            body += got
        return int(head.split()[1]), b"\r\nconnection: close" not in head.lower()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(60)
