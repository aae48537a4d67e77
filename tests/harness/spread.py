"""Who answers many flows: spread.py tcp|udp ADDRESS PORT COUNT.

For each line on standard input it prints a JSON list of the names that answered, one for each flow: with tcp
the first word of a page, on so many new connections; with udp the first word of a datagram's answer, on the
same sockets each time, or with "new" from ports that nobody had before.
"""
import itertools
import json
import selectors
import socket
import sys
import time

PATIENCE_S, AGAIN_S = 90, 1
PORTS_FROM = 10000


def page(where):
    with socket.create_connection(where, timeout=PATIENCE_S) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        got = b""
        while data := sock.recv(65536):
            got += data
    return got.split(b"\r\n\r\n", 1)[1].split()[0].decode()


def sockets(where, ports, count):
    made = []
    for _ in range(count):
        sock = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", next(ports)))
        sock.connect(where)
        made.append(sock)
    return made


def ask(all_of):
    """One answer for each; what is lost is asked again."""
    names, until = {}, time.monotonic() + PATIENCE_S
    loop = selectors.DefaultSelector()
    for sock in all_of:
        loop.register(sock, selectors.EVENT_READ)
    while len(names) < len(all_of) and time.monotonic() < until:
        for sock in all_of:
            if sock not in names:
                sock.send(b"who")
        turn = time.monotonic() + AGAIN_S
        while len(names) < len(all_of) and time.monotonic() < turn:
            for key, _ in loop.select(turn - time.monotonic()):
                names[key.fileobj] = key.fileobj.recv(1000).split()[0].decode()
    loop.close()
    return [names.get(sock, "nobody") for sock in all_of]


def main():
    kind, where, count = sys.argv[1], (sys.argv[2], int(sys.argv[3])), int(sys.argv[4])
    ports = itertools.count(PORTS_FROM)  # none twice: a flow is known for a while
    held = sockets(where, itertools.repeat(0), count) if kind == "udp" else []
    for line in sys.stdin:
        if kind == "tcp":
            names = [page(where) for _ in range(count)]
        else:
            if line.strip() == "new":
                held = sockets(where, ports, count)
            names = ask(held)
        print(json.dumps(names), flush=True)


if __name__ == "__main__":
    main()
