"""TLS as scanners look at it: old versions, weak ciphers, known attacks; by hellos made by hand, by
openssl s_client and by curl."""
import os
import re
import subprocess

import pytest

from tests.harness import tls_raw
from tests.harness.certificates import Authority, openssl
from tests.harness.plain import SHUNTD, Plain
from tests.harness.run import PATIENCE, run, wait_until
from tests.harness.tls_raw import alpn, extension, groups, algorithms, hello, probe, server_name

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: https, routes: all, certificates: [a, a-rsa] }}
      - {{ port: {hasty}, protocol: https, routes: all, certificates: [chained] }}
      - {{ port: {newest}, protocol: https, routes: all, certificates: [a], tls: {{ min_version: "1.3" }} }}
node: {{ tunnel_address: 127.0.0.1, ticket_keys: tickets }}
certificates:
  a: {{ chain: a.pem, key: a.key }}
  a-rsa: {{ chain: a-rsa.pem, key: a-rsa.key }}
  chained: {{ chain: chained.pem, key: chained.key, ocsp: ocsp.der }}
routes: {{ all: [ {{ name: all, respond: {{ status: 200, body: "served" }} }} ] }}
"""
WORKERS = 4


class Probed(Plain):
    """Several workers; a chain with an authority between; a stapled OCSP answer; a file of ticket keys."""

    def __init__(self):
        super().__init__()
        self.newest, = self.free_ports(1)
        self.ca = Authority(self.dir)
        self.ca.sign("a", ["a.example.com"])
        self.ca.sign("a-rsa", ["a.example.com"], kind="rsa")
        self.chain()
        self.staple()
        self.tickets = [os.urandom(80)]
        self.write_tickets()

    def chain(self):
        """chained.pem: the certificate, then the authority that signed it; the root is not in it."""
        self.ca.sign("middle", [], subject="/CN=Middle authority", authority=True)
        middle = Authority.of(self.dir, "middle")
        middle.sign("chained", ["chained.example.com"])
        with open(self.path("chained.pem"), "a", encoding="ascii") as out, \
                open(self.path("middle.pem"), encoding="ascii") as pem:
            out.write(pem.read())

    def staple(self):
        """What the middle authority says of the certificate: it is good."""
        serial = openssl("x509", "-in", self.path("chained.pem"), "-noout", "-serial").stdout.strip()[7:]
        with open(self.path("index"), "w", encoding="ascii") as out:
            out.write(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN=chained.example.com\n")
        openssl("ocsp", "-index", self.path("index"), "-CA", self.path("middle.pem"), "-rsigner",
                self.path("middle.pem"), "-rkey", self.path("middle.key"), "-issuer", self.path("middle.pem"),
                "-cert", self.path("chained.pem"), "-respout", self.path("ocsp.der"), "-ndays", "3")

    def write_tickets(self):
        with open(self.path("tickets"), "wb") as out:
            out.write(b"".join(self.tickets))

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty, newest=self.newest)

    def start(self):
        with open(self.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(self.configuration())
        with open(self.path("log"), "w", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(
                [SHUNTD, "-c", self.path("plain.yaml"), "--workers", str(WORKERS), "--admin",
                 self.path("admin.sock")], stdout=subprocess.DEVNULL, stderr=log)
        wait_until(lambda: "ready" in self.log() or self.daemon.poll() is not None, "shuntd is ready")
        assert self.daemon.poll() is None, self.log()

    def s_client(self, *words, port=None, data="GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"):
        """All it says, until the server closes."""
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port or self.port}", "-CAfile",
                               self.ca.pem, "-servername", "a.example.com", "-ign_eof", *words],
                              input=data, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.stdout + done.stderr

    def session(self, name, *words):
        """A session with a ticket, in a file."""
        said = self.s_client("-sess_out", self.path(name), *words)
        assert "HTTP/1.1 200" in said, said
        return self.path(name)

    def is_resumed(self, session, *words):
        said = self.s_client("-sess_in", session, *words)
        assert "HTTP/1.1 200" in said, said
        return "Reused, " in said


@pytest.fixture(scope="module")
def tls():
    with Probed() as made:
        yield made


def test_a_usual_hello_is_answered(tls):
    heard = probe(tls.port, hello())
    assert heard.alert is None and heard.cipher in tls_raw.MODERN


REFUSED = [
    ("SSL 3.0, which knows no other alert", hello(0x0300), "handshake_failure"),
    ("TLS 1.0", hello(0x0301), "protocol_version"),
    ("TLS 1.1", hello(0x0302), "protocol_version"),
    ("RC4", hello(ciphers=(0x0004, 0x0005, 0xC007, 0xC011)), "handshake_failure"),
    ("3DES", hello(ciphers=(0x000A, 0x0016, 0xC008, 0xC012)), "handshake_failure"),
    ("DES and export", hello(ciphers=(0x0003, 0x0006, 0x0008, 0x0009, 0x0062, 0x0064)), "handshake_failure"),
    ("no encryption", hello(ciphers=(0x0001, 0x0002, 0x003B, 0xC006, 0xC010)), "handshake_failure"),
    ("nobody's certificate", hello(ciphers=(0x0018, 0x0034, 0x00A6, 0xC018, 0xC019)), "handshake_failure"),
    ("CBC with SHA-1", hello(ciphers=(0xC009, 0xC00A, 0xC013, 0xC014)), "handshake_failure"),
    ("CBC with SHA-2", hello(ciphers=(0xC023, 0xC024, 0xC027, 0xC028)), "handshake_failure"),
    ("RSA key exchange", hello(ciphers=(0x002F, 0x0035, 0x003C, 0x009C, 0x009D)), "handshake_failure"),
    ("finite fields", hello(ciphers=(0x0033, 0x0067, 0x009E, 0x009F, 0xCCAA)), "handshake_failure"),
    ("Camellia, SEED, IDEA", hello(ciphers=(0x0041, 0x0096, 0x0007, 0xC076)), "handshake_failure"),
    ("pre-shared keys", hello(ciphers=(0x008C, 0x00A8, 0xC035, 0xCCAB)), "handshake_failure"),
    ("small curves", hello(usual=groups(0x13, 0x15, 0x16) + algorithms(0x0403)), "handshake_failure"),
    ("signatures with SHA-1", hello(usual=groups(0x1D) + algorithms(0x0201, 0x0203)), "handshake_failure"),
    ("compression and nothing else", hello(compressions=b"\1"), "illegal_parameter|decode_error"),
    ("a fallback that was not needed", hello(ciphers=tls_raw.MODERN + (0x5600,)), "inappropriate_fallback"),
    ("a protocol that is not spoken", hello(more=alpn(b"h2", b"spdy/3")), "no_application_protocol"),
    ("a protocol without letters", hello(more=alpn(b"")), "decode_error"),
    ("an extension that ends early", hello(more=b"\0\x10\0\x05ab"), "decode_error"),
    ("two names", hello(more=extension(0, b"\0\x0c\0\0\3aaa\0\0\3bbb")), "decode_error"),
    ("a record that is too long", b"\x16\x03\x01\x48\x01" + bytes(0x4801), "record_overflow|unexpected_message"),
]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[0])
def test_what_is_weak_or_wrong_is_refused_with_its_alert(tls, row):
    heard = probe(tls.port, row[1])
    assert heard.hello is None
    assert re.fullmatch(row[2], str(heard.alert)), heard.alert


def test_a_hello_of_ssl_2_is_not_answered(tls):
    heard = probe(tls.port, b"\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x01\x00\x80" + bytes(17))
    assert heard.hello is None


def test_a_listener_for_the_newest_refuses_the_one_before(tls):
    assert probe(tls.newest, hello()).alert == "protocol_version"


def test_nothing_is_compressed(tls):
    assert probe(tls.port, hello(compressions=b"\1\0")).compression == 0
    assert "Compression: NONE" in tls.s_client("-tls1_2", "-comp")


@pytest.mark.parametrize("how", [{"ciphers": tls_raw.MODERN + (0x00FF,)}, {"more": extension(0xFF01, b"\0")}])
def test_renegotiation_is_bound_to_its_connection(tls, how):
    """RFC 5746: said by suite or by extension, answered by extension."""
    assert probe(tls.port, hello(**how)).extensions.get(0xFF01) == b"\0"


def test_a_forged_renegotiation_is_refused(tls):
    assert probe(tls.port, hello(more=extension(0xFF01, b"\x0c" + bytes(12)))).hello is None


def test_the_secret_is_bound_to_the_handshake(tls):
    """RFC 7627"""
    assert probe(tls.port, hello(more=extension(23))).extensions.get(23) == b""


def test_heartbeats_are_neither_offered_nor_answered(tls):
    beat = b"\x18\x03\x03\0\3\1\x40\0"  # says 16384 bytes and has none (CVE-2014-0160)
    heard = probe(tls.port, hello(more=extension(15, b"\1")), beat)
    assert 15 not in heard.extensions
    assert 24 not in [kind for kind, _ in heard.records]
    assert heard.alert == "unexpected_message"


def test_an_early_change_of_ciphers_is_refused(tls):
    """CVE-2014-0224"""
    heard = probe(tls.port, hello(), b"\x14\x03\x03\0\1\1")
    assert heard.alert == "unexpected_message"


def test_a_downgrade_is_marked(tls):
    """RFC 8446, 4.1.3: so that a client of TLS 1.3 sees that somebody took it for less."""
    assert probe(tls.port, hello()).random[24:] == b"DOWNGRD\1"


@pytest.mark.parametrize("name", ["nobody.example.org", "127.0.0.1", "a" * 255, "_.example.com"])
def test_an_unknown_name_gets_the_first_certificate(tls, name):
    heard = probe(tls.port, hello(more=server_name(name)))
    certificate = [content for kind, content in heard.records if kind == 22]
    assert heard.alert is None and b"a.example.com" in b"".join(certificate)


def test_a_client_cannot_renegotiate(tls):
    with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{tls.port}", "-tls1_2"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        client.stdin.write("R\n")
        client.stdin.flush()
        said = client.stdout.read()  # it ends by itself where it is refused
    assert "Secure Renegotiation IS supported" in said
    assert "RENEGOTIATING" in said and "no renegotiation" in said, said


def test_early_data_is_not_taken(tls):
    session = tls.session("early", "-tls1_3")
    with open(tls.path("request"), "w", encoding="ascii") as out:
        out.write("GET /early HTTP/1.1\r\nHost: a\r\n\r\n")
    shown = openssl("sess_id", "-in", session, "-noout", "-text").stdout
    assert "Max Early Data: 0" in shown or "Max Early Data" not in shown
    said = tls.s_client("-tls1_3", "-sess_in", session, "-early_data", tls.path("request"))
    assert "Early data was not sent" in said or "Early data was rejected" in said
    assert said.count("HTTP/1.1 200") == 1 and "Reused, " in said


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tickets_are_good_at_every_worker(tls, version):
    """The kernel gives each connection to some worker: sixteen are not all given to the first."""
    session = tls.session("workers" + version, version)
    assert all(tls.is_resumed(session, version) for _ in range(16))


def test_tickets_outlive_a_new_key_but_not_the_end_of_their_own(tls):
    session = tls.session("rotated", "-tls1_3")
    tls.tickets.insert(0, os.urandom(80))
    tls.write_tickets()
    tls.reload()
    assert tls.is_resumed(session)
    later = tls.session("later", "-tls1_3")
    tls.tickets.pop()
    tls.write_tickets()
    tls.reload()
    assert not tls.is_resumed(session)
    assert tls.is_resumed(later)


def test_the_chain_is_in_order_and_without_its_root(tls):
    said = tls.s_client("-showcerts", "-servername", "chained.example.com", "-verify_return_error", port=tls.hasty)
    subjects = re.findall(r"^ *\d s:(.*)$", said, re.M)
    assert subjects == ["CN = chained.example.com", "CN = Middle authority"]
    assert "Verify return code: 0 (ok)" in said


def test_the_stapled_answer_is_sent_to_who_asks(tls):
    said = tls.s_client("-status", "-servername", "chained.example.com", port=tls.hasty)
    assert "OCSP Response Status: successful" in said and "Cert Status: good" in said
    assert "OCSP Response Status" not in tls.s_client("-servername", "chained.example.com", port=tls.hasty)
    assert "OCSP response: no response sent" in tls.s_client("-status")


def test_curl_believes_the_stapled_answer(tls):
    got = run("curl", "-sS", "-m", "90", "--cacert", tls.ca.pem, "--cert-status", "--connect-to",
              f"chained.example.com:443:127.0.0.1:{tls.hasty}", "https://chained.example.com/")
    assert got.stdout == "served"


@pytest.mark.parametrize("words,cipher", [
    (("-tls1_3",), "TLS_AES_128_GCM_SHA256"), (("-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"),
                                                "TLS_AES_256_GCM_SHA384"),
    (("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"),
     "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (("-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"), "ECDHE-RSA-AES256-GCM-SHA384")])
def test_modern_ciphers_are_spoken(tls, words, cipher):
    said = tls.s_client(*words)
    assert f"Cipher is {cipher}" in said and "HTTP/1.1 200" in said


@pytest.mark.parametrize("group,good", [("X25519", True), ("P-256", True), ("P-384", True), ("P-521", False),
                                        ("ffdhe2048", False)])
def test_keys_are_agreed_on_over_known_curves(tls, group, good):
    said = tls.s_client("-tls1_3", "-groups", group)
    assert ("HTTP/1.1 200" in said) == good


def test_it_serves_after_all_that(tls):
    assert "HTTP/1.1 200" in tls.s_client()
    assert tls.daemon.poll() is None
