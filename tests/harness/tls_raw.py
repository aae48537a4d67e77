"""ClientHellos made by hand, and what comes back before anything is encrypted (RFC 5246, RFC 8446)."""
import os
import socket
import struct

from tests.harness.run import PATIENCE

VERSION_1_2 = 0x0303
MODERN = (0xC02B, 0xC02F)  # ECDHE with AES-128-GCM, for ECDSA and RSA
ALERTS = {10: "unexpected_message", 22: "record_overflow", 40: "handshake_failure", 47: "illegal_parameter",
          50: "decode_error", 70: "protocol_version", 86: "inappropriate_fallback", 109: "missing_extension",
          120: "no_application_protocol"}


def block(data, width):
    """With its length before it."""
    return len(data).to_bytes(width, "big") + data


def words(values):
    return b"".join(struct.pack("!H", value) for value in values)


def extension(kind, data=b""):
    return struct.pack("!H", kind) + block(data, 2)


def server_name(name):
    return extension(0, block(b"\0" + block(name.encode(), 2), 2))


def alpn(*names):
    return extension(16, block(b"".join(block(name, 1) for name in names), 2))


def groups(*values):
    return extension(10, block(words(values), 2))


def algorithms(*values):
    return extension(13, block(words(values), 2))


USUAL = groups(0x1D, 0x17) + extension(11, b"\1\0") + algorithms(0x0403, 0x0804, 0x0401)


def hello(version=VERSION_1_2, ciphers=MODERN, more=b"", compressions=b"\0", usual=USUAL):
    """A whole record. more: extensions beside the usual ones."""
    body = (struct.pack("!H", version) + os.urandom(32) + b"\0" + block(words(ciphers), 2) +
            block(compressions, 1) + block(usual + more, 2))
    return b"\x16\x03\x01" + block(b"\1" + block(body, 3), 2)


class Heard:
    """What a server said: records as (type, bytes), its hello and alert where there are any."""

    def __init__(self, data):
        self.records, self.hello, self.alert = [], None, None
        while len(data) >= 5:
            size = int.from_bytes(data[3:5], "big")
            self.records.append((data[0], data[5:5 + size]))
            data = data[5 + size:]
        for kind, content in self.records:
            if kind == 21 and len(content) == 2 and not self.alert:
                self.alert = ALERTS.get(content[1], content[1])
            if kind == 22 and content[:1] == b"\2" and not self.hello:
                self.hello = content[4:4 + int.from_bytes(content[1:4], "big")]

    @property
    def random(self):
        return self.hello[2:34]

    def after_session(self):
        return self.hello[35 + self.hello[34]:]

    @property
    def cipher(self):
        return int.from_bytes(self.after_session()[:2], "big")

    @property
    def compression(self):
        return self.after_session()[2]

    @property
    def extensions(self):
        """By number."""
        rest, found = self.after_session()[5:], {}
        while rest:
            size = int.from_bytes(rest[2:4], "big")
            found[int.from_bytes(rest[:2], "big")] = rest[4:4 + size]
            rest = rest[4 + size:]
        return found


def probe(port, *pieces):
    """Sends pieces, each once something was heard of the one before; all that is heard until the server
    closes or has said its part: a ServerHelloDone or nothing more to the last piece."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        got = b""
        try:
            for piece in pieces:
                sock.sendall(piece)
                while data := sock.recv(1 << 16):
                    got += data
                    if piece is not pieces[-1] and is_done(got):
                        break
                    if len(pieces) == 1 and is_done(got):
                        return Heard(got)
        except ConnectionResetError:
            pass
        return Heard(got)


def is_done(data):
    """Whether the server waits for the client now: its flight's last message is there."""
    return any(kind == 22 and content.endswith(b"\x0e\0\0\0") for kind, content in Heard(data).records)
