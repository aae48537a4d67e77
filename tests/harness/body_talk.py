"""Bodies that last: /usr/bin/python3 body_talk.py ADDRESS PORT COUNT HOST.

COUNT connections, in turns with large answers and large uploads, one after the other and each at a steady
pace, until standard input ends. What is said and asked is as with client.py; a turn is a piece of a body.
A connection that is closed between two exchanges is made anew ("again"); within one, that is bad: then "all"
says whether this is so of all of them.
"""
import hashlib
import json
import socket
import sys
import threading
import time

from bodies import Connection, pattern

PIECE, PIECES, PACE = 1 << 17, 64, 0.004
SEED = 7
DATA = pattern(SEED, PIECE * PIECES)
UPLOADED = f"{len(DATA)} {hashlib.sha256(DATA).hexdigest()}\n".encode()


class Closed(Exception):
    """Before a byte of an answer: the request was not heard, as between two exchanges."""


class BodyTalk(threading.Thread):
    def __init__(self, where, host, upload, stop):
        super().__init__(daemon=True)
        self.where, self.host, self.upload, self.stop = where, host.encode(), upload, stop
        self.turns, self.error, self.again, self.last = 0, None, 0, False

    def head(self, connection):
        """The length of the body that follows."""
        try:
            status = connection.file.readline()
        except ConnectionResetError as error:
            raise Closed from error
        if not status:
            raise Closed
        if not status.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"answered {status!r}")
        length, self.last = None, False
        for line in iter(connection.file.readline, b"\r\n"):
            if not line:
                raise ValueError("cut within a head")
            name, value = line.lower().split(b":", 1)
            length = int(value) if name == b"content-length" else length
            self.last = self.last or (name == b"connection" and b"close" in value)
        return length

    def send(self, connection):
        connection.sock.sendall(b"POST /pattern/up HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"
                                % (self.host, len(DATA)))
        for at in range(0, len(DATA), PIECE):
            connection.sock.sendall(DATA[at:at + PIECE])
            self.turns += 1
            time.sleep(PACE)
        got = connection.file.read(self.head(connection))
        if got != UPLOADED:
            raise ValueError(f"the upload was taken for {got!r}")

    def receive(self, connection):
        connection.get(self.host.decode(), SEED, len(DATA))
        if self.head(connection) != len(DATA):
            raise ValueError("another length")
        for at in range(0, len(DATA), PIECE):
            got = connection.file.read(PIECE)
            if got != DATA[at:at + PIECE]:
                raise ValueError(f"{len(got)} bytes from {at} on are not as they were")
            self.turns += 1
            time.sleep(PACE)

    def run(self):
        connection = None
        try:
            while not self.stop.is_set():
                if not connection:
                    connection = Connection(*self.where)
                    # Or all of a body would be here long before it is read.
                    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
                fresh = self.turns
                try:
                    (self.send if self.upload else self.receive)(connection)
                except Closed:
                    if self.turns > fresh:
                        raise ValueError("closed within an upload")
                    self.last = True
                if self.last:
                    self.again += 1
                    connection.sock.close()
                    connection = None
        except Exception as error:  # counted
            self.error = repr(error)


def main():
    where, count = (sys.argv[1], int(sys.argv[2])), int(sys.argv[3])
    stop = threading.Event()
    talks = [BodyTalk(where, sys.argv[4], i % 2 == 1, stop) for i in range(count)]
    for talk in talks:
        talk.start()
    while any(t.turns == 0 and not t.error for t in talks):
        time.sleep(0.01)
    print("ready", flush=True)
    for _ in sys.stdin:
        least = -1 if any(t.error for t in talks) else min(t.turns for t in talks)
        print(json.dumps({"least": least, "errors": [t.error for t in talks if t.error][:3],
                          "all": all(t.error for t in talks), "again": sum(t.again for t in talks)}), flush=True)
    stop.set()
    for talk in talks:
        talk.join(90)
    bad = [t.error or "stalled" for t in talks if t.error or t.is_alive()]
    print(json.dumps({"ok": count - len(bad), "bad": len(bad), "errors": bad[:3],
                      "turns": sum(t.turns for t in talks), "again": sum(t.again for t in talks)}))


if __name__ == "__main__":
    main()
