"""What clients do around a large body, to a node that splices it.

    /usr/bin/python3 body_drills.py ADDRESS PORT DRILL COUNT

Ends with "ok", or with what was wrong.
"""
import fcntl
import hashlib
import os
import socket
import struct
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bodies import Connection, pattern  # noqa: E402

SIZE = 1 << 20
HOST = "x.example.com"


def post(data):
    return (b"POST /pattern/up HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"
            % (HOST.encode(), len(data)) + data)


def get(seed, n, method=b"GET"):
    return b"%s /pattern/%d/%d HTTP/1.1\r\nHost: %s\r\n\r\n" % (method, seed, n, HOST.encode())


def digest(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode()


def pipelined(connection, i, behind=100):
    """The segment with the end of the upload brings the next request, too."""
    data = pattern(i, SIZE + 10 * i)
    connection.sock.sendall(post(data) + get(i, behind))
    connection.check("upload", connection.answer(), digest(data))
    connection.check("request behind it", connection.answer(), pattern(i, behind))


def pipelined_bodies(connection, i):
    """Uploads behind uploads, and a large answer behind all."""
    first, second = pattern(i, SIZE), pattern(i + 1, SIZE + i)
    connection.sock.sendall(post(first) + post(second) + get(i, SIZE))
    connection.check("first upload", connection.answer(), digest(first))
    connection.check("second upload", connection.answer(), digest(second))
    connection.check("answer", connection.answer(), pattern(i, SIZE))


def crossed(connection, i, tail=6000):
    """So much of the upload's end comes with the next request in one segment, where that takes it."""
    data = pattern(i, SIZE + 10 * i)
    upload = post(data).replace(HOST.encode(), b"tail.example.com", 1)
    connection.sock.sendall(upload[:-tail])
    while struct.unpack("i", fcntl.ioctl(connection.sock, termios.TIOCOUTQ, bytes(4)))[0]:
        time.sleep(0.001)  # until all of that is acknowledged
    connection.sock.sendall(upload[-tail:] + get(i, 100))
    connection.check("upload", connection.answer(), digest(data))
    connection.check("request behind it", connection.answer(), pattern(i, 100))


def half_closed(address, port, i):
    """The client has nothing more to say behind an upload and a request."""
    connection = Connection(address, port)
    connection.sock.sendall(get(1, 10))
    connection.answer()
    data = pattern(i, SIZE)
    connection.sock.sendall(post(data) + get(i, 100))
    connection.sock.shutdown(socket.SHUT_WR)
    connection.check("upload", connection.answer(), digest(data))
    connection.check("request behind it", connection.answer(), pattern(i, 100))


def heads(connection, i):
    """An answer without its body says how long that would be."""
    connection.sock.sendall(get(i, SIZE, b"HEAD"))
    if not connection.file.readline().startswith(b"HTTP/1.1 200"):
        raise ValueError("HEAD is not answered")
    while connection.file.readline() not in (b"\r\n", b""):
        pass
    connection.sock.sendall(get(i, SIZE))
    connection.check("answer behind it", connection.answer(), pattern(i, SIZE))


def leave(address, port, send, read):
    """Resets the connection in the midst of a body: what was sent may lack its end, of the answer so much is
    read."""
    connection = Connection(address, port)
    connection.sock.sendall(get(1, SIZE))
    connection.answer()
    connection.sock.sendall(send)
    if len(connection.file.read(read)) != read:
        raise ValueError("cut in the midst of an answer")
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.file.close()
    connection.sock.close()


def reused(address, port, i):
    """The port of a connection that was reset is used again at once: nothing of it is shifted."""
    with socket.socket() as sock:
        sock.bind(("", 0))
        source = sock.getsockname()[1]
    for _ in range(3):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(120)
        sock.bind(("", source))
        sock.connect((address, port))
        connection = Connection.__new__(Connection)
        connection.sock, connection.file = sock, sock.makefile("rb", 1 << 18)
        for n in range(2):
            sock.sendall(get(i + n, SIZE))
            connection.check("answer", connection.answer(), pattern(i + n, SIZE))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.file.close()
        sock.close()


def main():
    address, port, drill, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    kept = {"pipelined": pipelined, "pipelined_bodies": pipelined_bodies, "heads": heads, "crossed": crossed}
    try:
        connection = Connection(address, port)
        for i in range(count):
            if drill in kept:
                kept[drill](connection, i)
            elif drill == "half_closed":
                half_closed(address, port, i)
            elif drill == "reused":
                reused(address, port, i)
            elif drill == "leave_upload":
                leave(address, port, post(pattern(i, SIZE))[:SIZE // 2 + i * 1000], 0)
            else:
                leave(address, port, get(i, 8 * SIZE), SIZE + i * 1000)
        connection.sock.sendall(get(count, SIZE))
        connection.check("at last", connection.answer(), pattern(count, SIZE))
        print("ok")
    except (OSError, ValueError) as error:
        print(f"{drill} {i}: {error!r}")


if __name__ == "__main__":
    main()
