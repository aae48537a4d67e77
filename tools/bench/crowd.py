"""Clients that a proxy has to bear: idle ones, heads that come by single bytes, readers that hardly read.

A `Crowd` is made of connections to one port, and a thread that keeps the slow ones just alive. What
the proxy closes is opened anew, so that the crowd stays as large as it was.
"""
import os
import socket
import threading
import time

from load import ask, cpus

ROUND_S = 4  # in which every slow one makes a move
STEPS = 80  # of a round
HEAD = b"GET / HTTP/1.1\r\nHost: bench.example\r\nX-Slow: "
LARGE = b"GET /1m HTTP/1.1\r\nHost: bench.example\r\n\r\n"
READ_BYTES = 2048


class Crowd:
    """Of so many of each kind; `with` it is there, and behind it gone."""

    def __init__(self, port, idle, heads, readers):
        self.port, self.counts, self.opened_again = port, (idle, heads, readers), 0
        self.idle, self.heads, self.readers = [], [], []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        idle, heads, readers = self.counts
        self.idle = [ask(self.port) for _ in range(idle)]
        self.heads = [self._open(HEAD) for _ in range(heads)]
        self.readers = [self._open(LARGE, READ_BYTES) for _ in range(readers)]
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        for sock in (*self.idle, *self.heads, *self.readers):
            sock.close()

    def _open(self, first, room=0):
        sock = socket.socket()
        if room:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)  # before the window is told
        sock.settimeout(10)
        sock.connect(("127.0.0.1", self.port))
        sock.sendall(first)
        sock.setblocking(False)
        return sock

    def _move(self, kind, at):
        """One byte more, or a few less; False: the connection has ended."""
        sock = kind[at]
        try:
            if kind is self.readers:
                return sock.recv(READ_BYTES) != b""
            sock.send(b"x")
            return True
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _run(self):
        os.sched_setaffinity(threading.get_native_id(), cpus()["client"])
        step = 0
        while not self.ended.wait(ROUND_S / STEPS):
            for kind, first, room in ((self.heads, HEAD, 0), (self.readers, LARGE, READ_BYTES)):
                for at in range(step, len(kind), STEPS):
                    if not self._move(kind, at):
                        kind[at].close()
                        kind[at] = self._open(first, room)
                        self.opened_again += 1
            step = (step + 1) % STEPS


def settle(seconds=3):
    """What the crowd's arrival made to do is done before anything is measured."""
    time.sleep(seconds)
