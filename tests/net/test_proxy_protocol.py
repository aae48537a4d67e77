"""The PROXY protocol, received and sent, with haproxy at either end."""
import socket
import subprocess

import pytest

from tests.harness import scripted
from tests.harness.certificates import Authority
from tests.harness.plain import Client, Plain
from tests.harness.run import PATIENCE, run, wait_until

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all, proxy_protocol_from: [127.0.0.0/8],
          timeouts: {{ head: 10m }} }}
      - {{ port: {quick}, protocol: http, routes: all, proxy_protocol_from: [127.0.0.0/8],
          timeouts: {{ head: 1s }} }}
      - {{ port: {hasty}, protocol: https, routes: all, certificates: [a], proxy_protocol_from: [127.0.0.0/8] }}
      - {{ port: {stream}, protocol: tcp-proxy, upstream: v2, proxy_protocol_from: [127.0.0.1/32] }}
      - {{ port: {untold}, protocol: http, routes: all, proxy_protocol_from: [192.0.2.0/24] }}
node: {{ tunnel_address: 127.0.0.1 }}
certificates: {{ a: {{ chain: a.pem, key: a.key }} }}
routes:
  all:
    - {{ name: v1, match: {{ path: /v1 }}, upstream: v1 }}
    - {{ name: v2, match: {{ path: /v2 }}, upstream: v2 }}
    - {{ name: all, upstream: origin }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
  v1: {{ proxy_protocol: v1, endpoints: [ {{ address: "127.0.0.1:{judge}" }} ] }}
  v2: {{ proxy_protocol: v2, endpoints: [ {{ address: "127.0.0.1:{judge}" }} ] }}
"""

HAPROXY = """
defaults
  mode http
  timeout connect 90s
  timeout client 90s
  timeout server 90s
frontend judge
  bind 127.0.0.1:{judge} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[dst_port]\\n"
frontend ask1
  bind 127.0.0.1:{ask1}
  default_backend shunt1
frontend ask2
  bind 127.0.0.1:{ask2}
  default_backend shunt2
backend shunt1
  server s 127.0.0.1:{port} send-proxy source 127.0.0.1
backend shunt2
  server s 127.0.0.1:{port} send-proxy-v2 proxy-v2-options crc32c,unique-id source 127.0.0.1
"""


class Introduced(Plain):
    def __init__(self):
        super().__init__()
        self.stream, self.untold, self.judge, self.ask1, self.ask2, self.quick = self.free_ports(6)
        self.ca = Authority(self.dir)
        self.ca.sign("a", ["a.example.com"])
        self.haproxy = None

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port, **self.ports())

    def ports(self):
        return {name: getattr(self, name) for name in ("stream", "untold", "judge", "ask1", "ask2", "quick")}

    def start(self):
        with open(self.path("haproxy.cfg"), "w", encoding="utf-8") as out:
            out.write(HAPROXY.format(port=self.port, **self.ports()))
        self.haproxy = subprocess.Popen(["haproxy", "-db", "-f", self.path("haproxy.cfg")],
                                        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        super().start()

        def listens():
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", self.ask2)) == 0
        wait_until(listens, "haproxy listens")

    def close(self):
        if self.haproxy:
            self.haproxy.kill()
            self.haproxy.wait()
        super().close()


@pytest.fixture(scope="module")
def shunt():
    with Introduced() as made:
        yield made


def ask(shunt, head, path, port=None):
    """The answer to a request behind these bytes; None where the connection ended instead."""
    client = shunt.client()
    if port:
        client.sock.close()
        client.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    client.send(head + b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
    answer = client.read_answer()
    client.sock.close()
    return answer


V1 = b"PROXY TCP4 198.51.100.7 203.0.113.9 4000 80\r\n"
V1_6 = b"PROXY TCP6 2001:db8::7 2001:db8::9 4000 80\r\n"
V2 = bytes.fromhex("0d0a0d0a000d0a515549540a" "2111000c" "c6336407" "cb007109" "0fa00050")
V2_LOCAL = bytes.fromhex("0d0a0d0a000d0a515549540a" "20000000")


@pytest.mark.parametrize("head,client", [
    (V1, "198.51.100.7"), (V1_6, "2001:db8::7"), (V2, "198.51.100.7"), (V2_LOCAL, "127.0.0.1"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
], ids=["v1", "v1 IPv6", "v2", "v2 LOCAL", "v1 UNKNOWN"])
def test_the_endpoint_hears_who_the_client_is(shunt, head, client):
    token = scripted.token()
    assert ask(shunt, head, token).status == 200
    seen = shunt.origin.whole(token)[0]
    assert client.encode() in seen.one(b"x-forwarded-for")
    line = wait_until(lambda: [x for x in shunt.accesses() if x["path"] == "/" + token.decode()], "its line")[0]
    assert client in line["client"]


def test_a_header_may_come_in_any_pieces(shunt):
    for head in (V1, V2):
        token = scripted.token()
        data = head + b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % token
        client = shunt.client()
        for i in range(len(data)):
            client.send(data[i:i + 1])
        assert client.read_answer().status == 200
        client.sock.close()
        assert b"198.51.100.7" in shunt.origin.whole(token)[0].one(b"x-forwarded-for")


@pytest.mark.parametrize("head", [
    b"", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31",
    b"PROXY " + b"x" * 200,
], ids=["none", "short", "port", "version", "long"])
def test_who_must_introduce_itself_and_does_not_is_refused(shunt, head):
    token = scripted.token()
    assert ask(shunt, head, token) is None
    assert not shunt.origin.whole(token)
    assert ask(shunt, V1, scripted.token()).status == 200


def test_a_header_that_never_ends_is_cut(shunt):
    client = Client(shunt.quick)
    client.send(V1[:20])
    assert client.read_all().ending in ("eof", "reset")


def test_nobody_else_may_introduce_others(shunt):
    assert ask(shunt, b"", scripted.token(), shunt.untold).status == 200
    assert ask(shunt, V1, scripted.token(), shunt.untold).status == 400


@pytest.mark.parametrize("name", ["ask1", "ask2"])
def test_haproxy_introduces_its_clients(shunt, name):
    token = scripted.token()
    got = run("curl", "-sS", "-m", "90", "--interface", "127.0.0.5",
              f"http://127.0.0.1:{getattr(shunt, name)}/{token.decode()}")
    assert got.stdout == f"GET /{token.decode()}"
    assert b"127.0.0.5" in shunt.origin.whole(token)[0].one(b"x-forwarded-for")


@pytest.mark.parametrize("path", [b"v1", b"v2"])
def test_haproxy_hears_from_us_who_the_client_is(shunt, path):
    for address, head in ((b"198.51.100.7", V1), (b"198.51.100.8", V1.replace(b".7", b".8"))):
        answer = ask(shunt, head, path)
        assert answer.status == 200 and answer.body.startswith(address + b" "), answer


def test_streams_are_introduced_too(shunt):
    answer = ask(shunt, V2, b"x", shunt.stream)
    assert answer.status == 200 and answer.body.startswith(b"198.51.100.7 ")


def test_the_header_stands_before_the_handshake(shunt):
    token = scripted.token().decode()
    got = run("curl", "-sS", "-m", "90", "--cacert", shunt.ca.pem, "--haproxy-protocol", "--connect-to",
              f"a.example.com:443:127.0.0.1:{shunt.hasty}", f"https://a.example.com/{token}")
    assert got.stdout == f"GET /{token}"
