"""An endpoint that remembers every byte it got and says what a test tells it to.

One thread serves all connections. A test names its exchanges by tokens (idXXXXXXXX), which stand
somewhere in the request: what arrived is found by token, and so is what to answer.
"""
import collections
import dataclasses
import itertools
import re
import selectors
import socket
import struct
import threading
import time

from tests.harness import http1

TOKEN = re.compile(rb"id[0-9a-f]{8}")
NUMBERS = itertools.count(1)


def token():
    """A name that no other exchange of this process has."""
    return b"id%08x" % next(NUMBERS)


@dataclasses.dataclass
class Answer:
    """Pieces are sent one a turn of the loop. end: keep, close, reset, or echo."""
    pieces: tuple
    end: str = "keep"


@dataclasses.dataclass
class Seen:
    """A request that arrived: whole, or cut off by the end of its connection."""
    message: http1.Message
    raw: bytes
    conn: int
    whole: bool


class Conn:
    """One connection of the origin."""

    def __init__(self, sock, number):
        self.sock, self.number = sock, number
        self.data = b""
        self.out = collections.deque()
        self.end = "keep"
        self.continued = False
        self.writing = False


def default_answer(message):
    """Says which request it answers, so that a test sees whose answer it got."""
    body = b"%s %s" % (message.method, message.target)
    if message.one(b"upgrade") is not None:
        return Answer((b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       b"Connection: Upgrade\r\n\r\n",), "echo")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Origin: yes\r\n\r\n" % len(body)
    return Answer((head + (b"" if message.method == b"HEAD" else body),))


class Origin:
    """The endpoint. seen: by token; faults: what shunt must never have written."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.seen = collections.defaultdict(list)
        self.faults = []
        self.answers = {}
        self.delay = 0  # seconds before each answer; the others wait as well
        self.conns = {}
        self.accepted = 0
        self.loop = selectors.DefaultSelector()
        self.wake, self.woken = socket.socketpair()
        self.loop.register(self.listener, selectors.EVENT_READ)
        self.loop.register(self.woken, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        """Ends the thread and all connections; once is enough."""
        if self.loop.get_map() is None:
            return
        self.wake.send(b"x")
        self.thread.join(10)
        for conn in list(self.conns.values()):
            conn.sock.close()
        for sock in (self.listener, self.wake, self.woken):
            sock.close()
        self.loop.close()

    def whole(self, name):
        """The whole requests that came under that token, in order."""
        with self.lock:
            return [seen.message for seen in self.seen.get(name, ()) if seen.whole]

    def unfinished(self):
        """Connections that are open and have a part of a request."""
        return [conn for conn in list(self.conns.values()) if conn.data]

    # --- the loop ---

    def serve(self):
        while True:
            for key, events in self.loop.select():
                if key.fileobj is self.woken:
                    return
                if key.fileobj is self.listener:
                    self.accept()
                    continue
                conn = key.data
                if events & selectors.EVENT_READ:
                    self.on_read(conn)
                if events & selectors.EVENT_WRITE and conn.number in self.conns:
                    self.on_write(conn)

    def accept(self):
        sock, _ = self.listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.accepted += 1
        conn = Conn(sock, self.accepted)
        self.conns[conn.number] = conn
        self.loop.register(sock, selectors.EVENT_READ, conn)

    def drop(self, conn, how="close"):
        if self.conns.pop(conn.number, None) is None:
            return
        if conn.data and conn.end != "echo":
            self.note(conn, http1.Message(), conn.data, False)
        self.loop.unregister(conn.sock)
        if how == "reset":
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conn.sock.close()

    def note(self, conn, message, raw, whole):
        found = TOKEN.search(raw)
        with self.lock:
            self.seen[found[0] if found else b""].append(Seen(message, raw, conn.number, whole))

    def on_read(self, conn):
        try:
            data = conn.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(conn)
            return
        if conn.end == "echo":
            self.say(conn, Answer((data,), "echo"))
            return
        conn.data += data
        while conn.data and conn.end == "keep":
            try:
                found = http1.take(conn.data)
            except http1.Broken as why:
                self.faults.append((str(why), conn.data))
                self.drop(conn)
                return
            if not found:
                self.go_on(conn)
                return
            message, used = found
            conn.data, conn.continued = conn.data[used:], False
            self.judge(message)
            self.note(conn, message, message.raw, True)
            found = TOKEN.search(message.raw)
            answer = self.answers.get(found[0]) if found else None
            self.say(conn, answer or default_answer(message))

    def go_on(self, conn):
        """Half a request that waits for 100 (Continue) gets it."""
        head = http1.take_head(conn.data)
        if head and head[0].one(b"expect") and not conn.continued:
            conn.continued = True
            self.say(conn, Answer((b"HTTP/1.1 100 Continue\r\n\r\n",)))

    def judge(self, message):
        """What must hold for every request that shunt writes (RFC 9110, 7.6)."""
        options = b",".join(message.all(b"connection")).lower().replace(b" ", b"").split(b",")
        checks = (
            (len(message.all(b"host")) == 1, "not one Host"),
            (message.all(b"via")[-1:] == [b"1.1 shunt"] or message.all(b"via")[-1:] == [b"1.0 shunt"],
             "no Via of ours"),
            (message.all(b"x-forwarded-for") == [b"127.0.0.1"], "not the client in X-Forwarded-For"),
            (not set(options) - {b"", b"close", b"upgrade", b"te"}, "Connection was passed on"),
            (not message.all(b"keep-alive") + message.all(b"proxy-connection"), "a hop-by-hop field"),
            (message.one(b"te") in (None, b"trailers"), "TE was passed on"),
            (message.target.startswith(b"/") or message.target == b"*", "not in origin-form"),
        )
        self.faults += [(why, message.raw) for good, why in checks if not good]

    def say(self, conn, answer):
        if self.delay:
            time.sleep(self.delay)
        conn.out.extend(answer.pieces)
        conn.end = answer.end
        self.on_write(conn)

    def on_write(self, conn):
        if conn.out:
            piece = conn.out.popleft()
            try:
                sent = conn.sock.send(piece)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.drop(conn)
                return
            if sent < len(piece):
                conn.out.appendleft(piece[sent:])
        if not conn.out and conn.end in ("close", "reset"):
            self.drop(conn, conn.end)
            return
        if bool(conn.out) != conn.writing:
            conn.writing = not conn.writing
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if conn.writing else 0)
            self.loop.modify(conn.sock, events, conn)
