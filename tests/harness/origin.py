"""A small HTTP origin: /usr/bin/python3 origin.py NAME PORT. Says its name, path and what it got.

/echo-length answers how many bytes came and their SHA-256; /slow never answers; /chunked answers in
chunks; /big/N sends N bytes, /pattern/SEED/N N bytes that differ; /close answers and closes. An Upgrade to websocket becomes an echo of
raw bytes; /stream too, without one (for routes with splice: connection).
"""
import hashlib
import http.server
import random
import socket
import socketserver
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Origin", self.server.name)
        if self.path == "/close":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def echo(self):
        """Bytes back as they come, until the other side has finished."""
        self.wfile.flush()
        self.connection.settimeout(600)
        while True:
            data = self.rfile.read1(65536)
            if not data:
                break
            self.connection.sendall(data)
        self.connection.shutdown(socket.SHUT_WR)
        self.close_connection = True

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.echo()
        elif self.path == "/stream":
            self.answer(b"streaming\n")
            self.echo()
        elif self.path == "/slow":
            time.sleep(30)
        elif self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i in range(100):
                part = b"%d," % i
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path.startswith("/big/"):
            self.answer(b"x" * int(self.path[5:]))
        elif self.path.startswith("/pattern/"):
            seed, count = self.path.split("/")[2:]
            self.answer(random.Random(int(seed)).randbytes(int(count)))
        else:
            self.answer(f"{self.server.name} {self.headers['Host']} {self.path}\n".encode())

    do_HEAD = do_GET

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        out = b""
        while True:
            n = int(self.rfile.readline().split(b";")[0], 16)
            out += self.rfile.read(n)
            self.rfile.readline()
            if n == 0:
                return out

    def do_POST(self):
        data = self.body()
        self.answer(f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode())

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 512
    address_family = socket.AF_INET6
    allow_reuse_address = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


if __name__ == "__main__":
    server = Server(("::", int(sys.argv[2])), Handler)
    server.name = sys.argv[1]
    server.serve_forever()
