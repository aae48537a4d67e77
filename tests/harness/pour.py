"""A connection that waits before it moves bytes: pour.py ADDRESS PORT BYTES REQUEST.

Connects, sends the request and has one line echoed; prints "ready". For each line of standard input it
sends BYTES and wants them back the same; then it prints "ok", or what went wrong.
"""
import os
import socket
import sys
import threading


def exactly(sock, count):
    got = bytearray()
    while len(got) < count:
        data = sock.recv(65536)
        if not data:
            raise RuntimeError(f"closed after {len(got)} of {count}")
        got += data
    return bytes(got)


def main():
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sock = socket.create_connection((address, port), timeout=90)
    sock.sendall(sys.argv[4].encode().decode("unicode_escape").encode())
    head = b""
    while not head.endswith(b"streaming\n"):
        head += exactly(sock, 1)
    sock.sendall(b"hello")
    assert exactly(sock, 5) == b"hello"
    print("ready", flush=True)
    for _ in sys.stdin:
        data = os.urandom(count)
        sender = threading.Thread(target=sock.sendall, args=(data,), daemon=True)
        sender.start()
        print("ok" if exactly(sock, count) == data else "other bytes", flush=True)


if __name__ == "__main__":
    main()
