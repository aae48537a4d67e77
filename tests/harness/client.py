"""Long-lived connections through the lab: /usr/bin/python3 client.py ADDRESS PORT COUNT REQUEST.

Each sends a numbered line and waits for its echo, over and over, until standard input ends; then
prints a JSON line {"ok": N, "bad": N, "turns": N}. "ready" is printed when all have had one turn.
"""
import json
import socket
import sys
import threading
import time


class Talk(threading.Thread):
    def __init__(self, address, port, request, stop):
        super().__init__(daemon=True)
        self.where, self.request, self.stop = (address, port), request, stop
        self.turns, self.error = 0, None

    def run(self):
        try:
            sock = socket.create_connection(self.where, timeout=90)
            if self.request:
                sock.sendall(self.request)
                got = b""
                while not got.endswith((b"streaming\n", b"\r\n\r\n")):
                    data = sock.recv(4096)
                    if not data:
                        raise RuntimeError(f"closed after {got!r}")
                    got += data
            while not self.stop.is_set():
                line = b"turn %d\n" % self.turns
                sock.sendall(line)
                got = b""
                while len(got) < len(line):
                    data = sock.recv(4096)
                    if not data:
                        raise RuntimeError("closed")
                    got += data
                if got != line:
                    raise RuntimeError(f"sent {line!r}, got {got!r}")
                self.turns += 1
                time.sleep(0.005)
            sock.shutdown(socket.SHUT_WR)
            if sock.recv(10):
                raise RuntimeError("bytes after the end")
        except Exception as error:  # counted
            self.error = repr(error)


def main():
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    request = sys.argv[4].encode().decode("unicode_escape").encode() if len(sys.argv) > 4 else b""
    stop = threading.Event()
    talks = [Talk(address, port, request, stop) for _ in range(count)]
    for talk in talks:
        talk.start()
    while any(t.turns == 0 and not t.error for t in talks):
        time.sleep(0.01)
    print("ready", flush=True)
    for line in sys.stdin:  # "turns": how far everybody is
        least = -1 if any(t.error for t in talks) else min(t.turns for t in talks)
        print(json.dumps({"least": least, "errors": [t.error for t in talks if t.error][:3]}),
              flush=True)
    stop.set()
    for talk in talks:
        talk.join(90)
    bad = [t.error for t in talks if t.error]
    print(json.dumps({"ok": count - len(bad), "bad": len(bad), "errors": bad[:3],
                      "turns": sum(t.turns for t in talks)}))


if __name__ == "__main__":
    main()
