"""An echo that says what stood before the first byte of a stream, and who asks it.

serve PORT: what comes before the mark (a header of the PROXY protocol) goes back as JSON in one line,
everything from the mark on as it is. A request or a ClientHello comes before the mark, too: of it only
what stands in front is told.
ask ADDRESS PORT KIND HEAD: sends these bytes, then what KIND says (raw; tls: a ClientHello; a path: a
request) and the mark; prints the line, and after a line from stdin how 50 turns went.
"""
import asyncio
import json
import os
import socket
import ssl
import sys

MARK = b"<the stream begins>"
PATIENCE = 90


def opened(before):
    """Where what the client itself said begins."""
    for sign in (b"\x16\x03\x01", b"GET /"):
        if sign in before:
            return before.index(sign)
    return len(before)


async def answer(reader, writer):
    before, switched = b"", False
    while MARK not in before:
        before += await reader.read(65536)
        at = before.find(b"GET /")
        if not switched and at >= 0 and b"\r\n\r\n" in before[at:]:
            switched = True
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    before, rest = before.split(MARK, 1)
    writer.write(before[:opened(before)].hex().encode() + b"\n" + MARK + rest)
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(port):
    server = await asyncio.start_server(answer, None, port)
    await server.serve_forever()


def hello():
    out = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="x.example.com")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def opening(kind):
    if kind == "raw":
        return b""
    if kind == "tls":
        return hello()
    return (f"GET {kind} HTTP/1.1\r\nHost: x.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()


def exactly(sock, count):
    got = b""
    while len(got) < count:
        more = sock.recv(count - len(got))
        if not more:
            raise EOFError(f"ended after {got!r}")
        got += more
    return got


def ask(address, port, kind, head):
    sock = socket.create_connection((address, port), timeout=PATIENCE)
    sock.sendall(head + opening(kind) + MARK)
    got = b""
    while not got.endswith(MARK):
        got += exactly(sock, 1)
    line = got[:-len(MARK)].rstrip(b"\n").rsplit(b"\n", 1)[-1].decode()
    print(json.dumps({"head": line, "from": sock.getsockname()[:2]}), flush=True)
    sys.stdin.readline()
    wrong = 0
    for turn in range(50):
        data = os.urandom(1 + turn * 97)
        sock.sendall(data)
        wrong += exactly(sock, len(data)) != data
    print(json.dumps({"wrong": wrong, "turns": 50}), flush=True)
    sys.stdin.read()


if sys.argv[1] == "serve":
    asyncio.run(serve(int(sys.argv[2])))
else:
    ask(sys.argv[2], int(sys.argv[3]), sys.argv[4], bytes.fromhex(sys.argv[5]))
