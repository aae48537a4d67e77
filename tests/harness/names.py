"""A name server on loopback whose records a test writes, and that fails when it is told to."""
import contextlib
import socket
import struct
import threading

A, AAAA, SRV, CNAME = 1, 28, 33, 5
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
DATAGRAM = 1232


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def both_sockets():
    """For datagrams and streams, on one port: somebody else may have either."""
    for _ in range(100):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        try:
            return sock, socket.create_server(sock.getsockname())
        except OSError:
            sock.close()
    raise OSError("no port is free for both")


class NameServer:
    """records: {(name, type): [(ttl, data)]}; data is an address, or for SRV (priority, weight, port, target).
    silent: asks are heard and not answered. rcode: what is said of every name, unless None.
    empty: of every name, that it has no addresses. subset: so many of a name's records are said, by turns. reply: by name, what makes the datagrams
    that answer a query. cut_off: names that must be asked for by TCP, which closes. stop(), begin(): its port is closed, and open again."""

    def __init__(self):
        self.sock, self.listener = both_sockets()
        self.port = self.sock.getsockname()[1]
        self.records, self.asked = {}, []
        self.silent, self.rcode, self.empty = False, None, False
        self.garbage, self.held = None, None
        self.subset, self.turn = None, 0
        self.reply, self.cut_off = {}, set()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        threading.Thread(target=self.serve_streams, daemon=True).start()

    def stop(self):
        """Whoever asks is refused. A socket that hears nobody but itself keeps the port for us."""
        self.end()
        self.held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.held.bind(("127.0.0.1", self.port))
        self.held.connect(self.held.getsockname())

    def begin(self):
        self.held.close()
        self.sock, self.held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), None
        self.sock.bind(("127.0.0.1", self.port))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def end(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(10)
        self.sock.close()

    def close(self):
        if self.held:
            self.held.close()
        else:
            self.end()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def say(self, name, *addresses, ttl=1):
        """What the name's addresses are from now on."""
        for kind, mark in ((A, "."), (AAAA, ":")):
            self.records[(name, kind)] = [(ttl, each) for each in addresses if (":" in each) == (mark == ":")]

    def serve(self):
        while True:
            try:
                query, client = self.sock.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            name = self.name_of(query)
            if name in self.reply:
                for answer in self.reply[name](query):
                    self.sock.sendto(answer, client)
            elif not self.silent:
                answer = self.answer(query)
                if name in self.cut_off or len(answer) > DATAGRAM:  # to be asked for by TCP
                    answer = query[:2] + b"\x83\x80" + struct.pack("!HHHH", 1, 0, 0, 0) + self.question(query)
                self.sock.sendto(answer, client)

    def serve_streams(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_stream, args=(conn,), daemon=True).start()

    def serve_stream(self, conn):
        """Queries until the client closes, or one that is cut off."""
        with conn, contextlib.suppress(OSError, struct.error):
            stream = conn.makefile("rb")
            while True:
                query = stream.read(struct.unpack("!H", stream.read(2))[0])
                if self.name_of(query) in self.cut_off:
                    return
                answer = self.answer(query)
                conn.sendall(struct.pack("!H", len(answer)) + answer)

    @staticmethod
    def question(query):
        """As it was asked: name, type and class."""
        at = 12
        while query[at]:
            at += query[at] + 1
        return query[12:at + 5]

    @classmethod
    def name_of(cls, query):
        question, labels, at = cls.question(query), [], 0
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += question[at] + 1
        return ".".join(labels)

    def data(self, kind, value):
        if kind == SRV:
            return struct.pack("!HHH", *value[:3]) + wire_name(value[3])
        return socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, value)

    def answer(self, query):
        question, name = self.question(query), self.name_of(query)
        kind = struct.unpack_from("!H", question, len(question) - 4)[0]
        self.asked.append((name, kind))
        if self.garbage:
            return query[:2] + self.garbage
        found = [] if self.empty else self.records.get((name, kind), [])
        if self.subset and found:
            self.turn += self.subset
            found = [found[(self.turn + i) % len(found)] for i in range(self.subset)]
        known = any(known == name for known, _ in self.records)
        rcode = self.rcode if self.rcode is not None else NOERROR if known else NXDOMAIN
        if rcode:
            found = []
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(found), 0, 0)
        out = head + question
        for ttl, value in found:
            data = self.data(kind, value)
            out += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data
        return out
