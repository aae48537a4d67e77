"""Keep-alive connections with random mixtures of small and large bodies both ways, every byte checked.

    /usr/bin/python3 bodies.py ADDRESS PORT CONNECTIONS REQUESTS SEED LARGEST [HOST...]

Requests alternate between the hosts. Ends with "ok CONNECTIONS", or with what was wrong first. Prints
the slowest small request in ms.
"""
import hashlib
import random
import socket
import sys
import threading
import time

PATIENCE = 120


def pattern(seed, n):
    """What origin.py sends for /pattern/SEED/N."""
    return random.Random(seed).randbytes(n)


class Connection:
    def __init__(self, address, port):
        self.sock = socket.create_connection((address, port), timeout=PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb", 1 << 18)

    def answer(self):
        status = self.file.readline()
        length = None
        while True:
            line = self.file.readline()
            if line in (b"\r\n", b""):
                break
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if not status.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"answered {status!r}")
        body = self.file.read(length)
        if len(body) != length:
            raise ValueError(f"cut after {len(body)} of {length} bytes")
        return body

    def get(self, host, seed, n):
        self.sock.sendall(b"GET /pattern/%d/%d HTTP/1.1\r\nHost: %s\r\n\r\n" % (seed, n, host.encode()))

    def post(self, host, data):
        self.sock.sendall(b"POST /pattern HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"
                          % (host.encode(), len(data)) + data)

    def check(self, what, body, expected):
        if body != expected:
            at = next((i for i, (x, y) in enumerate(zip(body, expected)) if x != y), len(expected))
            raise ValueError(f"{what}: differs from byte {at} of {len(expected)} on")


def run(number, address, port, requests, seed, largest, hosts, failures, slow):
    rng = random.Random(seed * 1000003 + number)
    try:
        connection = Connection(address, port)
        for i in range(requests):
            host = hosts[(number + i) % len(hosts)]
            kind = rng.choice(("small", "down", "up", "pipeline"))
            size = rng.randrange(1, largest) if kind != "small" else rng.randrange(1, 2000)
            once = rng.randrange(1 << 30)
            began = time.monotonic()
            if kind == "up":
                data = pattern(once, size)
                connection.post(host, data)
                expected = f"{size} {hashlib.sha256(data).hexdigest()}\n".encode()
                connection.check(f"request {i}, {size} bytes up", connection.answer(), expected)
                continue
            connection.get(host, once, size)
            if kind == "pipeline":
                connection.get(hosts[(number + i + 1) % len(hosts)], once + 1, 100)
            connection.check(f"request {i}, {size} bytes down", connection.answer(), pattern(once, size))
            if kind == "pipeline":
                connection.check(f"request {i}, behind {size} bytes", connection.answer(),
                                 pattern(once + 1, 100))
            if kind == "small":
                slow.append(time.monotonic() - began)
        connection.sock.close()
    except (OSError, ValueError) as error:
        failures.append(f"connection {number}: {error!r}")


def main():
    address, port, connections, requests, seed, largest = sys.argv[1], *map(int, sys.argv[2:7])
    hosts = sys.argv[7:] or ["x.example.com"]
    failures, slow = [], [0.0]
    threads = [threading.Thread(target=run, args=(n, address, port, requests, seed, largest, hosts,
                                                  failures, slow)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"slowest {max(slow) * 1000:.1f}")
    print(failures[0] if failures else f"ok {connections}")


if __name__ == "__main__":
    main()
