"""shuntd, a name server, and servers on several loopback addresses that say which they are."""
import http.server
import os
import socket
import threading

from tests.harness.names import NameServer
from tests.harness.plain import Plain
from tests.harness.run import BUILD, run, wait_until

CONFIG = """
vips:
  - {{ name: web, addresses: [127.0.0.1], listeners: [ {{ port: {port}, protocol: http, routes: all }} ] }}
node: {{ tunnel_address: 127.0.0.1 }}
dns: {{ servers: ["127.0.0.1:{dns}"], timeout: 300ms{dns_more} }}
routes:
  all:
    - {{ name: srv, match: {{ path: /srv }}, upstream: srv }}
    - {{ name: page, match: {{ path: /page }}, respond: {{ status: 200, file: {page} }} }}
    - {{ name: all, upstream: web }}
upstreams:
  web: {{ {web_more}endpoints: [ {{ address: "{name}:{origin}" }}{more} ] }}
  srv: {{ endpoints: [ {{ srv: _http._tcp.example.test }} ] }}
"""

SHUTDOWN_S = 0.05  # how long its end may be unnoticed


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.server.server_address[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing is said."""


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address, port):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), Handler)
        threading.Thread(target=self.serve_forever, args=(SHUTDOWN_S,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Named(Plain):
    """Started by the test, when the name server has its records."""

    def __init__(self):
        super().__init__()
        self.dns = NameServer()
        self.name, self.beside, self.dns_more, self.tests = "web.example.test", "", "", ""
        self.web_more = ""
        with open(self.path("page.txt"), "w", encoding="utf-8") as out:
            out.write("page")
        self.endpoint, self.servers = self.on_one_port(Server, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "::1"])

    def close(self):
        super().close()
        self.dns.close()
        for server in self.servers:
            server.close()

    def configuration(self):
        return CONFIG.format(port=self.port, dns=self.dns.port, origin=self.endpoint, name=self.name,
                             page=self.path("page.txt"), more=self.beside, dns_more=self.dns_more,
                             web_more=self.web_more) + self.tests

    def who(self, path="/", count=12):
        """Which servers answer so many requests; None where it is shunt itself."""
        found = set()
        for _ in range(count):
            got = run("curl", "-sS", "-m", "60", "-w", " %{http_code}", f"http://127.0.0.1:{self.port}{path}").stdout
            found.add(got.split()[0] if got.endswith(" 200") else None)
        return found

    def becomes(self, want, path="/"):
        wait_until(lambda: self.who(path) == want, f"{path} is served by {want}, not {self.who(path)}: {self.log()}")

    def stop_server(self, n):
        """Nobody listens there any more."""
        self.servers[n].close()

    def status_text(self):
        return run(os.path.join(BUILD, "shuntctl"), "status", "--admin", self.path("admin.sock")).stdout

    def status(self, name="web.example.test"):
        return next(one for one in self.daemon_status()["names"] if one["name"] == name)


def addresses(*numbers):
    return {f"127.0.0.{n}" for n in numbers}
