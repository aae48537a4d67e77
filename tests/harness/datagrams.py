"""Large datagrams: datagrams.py serve ADDRESS PORT NAME | ask ADDRESS PORT BYTES.

The server answers with its name, the length and the SHA-256 of what it got. ask sends one until it has an
answer, since those that find the path too narrow are lost, and says whether the answer is right.
"""
import hashlib
import os
import socket
import sys


def digest(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}"


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(address, port, name):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    sock.bind((address, port))
    while True:
        data, source = sock.recvfrom(65536)
        sock.sendto(f"{name} {digest(data)}".encode(), source)


def ask(address, port, count):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    sock.settimeout(0.2)
    sock.connect((address, port))
    data = os.urandom(count)
    for _ in range(500):
        try:
            sock.send(data)
            name, got = sock.recv(1000).decode().split(" ", 1)
        except OSError:  # nothing yet, or the kernel tells what it learned
            continue
        print(name, "ok" if got == digest(data) else f"got {got}")
        return
    print("no answer")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
