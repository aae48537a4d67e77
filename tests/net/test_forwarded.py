"""What endpoints and clients are told of a message's way, by listeners that say it differently."""
import socket
import ssl

import pytest

from tests.harness import scripted
from tests.harness.certificates import Authority
from tests.harness.plain import PATIENCE, Plain

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1, "::1"]
    listeners:
      - {{ port: {port}, protocol: http, routes: all }}
      - {{ port: {hasty}, protocol: https, routes: all, certificates: [a],
          forwarded: {{ forwarded: set }} }}
      - {{ port: {append}, protocol: http, routes: all,
          forwarded: {{ trusted: [127.0.0.4/31, "::/0"], via: append, x_forwarded_for: append,
            x_forwarded_proto: append, x_forwarded_host: append, forwarded: append }} }}
      - {{ port: {replace}, protocol: http, routes: all,
          forwarded: {{ trusted: [127.0.0.5], via: set, x_forwarded_for: set,
            x_forwarded_proto: set, x_forwarded_host: set, forwarded: set }} }}
      - {{ port: {off}, protocol: http, routes: all,
          forwarded: {{ trusted: [127.0.0.5], via: off, x_forwarded_for: off,
            x_forwarded_proto: off, x_forwarded_host: off, forwarded: off }} }}
      - {{ port: {named}, protocol: http, routes: all, proxy_protocol_from: [127.0.0.0/8],
          forwarded: {{ trusted: [127.0.0.5, 198.51.100.0/24], forwarded: append }} }}
node: {{ tunnel_address: 127.0.0.1 }}
certificates: {{ a: {{ chain: a.pem, key: a.key }} }}
routes: {{ all: [ {{ name: all, upstream: origin }} ] }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
"""

FIELDS = (b"via", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded")
SAID = (b"Via: 1.1 before\r\nX-Forwarded-For: 203.0.113.9\r\nx-forwarded-for: 203.0.113.8\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: www.example.com\r\n"
        b"Forwarded: for=203.0.113.9;proto=https\r\n")


class Forwarding(Plain):
    """A listener for each way to say it."""

    def __init__(self):
        super().__init__()
        self.append, self.replace, self.off, self.named = self.free_ports(4)
        self.ca = Authority(self.dir)
        self.ca.sign("a", ["a.example.com"])

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, origin=self.origin.port,
                             append=self.append, replace=self.replace, off=self.off,
                             named=self.named)

    def from_source(self, source, listener):
        """A connection from that address."""
        to = ("::1" if ":" in source else "127.0.0.1", getattr(self, listener))
        client = self.client()
        client.sock.close()
        client.sock = socket.create_connection(to, timeout=PATIENCE, source_address=(source, 0))
        return client

    def told(self, client, said, before=b"", host=b"h:8"):
        """What the endpoint is told in each of the fields, without those that are not there."""
        name = scripted.token()
        client.send(before + b"GET /%s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (name, host, said))
        answer = client.read_answer()
        client.sock.close()
        assert answer and answer.status == 200, (answer, client.got)
        seen = self.origin.whole(name)[0]
        return {field.decode(): [value.decode() for value in seen.all(field)]
                for field in FIELDS if seen.all(field)}


@pytest.fixture(scope="module")
def shunt():
    with Forwarding() as made:
        yield made


def ours(source, element=True, via=True):
    """What a listener says by itself."""
    out = {"x-forwarded-for": [source], "x-forwarded-proto": ["http"], "x-forwarded-host": ["h:8"]}
    if via:
        out["via"] = ["1.1 shunt"]
    if element:
        quoted = f'"[{source}]"' if ":" in source else source
        out["forwarded"] = [f'for={quoted};proto=http;host="h:8"']
    return out


def appended(source):
    """The same behind what SAID says."""
    before = {"via": "1.1 before", "x-forwarded-for": "203.0.113.9, 203.0.113.8",
              "x-forwarded-proto": "https", "x-forwarded-host": "www.example.com",
              "forwarded": "for=203.0.113.9;proto=https"}
    return {name: [before[name] + ", " + value[0]] for name, value in ours(source).items()}


AS_SAID = {"via": ["1.1 before"], "x-forwarded-for": ["203.0.113.9", "203.0.113.8"],
           "x-forwarded-proto": ["https"], "x-forwarded-host": ["www.example.com"],
           "forwarded": ["for=203.0.113.9;proto=https"]}

ROWS = [
    ("by default nobody is believed", "port", "127.0.0.1", SAID, ours("127.0.0.1", element=False)),
    ("by default a silent client is told of", "port", "127.0.0.1", b"", ours("127.0.0.1", element=False)),
    ("append, from anybody", "append", "127.0.0.1", SAID, ours("127.0.0.1")),
    ("append, from one beside the network", "append", "127.0.0.6", SAID, ours("127.0.0.6")),
    ("append, from the network's first", "append", "127.0.0.4", SAID, appended("127.0.0.4")),
    ("append, from the network's last", "append", "127.0.0.5", SAID, appended("127.0.0.5")),
    ("append, from a trusted one that is silent", "append", "127.0.0.5", b"", ours("127.0.0.5")),
    ("append, from a trusted one of IPv6", "append", "::1", SAID, appended("::1")),
    ("set, from anybody", "replace", "127.0.0.1", SAID, ours("127.0.0.1")),
    ("set, from anybody of IPv6", "replace", "::1", SAID, ours("::1")),
    ("set, from a trusted one", "replace", "127.0.0.5", SAID, ours("127.0.0.5")),
    ("off, from anybody", "off", "127.0.0.1", SAID, {}),
    ("off, from a trusted one", "off", "127.0.0.5", SAID, AS_SAID),
    ("off, from a trusted one that is silent", "off", "127.0.0.5", b"", {}),
]


@pytest.mark.parametrize("listener,source,said,want", [row[1:] for row in ROWS],
                         ids=[row[0] for row in ROWS])
def test_the_endpoint_is_told_what_the_listener_wants(shunt, listener, source, said, want):
    assert shunt.told(shunt.from_source(source, listener), said) == want


@pytest.mark.parametrize("name", [b"x-forwarded-for, forwarded", b"via", b"X-FORWARDED-PROTO"])
def test_connection_does_not_remove_what_we_say(shunt, name):
    said = SAID + b"Connection: " + name + b"\r\n"
    assert shunt.told(shunt.from_source("127.0.0.1", "append"), said) == ours("127.0.0.1")


@pytest.mark.parametrize("client,want", [("198.51.100.7", True), ("203.0.113.7", False)])
def test_whom_a_proxy_header_names_is_trusted_or_not(shunt, client, want):
    """The connection itself comes from a trusted address, which says nothing about who sent SAID."""
    header = b"PROXY TCP4 %s 192.0.2.1 4000 80\r\n" % client.encode()
    told = shunt.told(shunt.from_source("127.0.0.5", "named"), SAID, header)
    assert told["x-forwarded-for"] == [("203.0.113.9, 203.0.113.8, " if want else "") + client]
    assert told["forwarded"][0].startswith("for=203.0.113.9" if want else "for=203.0.113.7;")


@pytest.mark.parametrize("host,element", [
    (b"a.example.com", "a.example.com"), (b"a.example.com:81", '"a.example.com:81"'),
    (b"[2001:db8::1]", '"[2001:db8::1]"'), (b"[2001:db8::1]:81", '"[2001:db8::1]:81"'),
])
def test_hosts_are_quoted_where_they_must_be(shunt, host, element):
    told = shunt.told(shunt.from_source("127.0.0.1", "replace"), b"", host=host)
    assert told["forwarded"] == [f"for=127.0.0.1;proto=http;host={element}"]
    assert told["x-forwarded-host"] == [host.decode()]


def test_tls_is_told_of(shunt):
    context = ssl.create_default_context(cafile=shunt.ca.pem)
    client = shunt.client(hasty=True)
    client.sock = context.wrap_socket(client.sock, server_hostname="a.example.com")
    told = shunt.told(client, SAID)
    assert told["x-forwarded-proto"] == ["https"]
    assert told["forwarded"] == ['for=127.0.0.1;proto=https;host="h:8"']


def test_each_request_of_a_connection_is_judged_by_itself(shunt):
    """None of the fields of one stays for the next, and each hears its own answer."""
    client, names = shunt.from_source("127.0.0.5", "append"), [scripted.token() for _ in range(3)]
    for name, said in zip(names, (SAID, b"", SAID)):
        client.send(b"GET /%s HTTP/1.1\r\nHost: h:8\r\n%s\r\n" % (name, said))
    assert [client.read_answer().body for _ in names] == [b"GET /" + name for name in names]
    got = [shunt.origin.whole(name)[0].one(b"x-forwarded-for") for name in names]
    client.sock.close()
    assert got == [b"203.0.113.9, 203.0.113.8, 127.0.0.5", b"127.0.0.5",
                   b"203.0.113.9, 203.0.113.8, 127.0.0.5"]


@pytest.mark.parametrize("listener,want", [
    ("port", [b"1.1 cache, 1.1 inner, 1.1 shunt"]), ("append", [b"1.1 cache, 1.1 inner, 1.1 shunt"]),
    ("replace", [b"1.1 shunt"]), ("off", [b"1.1 cache", b"1.1 inner"]),
])
def test_the_client_is_told_of_the_way_back_in_via(shunt, listener, want):
    name, client = scripted.token(), shunt.from_source("127.0.0.1", listener)
    shunt.origin.answers[name] = scripted.Answer((
        b"HTTP/1.1 200 OK\r\nVia: 1.1 cache\r\nContent-Length: 0\r\nVia: 1.1 inner\r\n\r\n",))
    client.send(b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % name)
    assert client.read_answer().all(b"via") == want
    client.sock.close()
