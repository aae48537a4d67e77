"""Connections that pour bytes both ways until told to end: endless.py ADDRESS PORT COUNT REQUEST.

The other end echoes. Each line of standard input is answered by {"least": bytes that the slowest got back so far,
"bad": [..]}; at its end all finish their direction, read what is left, and a last line has {"ok": N, "bad": [..]}.
"""
import json
import os
import socket
import subprocess
import sys
import threading

BLOCK = os.urandom(1000003)  # a prime: no power of two hides a shift
PIECE = 32768


def pattern(at, count):
    at %= len(BLOCK)
    return (BLOCK[at:at + count] + BLOCK[:PIECE * 2])[:count]


class Pour(threading.Thread):
    def __init__(self, where, request, stop):
        super().__init__(daemon=True)
        self.stop, self.sent, self.got, self.bad = stop, 0, 0, None
        self.sock = socket.create_connection(where, timeout=90)
        self.sock.sendall(request)
        head = b""
        while not head.endswith(b"streaming\n"):
            head += self.sock.recv(1) or b"streaming\n"

    def send(self):
        try:
            while not self.stop.is_set():
                self.sock.sendall(pattern(self.sent, PIECE))
                self.sent += PIECE
            self.sock.shutdown(socket.SHUT_WR)
        except Exception as error:  # told at the end
            self.bad = self.bad or repr(error)

    def run(self):
        sender = threading.Thread(target=self.send, daemon=True)
        sender.start()
        try:
            while data := self.sock.recv(PIECE):
                if data != pattern(self.got, len(data)):
                    raise RuntimeError(f"other bytes between {self.got} and {self.got + len(data)}")
                self.got += len(data)
        except Exception as error:  # told at the end
            self.bad = self.bad or repr(error)
        sender.join(90)
        if not self.bad and self.got != self.sent:
            self.bad = f"{self.got} of {self.sent} bytes"


def main():
    stop = threading.Event()
    request = sys.argv[4].encode().decode("unicode_escape").encode()
    pours = [Pour((sys.argv[1], int(sys.argv[2])), request, stop) for _ in range(int(sys.argv[3]))]
    for pour in pours:
        pour.start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps({"least": min(p.got for p in pours), "bad": [p.bad for p in pours if p.bad]}), flush=True)
    stop.set()
    for pour in pours:
        pour.join(90)
    bad = [p.bad or "still runs" for p in pours if p.bad or p.is_alive()]
    print(json.dumps({"ok": len(pours) - len(bad), "bad": bad}), flush=True)


class Endless:
    """The process, for a test."""

    def __init__(self, lab, address, port, count, request):
        self.process = lab.start("client", sys.executable, __file__, address, str(port), str(count), request,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def least(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        got = json.loads(self.process.stdout.readline())
        assert got["bad"] == []
        return got["least"]

    def goes_on(self, count=2_000_000):
        from tests.harness.run import wait_until  # not where this runs by itself
        before = self.least()
        wait_until(lambda: self.least() >= before + count, "all get bytes back")

    def end(self):
        self.process.stdin.close()
        return json.loads(self.process.stdout.readline())


if __name__ == "__main__":
    main()
