"""A client and an endpoint in this process, whose sockets are in the lab's namespaces: in the midst of a
body that goes from one to the other through the node, each may do whatever it likes.

Blocking calls are in threads of their own; nothing here sleeps.
"""
import contextlib
import ctypes
import itertools
import random
import select
import socket
import struct
import threading

from tests.harness.run import PATIENCE, wait_until

PIECE = 16384
BEGIN = 2 << 20  # of a body, until which its splice has begun
SIZE = 4 << 20
TRIES = 5
NUMBERS = itertools.count(1)
BODY = random.Random(5).randbytes(SIZE)


def in_host(lab, host, work):
    """work() with its sockets in that host."""
    out = []

    def run():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{lab.ns(host)}", "rb") as ns:
            if libc.setns(ns.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
        out.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return out[0]


class End:
    """One end's connection: what it reads is kept as long as nobody says stop."""

    def __init__(self, sock):
        self.sock, self.got, self.how = sock, bytearray(), None
        sock.settimeout(PATIENCE)

    def head(self):
        """Up to the empty line; what is behind it is of the body."""
        while b"\r\n\r\n" not in self.got:
            data = self.sock.recv(PIECE)
            assert data, f"ended after {bytes(self.got)!r}"
            self.got += data
        head, _, self.got = self.got.partition(b"\r\n\r\n")
        return head.decode()

    def more(self, least):
        """Reads until there are so many bytes."""
        while len(self.got) < least:
            data = self.sock.recv(1 << 17)
            assert data, f"ended after {len(self.got)} of {least} bytes"
            self.got += data

    def rest(self):
        """Reads to the end: "eof", "reset", or "open" where none comes."""
        try:
            while True:
                data = self.sock.recv(1 << 17)
                if not data:
                    return "eof"
                self.got += data
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            return "open"

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def send_in_vain(self):
        """Until that fails, as the other side is gone; the word of it."""
        try:
            for _ in range(64):
                self.sock.sendall(bytes(PIECE))
            return "taken"
        except (ConnectionResetError, BrokenPipeError):
            return "refused"
        except TimeoutError:
            return "open"


class Pump(threading.Thread):
    """Sends, or reads, as fast as it can, until it is told to halt or hears that the other side has ended."""

    def __init__(self, end, sends):
        super().__init__()
        self.sock, self.sends, self.first, self.how, self.halted = end.sock, sends, b"", None, False
        self.moved = 0
        self.sock.setblocking(False)
        self.start()

    def turn(self):
        ours = [self.sock]
        readable, writable, _ = select.select([] if self.sends else ours, ours if self.sends else [], [], 0.02)
        if writable:
            self.moved += self.sock.send(BODY[:60000])
        if readable:
            data = self.sock.recv(1 << 17)
            self.moved += len(data)
            self.first = self.first or data[:100]
            if not data:
                self.how = "eof"

    def run(self):
        while not self.halted and not self.how:
            try:
                with contextlib.suppress(BlockingIOError):
                    self.turn()
            except OSError as error:
                self.how = repr(error)

    def halt(self):
        self.halted = True
        self.join()
        self.sock.setblocking(True)


class Pair:
    """A client, and an endpoint at web_a's port; beside: one that shares the listener of another."""

    def __init__(self, lab, port=0, beside=None):
        self.lab = lab
        self.listener = beside.listener if beside else in_host(
            lab, "web_a", lambda: socket.create_server(("10.0.1.2", port)))
        self.listener.settimeout(PATIENCE)
        self.client = self.endpoint = self.path = None

    def spliced(self):
        return self.lab.status()["stats"]["bodies_spliced"]

    def connect(self, port=80):
        address = "203.0.113.10"
        self.client = End(in_host(self.lab, "client",
                                  lambda: socket.create_connection((address, port), timeout=PATIENCE)))

    @staticmethod
    def carry(sender, receiver, begun):
        """Piece by piece until begun(); how much has come by then, all of it right. None: never."""
        sent = 0
        while not begun():
            if sent >= BEGIN:
                return None
            sender.sock.sendall(BODY[sent:sent + PIECE])
            sent += PIECE
            receiver.more(sent)
        assert receiver.got == BODY[:sent]
        return sent

    def ask(self, up, host, port, size):
        """An exchange up to its body; its sender and its receiver."""
        self.path = f"/body/{next(NUMBERS)}"
        self.connect(port)
        head = "POST" if up else "GET"
        self.client.sock.sendall((f"{head} {self.path} HTTP/1.1\r\nHost: {host}\r\n" +
                                  (f"Content-Length: {size}\r\n" if up else "") + "\r\n").encode())
        self.endpoint = End(self.listener.accept()[0])
        self.endpoint.head()
        if up:
            return self.client, self.endpoint
        self.endpoint.sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        self.client.head()
        return self.endpoint, self.client

    def begin(self, up, host="spliced.example.com", port=80, size=SIZE):
        """In the midst of a body; returns how many bytes of it were sent, and have come."""
        if host.startswith("relayed"):
            pieces = iter(range(BEGIN // PIECE // 8))
            return self.carry(*self.ask(up, host, port, size), lambda: next(pieces, None) is None)
        for _ in range(TRIES):
            before = self.spliced()
            sender, receiver = self.ask(up, host, port, size)
            sent = self.carry(sender, receiver, lambda: self.spliced() > before)
            if sent is not None:
                break
            self.close()  # ports that are used again, while what they were for lingers, are not spliced
        assert sent is not None, self.lab.status()["splices"]
        sender.sock.sendall(BODY[sent:sent + PIECE])  # this one goes past the sockets
        receiver.more(sent + PIECE)
        assert receiver.got == BODY[:sent + PIECE]
        return sent + PIECE

    def whole(self, up, sent):
        """The rest of the body comes, and an answer where that is due."""
        sender, receiver = (self.client, self.endpoint) if up else (self.endpoint, self.client)
        thread = threading.Thread(target=sender.sock.sendall, args=(BODY[sent:],))
        thread.start()
        receiver.more(SIZE)
        thread.join()
        assert receiver.got == BODY
        if up:
            self.endpoint.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            assert self.client.head().startswith("HTTP/1.1 200")
            self.client.more(2)
        self.client.got.clear()
        self.endpoint.got.clear()

    def again(self, host="spliced.example.com"):
        """The same client's next request, by any connection to the endpoint."""
        self.client.sock.sendall(f"GET /next HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = self.endpoint.head()
        assert head.startswith("GET /next"), head
        self.endpoint.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
        assert self.client.head().startswith("HTTP/1.1 200")
        self.client.more(4)
        assert self.client.got == b"next"
        self.client.got.clear()

    def end(self):
        """The access log's word of it; None while it is under way."""
        return next((line["end"] for line in self.lab.access_log() if line.get("path") == self.path), None)

    def sockets(self):
        """Of the node, with the client or the endpoint, except those that only linger as TIME_WAIT does."""
        port = self.listener.getsockname()[1]
        return self.lab.sh("lb", "ss", "-Htan", "exclude", "listening", "exclude", "time-wait",
                           f"( sport = :80 or sport = :81 or dport = :{port} )").stdout

    def close(self):
        for end in (self.client, self.endpoint):
            if end:
                end.sock.close()
        self.client = self.endpoint = None

    def nothing_is_left(self):
        """Both ends have closed; then the node holds nothing for them."""
        self.close()
        wait_until(lambda: not self.sockets(), "no socket is left")
        wait_until(lambda: not self.lab.status()["splices"]["legs"], "no leg is left but those that linger")

    def stop(self):
        self.close()
        self.listener.close()
