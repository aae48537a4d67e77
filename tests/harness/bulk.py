"""Many connections that send and receive at once, every byte checked.

/usr/bin/python3 bulk.py ADDRESS PORT CONNECTIONS BYTES [REQUEST]: the other end echoes. Prints
"ok N" or what went wrong, and exits 1 then. REQUEST is sent first; its answer ends with a line.
"""
import hashlib
import os
import socket
import sys
import threading

BLOCK = 65536
# More at once only measure how veth's short queues drop packets.
AT_ONCE = threading.Semaphore(10)


def preamble(sock, request, ending):
    """Sends a request, reads until its answer has ended."""
    sock.sendall(request)
    got = b""
    while not got.endswith(ending):
        data = sock.recv(BLOCK)
        if not data:
            raise RuntimeError(f"closed after {got!r}")
        got += data


def send(sock, total, digest):
    sent = 0
    while sent < total:
        block = os.urandom(min(BLOCK, total - sent))
        digest.update(block)
        sock.sendall(block)
        sent += len(block)
    sock.shutdown(socket.SHUT_WR)


def one(*job):
    with AT_ONCE:
        transfer(*job)


def transfer(address, port, total, request, ending, results):
    try:
        sock = socket.create_connection((address, port), timeout=600)
        if request:
            preamble(sock, request, ending)
        out, back, got = hashlib.sha256(), hashlib.sha256(), 0
        sender = threading.Thread(target=send, args=(sock, total, out))
        sender.start()
        while data := sock.recv(BLOCK):
            back.update(data)
            got += len(data)
        sender.join()
        same = out.digest() == back.digest()
        results.append(None if same else f"{got} of {total} bytes, or others than were sent")
        sock.close()
    except Exception as error:  # each is a result
        results.append(repr(error))


def main():
    address, port, count, total = sys.argv[1], *map(int, sys.argv[2:5])
    request = sys.argv[5].encode().decode("unicode_escape").encode() if len(sys.argv) > 5 else b""
    ending = b"streaming\n" if b"/stream" in request else b"\r\n\r\n"
    results = []
    threads = [threading.Thread(target=one, args=(address, port, total, request, ending, results))
               for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bad = [r for r in results if r]
    print(f"ok {len(results)}" if not bad else f"bad {len(bad)} of {len(results)}: {bad[:5]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
