"""Streams that come and go in every way: /usr/bin/python3 churn.py ADDRESS PORT THREADS SEED.

Each connection asks for an echo, checks some bytes of it, and ends: finished, reset, finished on one side first,
or vanished without a packet; the next may have the port of the last at once. Ends with standard input and prints
{"ok", "errors", "stalled"}: errors are what a connection was cut by, stalled what came to no end.
"""
import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time

PATIENCE = 90
REQUEST = b"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
TCP_REPAIR = 19
COUNT = {"ok": 0}
ERRORS, STALLED = [], []
KEPT = {}  # the socket of each thread


def reset_on_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def exact(sock, n):
    got = b""
    while len(got) < n:
        data = sock.recv(min(1 << 16, n - len(got)))
        if not data:
            raise ConnectionError(f"closed after {len(got)} of {n}")
        got += data
    return got


def echo(sock, dice):
    data = dice.randbytes(dice.choice((1, 100, 30000)))
    sock.sendall(data)
    if exact(sock, len(data)) != data:
        raise ValueError("another echo")


def one(where, dice, source, phase):
    """Returns the port that the next may take at once. phase: how far it came, by which port."""
    phase[:] = ["connect", source]
    KEPT[threading.get_ident()] = sock = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    sock.settimeout(PATIENCE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if source:
        with contextlib.suppress(OSError):  # somebody else has it by now
            sock.bind(("", source))
    sock.connect(where)
    source = sock.getsockname()[1]
    phase[:] = ["request", source]
    sock.sendall(REQUEST)
    got = b""
    while not got.endswith(b"streaming\n"):
        got += exact(sock, 1)
    for i in range(dice.randrange(12)):
        phase[0] = f"echo {i}"
        echo(sock, dice)
        time.sleep(dice.random() / 100)
    end = dice.choice(("finish", "finish", "reset", "reset", "talk on", "vanish"))
    phase[0] = end
    if end == "reset":
        reset_on_close(sock)
    elif end == "vanish" and os.geteuid() == 0 and dice.random() < 0.3:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    else:
        if end == "talk on":
            sock.sendall(b"last words")
        sock.shutdown(socket.SHUT_WR)
        if end == "talk on" and exact(sock, 10) != b"last words":
            raise ValueError("other last words")
        if sock.recv(1):
            raise ValueError("bytes behind the end")
        end = "finish"
    sock.close()
    # Behind its own FIN an end waits for a minute, and the kernel lets nobody have the port.
    return source if end != "finish" and dice.random() < 0.5 else 0


def sockets(port):
    """What the kernel knows of the client's: it is there as long as nobody closes it."""
    return subprocess.run(["ss", "-tnoiaH", "sport", "=", f":{port}"], capture_output=True, text=True, check=False).stdout


def run(where, seed, stop):
    dice, source, phase = random.Random(seed), 0, []
    while not stop.is_set():
        try:
            source = one(where, dice, source, phase)
            COUNT["ok"] += 1
        except TimeoutError:
            STALLED.append(f"{time.strftime('%X')}: {phase}: {sockets(phase[1])}")
            return
        except ValueError as error:
            STALLED.append(f"{error!r}: {phase}")  # as bad: never excused
            return
        except OSError as error:
            if source and "in use" in str(error):  # by another thread of ours, since
                source = 0
                continue
            ERRORS.append(f"{error!r}: {phase}")
            source = 0
            time.sleep(0.05)


def main():
    where, threads, seed = (sys.argv[1], int(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4])
    stop = threading.Event()
    all_of_them = [threading.Thread(target=run, args=(where, seed * 1000 + i, stop), daemon=True) for i in range(threads)]
    for thread in all_of_them:
        thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in all_of_them:
        thread.join(2 * PATIENCE)
        if thread.is_alive():
            STALLED.append("a thread")
    print(json.dumps({"ok": COUNT["ok"], "errors": ERRORS[:5], "error_count": len(ERRORS), "stalled": STALLED}))


if __name__ == "__main__":
    main()
