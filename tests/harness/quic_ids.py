"""Servers that name themselves in connection ids, and their client.

    quic_ids.py serve ADDRESS PORT SERVER_ID(hex) CONFIG_ID
    quic_ids.py ask ADDRESS PORT [FROM_ADDRESS]

No QUIC but its invariants (RFC 8999): a server answers a long header with one whose source id is of
its own making, by draft-ietf-quic-load-balancers, and any datagram with its name and the id that it was
sent to. It knows only ids that it has made. The client reads commands: "open N" begins so many
connections, each from a socket of its own; "move" gives each another socket, so another port, from
FROM_ADDRESS on if there is one; "turn" sends a short header on each, until answered. It says which servers
have answered, and how many connections have been told that nobody knows them.
"""
import json
import os
import socket
import sys

TRIES, WAIT_S = 600, 0.2


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(address, port, server_id, config):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    sock.bind((address, port))
    made = set()
    size = 1 + len(server_id) + 6
    while True:
        data, source = sock.recvfrom(2000)
        if data[0] & 0x80:
            theirs = data[6:6 + data[5]]
            if theirs not in made:
                nonce = os.urandom(6)
                theirs = bytes([config << 5 | size - 1]) + server_id + nonce
                made.add(theirs)
            sock.sendto(b"hello " + server_id.hex().encode() + b" " + theirs.hex().encode(), source)
        else:
            known = data[1:1 + size] in made
            sock.sendto(b"turn " + server_id.hex().encode() + b" " + (b"known" if known else b"lost"), source)


class Connection:
    def __init__(self, peer):
        self.peer, self.sock, self.server_id, self.cid = peer, None, None, None

    def move(self, source=None):
        old = self.sock  # kept until the new one has its port: else it might get the same
        self.sock = socket.socket(family(self.peer[0]), socket.SOCK_DGRAM)
        if source:
            self.sock.bind((source, 0))
        self.sock.settimeout(WAIT_S)
        self.sock.connect(self.peer)
        if old:
            old.close()

    def exchange(self, data, kind):
        """What a server says to it; datagrams may be lost while addresses are being learned."""
        for _ in range(TRIES):
            try:
                self.sock.send(data)
                words = self.sock.recv(2000).decode().split()
            except OSError:
                continue
            if words[0] == kind:
                return words[1:]
        raise TimeoutError("no answer")

    def open(self):
        self.move()
        made_up = os.urandom(8)
        first = b"\xc3\x00\x00\x00\x01\x08" + made_up + b"\x00"
        self.server_id, cid = self.exchange(first, "hello")
        self.cid = bytes.fromhex(cid)

    def turn(self):
        """Whether the server that has the connection got it."""
        server_id, known = self.exchange(b"\x43" + self.cid + b"data", "turn")
        return server_id == self.server_id and known == "known"


def ask(peer, source):
    connections = []
    for line in sys.stdin:
        words = line.split()
        if words[0] == "open":
            fresh = [Connection(peer) for _ in range(int(words[1]))]
            for one in fresh:
                one.open()
            connections += fresh
        elif words[0] == "move":
            for one in connections:
                one.move(source)
        elif words[0] == "forget":
            connections = [one for one in connections if one.server_id != words[1]]
        lost = sum(not one.turn() for one in connections) if words[0] == "turn" else 0
        print(json.dumps({"servers": sorted({one.server_id for one in connections}),
                          "fresh": sorted({one.server_id for one in fresh}) if words[0] == "open" else [],
                          "count": len(connections), "lost": lost}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]), bytes.fromhex(sys.argv[4]), int(sys.argv[5]))
    else:
        ask((sys.argv[2], int(sys.argv[3])), sys.argv[4] if len(sys.argv) > 4 else None)
