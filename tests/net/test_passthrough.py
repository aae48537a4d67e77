"""tls-passthrough by server name and protocol, with openssl at both ends: s_client through shunt to s_server."""
import os
import re
import socket
import subprocess

import pytest

from tests.harness.certificates import Authority
from tests.harness.plain import Plain
from tests.harness.run import BUILD, PATIENCE, run, wait_until

CONFIG = """
node: {{ tunnel_address: 127.0.0.1 }}
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: none }}
      - port: {hasty}
        protocol: tls-passthrough
        sni:
          www.example.com: [ {{ alpn: acme-tls/1, upstream: acme }}, {{ alpn: [h2, h3], upstream: new }}, {{ upstream: site }} ]
          "*.example.com": site
          only.example.com: {{ alpn: h2, upstream: new }}
          turns.example.org: turns
          kept.example.org: kept
          strict.example.org: [ {{ alpn: h2, upstream: new }}, {{ alpn: acme-tls/1, upstream: acme }} ]
routes: {{ none: [] }}
upstreams:
  site: {{ endpoints: [ {{ address: "127.0.0.1:{site}" }} ] }}
  new: {{ endpoints: [ {{ address: "127.0.0.1:{new}" }} ] }}
  acme: {{ endpoints: [ {{ address: "127.0.0.1:{acme}" }} ] }}
  turns: {{ persistence: {{ hash_on: tls-session }}, endpoints: [ {{ address: "127.0.0.1:{site}" }}, {{ address: "127.0.0.1:{new}" }} ] }}
  kept: {{ persistence: {{ hash_on: client-address }}, endpoints: [ {{ address: "127.0.0.1:{site}" }}, {{ address: "127.0.0.1:{new}" }} ] }}
"""
# What each server agrees on.
SERVERS = {"site": ("-alpn", "http/1.1"), "new": ("-alpn", "h2,h3"), "acme": ("-alpn", "acme-tls/1")}


class Passing(Plain):
    """A server of TLS for each upstream, with a certificate that says which it is."""

    def __init__(self):
        super().__init__()
        self.ca = Authority(self.dir)
        self.ports = dict(zip(SERVERS, self.free_ports(len(SERVERS)), strict=True))
        self.servers = []
        self.more = ["--workers", "1"]  # whose turn it is, each counts for itself
        for name in SERVERS:
            self.ca.sign(name, [], subject=f"/CN=server {name}")

    def start(self):
        for name, words in SERVERS.items():
            self.servers.append(subprocess.Popen(
                ["openssl", "s_server", "-accept", f"127.0.0.1:{self.ports[name]}", "-cert", self.path(f"{name}.pem"),
                 "-key", self.path(f"{name}.key"), "-quiet", *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            wait_until(lambda port=self.ports[name]: self.listens(port), f"the server {name}")
        super().start()

    @staticmethod
    def listens(port):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()
        super().close()

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, **self.ports)

    def s_client(self, name, offers, *words):
        return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.hasty}", "-CAfile", self.ca.pem,
                              *(("-servername", name) if name else ("-noservername",)),
                              *(("-alpn", offers) if offers else ()), *words],
                             input="", capture_output=True, text=True, timeout=PATIENCE, check=False)

    def visit(self, name, offers):
        """Which server answers, and what was agreed on with it; or how that is refused."""
        got = self.s_client(name, offers)
        server = re.search(r"^subject=CN = server (\w+)$", got.stdout, re.M)
        if server:
            agreed = re.search(r"^ALPN protocol: (.*)$", got.stdout, re.M)
            return server[1], agreed[1] if agreed else None
        return next(word for word in ("unrecognized name", "no application protocol") if word in got.stderr)

    def explained(self, name, offers):
        """What explain says of it, as visit() does for servers."""
        return run(os.path.join(BUILD, "shuntctl"), "explain", f"GET https://{name}:{self.hasty}/", "--alpn", offers,
                   "--admin", self.path("admin.sock")).stdout.splitlines()


@pytest.fixture(scope="module", name="shunt")
def fixture_shunt():
    with Passing() as made:
        yield made


VISITS = [
    ("www.example.com", "", ("site", None), "www.example.com"),
    ("www.example.com", "http/1.1", ("site", "http/1.1"), "www.example.com"),
    ("www.example.com", "acme-tls/1", ("acme", "acme-tls/1"), "www.example.com [acme-tls/1]"),
    ("www.example.com", "h3", ("new", "h3"), "www.example.com [h2, h3]"),
    ("www.example.com", "http/1.1,h3,h2", ("new", "h2"), "www.example.com [h2, h3]"),
    ("www.example.com", "h2,acme-tls/1", ("acme", "acme-tls/1"), "www.example.com [acme-tls/1]"),
    ("WWW.example.com", "h2", ("new", "h2"), "www.example.com [h2, h3]"),
    ("only.example.com", "h2", ("new", "h2"), "only.example.com [h2]"),
    ("only.example.com", "http/1.1", ("site", "http/1.1"), "*.example.com"),
    ("only.example.com", "", ("site", None), "*.example.com"),
    ("strict.example.org", "acme-tls/1", ("acme", "acme-tls/1"), "strict.example.org [acme-tls/1]"),
    ("strict.example.org", "http/1.1", "no application protocol", None),
    ("strict.example.org", "", "no application protocol", None),
    ("other.example.org", "h2", "unrecognized name", None),
]
ENDS = {"no application protocol": "no_protocol", "unrecognized name": "no_name"}


@pytest.mark.parametrize("name,offers,want,entry", VISITS)
def test_names_and_protocols_lead_to_upstreams_as_explain_says(shunt, name, offers, want, entry):
    before = len(shunt.accesses())
    assert shunt.visit(name, offers) == want
    line = wait_until(lambda: shunt.accesses()[before:], "its line")[0]
    told = shunt.explained(name, offers)
    taken = [text.split(maxsplit=2)[2].split(" (line")[0] for text in told if text.startswith("  route *")]
    assert line["host"] == name.lower()
    if entry is None:
        assert line["end"] == ENDS[want] and "upstream" not in line and taken == []
        assert any(text.startswith("  refused ") for text in told), told
    else:
        assert line["end"] == "done" and line["upstream"] == want[0] and taken == [entry]
        assert f"  upstream     {want[0]}" in told


def test_who_names_no_server_has_no_upstream_without_a_default(shunt):
    assert shunt.visit(None, "h2") == "unrecognized name"


def test_every_entry_that_lost_has_its_reason(shunt):
    told = [" ".join(text.split()[1:]) for text in shunt.explained("www.example.com", "h2") if "  route" in text]
    assert [re.sub(r"\(line \d+\)", "", text) for text in told] == [
        "www.example.com [acme-tls/1] : the client offers none of its protocols (ALPN)",
        "* www.example.com [h2, h3] : it matches, and nothing more specific does",
        'www.example.com : it matches, but "www.example.com"  is written first',
        '*.example.com : it matches, but "www.example.com"  is more specific']


@pytest.mark.parametrize("name,servers,resumed", [("turns", 2, False), ("kept", 1, True)])
def test_ids_of_sessions_keep_nobody_at_an_endpoint_but_addresses_do(shunt, name, servers, resumed):
    """Each offers the id that the one before was given, by TLS 1.2 without tickets."""
    words = ("-tls1_2", "-no_ticket", "-sess_out", shunt.path(name))
    seen = []
    for turn in range(4):
        before = len(shunt.accesses())
        said = shunt.s_client(f"{name}.example.org", None, *words, *(("-sess_in", shunt.path(name)) if turn else ())).stdout
        seen.append(wait_until(lambda was=before: shunt.accesses()[was:], "its line")[0]["endpoint"])
        again = resumed and turn > 0
        assert ("\nReused, TLS" in said) == again and ("\nNew, TLS" in said) == (not again), said
    assert len(set(seen)) == servers, seen
