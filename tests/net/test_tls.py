"""TLS ended by listeners and begun towards endpoints, judged by openssl and curl."""
import os
import re
import socket
import ssl
import subprocess

import pytest

from tests.harness import scripted
from tests.harness.certificates import Authority, openssl
from tests.harness.plain import Plain
from tests.harness.run import BUILD, PATIENCE, run, wait_until

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all }}
      - {{ port: {hasty}, protocol: https, routes: all, certificates: [a, a-rsa, b, wild],
          timeouts: {{ handshake: 10m }} }}
      - {{ port: {quick}, protocol: https, routes: all, certificates: [a], timeouts: {{ handshake: 500ms }} }}
      - {{ port: {mutual}, protocol: https, routes: all, certificates: [a],
          tls: {{ client_ca: ca.pem, client_certificate: optional, client_subject: X-Subject }} }}
      - {{ port: {strict}, protocol: https, routes: all, certificates: [a],
          tls: {{ client_ca: ca.pem, min_version: "1.3" }} }}
node: {{ tunnel_address: 127.0.0.1 }}
certificates:
  a: {{ chain: a.pem, key: a.key }}
  a-rsa: {{ chain: a-rsa.pem, key: a-rsa.key }}
  b: {{ chain: b.pem, key: b.key }}
  wild: {{ chain: wild.pem, key: wild.key }}
  own: {{ chain: own.pem, key: own.key }}
routes:
  all:
    - {{ name: good, match: {{ path: /good/* }}, upstream: good }}
    - {{ name: other-name, match: {{ path: /other-name }}, upstream: other-name }}
    - {{ name: other-ca, match: {{ path: /other-ca }}, upstream: other-ca }}
    - {{ name: blind, match: {{ path: /blind }}, upstream: blind }}
    - {{ name: plain, match: {{ path: /plain }}, upstream: plain }}
    - {{ name: staff, match: {{ path: /who, client_subject: {{ regex: ".*,O=Tests" }} }}, respond: {{ status: 200, body: staff }} }}
    - {{ name: agreed, match: {{ path: /who, alpn: http/1.1 }}, respond: {{ status: 200, body: agreed }} }}
    - {{ name: nothing, match: {{ path: /who, alpn: {{ present: false }} }}, respond: {{ status: 200, body: nothing }} }}
    - {{ name: again, match: {{ path: /again, session_resumed: true }}, respond: {{ status: 200, body: "visit:again;" }} }}
    - {{ name: anew, match: {{ path: /again, session_resumed: false }}, respond: {{ status: 200, body: "visit:anew;" }} }}
{digits}
    - {{ name: none, match: {{ path: /session, session_id: {{ present: false }} }}, respond: {{ status: 200, body: "visit:none;" }} }}
    - {{ name: all, upstream: origin }}
upstreams:
  origin: {{ endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
  good: {{ tls: {{ name: endpoint.example.com, ca: ca.pem, certificate: own }}, endpoints: [ {{ address: "127.0.0.1:{tls}" }} ] }}
  other-name: {{ tls: {{ name: other.example.com, ca: ca.pem }}, endpoints: [ {{ address: "127.0.0.1:{tls}" }} ] }}
  other-ca: {{ tls: {{ name: endpoint.example.com, ca: other.pem }}, endpoints: [ {{ address: "127.0.0.1:{tls}" }} ] }}
  blind: {{ tls: {{ verify: false }}, endpoints: [ {{ address: "127.0.0.1:{tls}" }} ] }}
  plain: {{ tls: {{ name: x, ca: ca.pem }}, endpoints: [ {{ address: "127.0.0.1:{port}" }} ] }}
"""

NGINX = """
daemon off; master_process off; pid {own}/nginx.pid; error_log {own}/nginx.log;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {own}; proxy_temp_path {own}; fastcgi_temp_path {own};
  uwsgi_temp_path {own}; scgi_temp_path {own};
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {dir}/endpoint.pem;
    ssl_certificate_key {dir}/endpoint.key; ssl_client_certificate {dir}/ca.pem;
    ssl_verify_client optional; default_type text/plain;
    location / {{ return 200 "nginx $ssl_server_name $ssl_client_s_dn $connection_requests\\n"; }} }} }}
"""


class Tls(Plain):
    """Certificates of one authority, an endpoint that speaks TLS (nginx), listeners that do."""

    def __init__(self):
        super().__init__()
        self.ca = Authority(self.dir)
        self.mutual, self.strict, self.tls, self.quick = self.free_ports(4)
        self.ca.sign("a", ["a.example.com"])
        self.ca.sign("a-rsa", ["a.example.com"], kind="rsa")
        self.ca.sign("b", ["b.example.com", "c.example.com"])
        self.ca.sign("wild", ["*.w.example.com"])
        self.ca.sign("own", [], subject="/CN=shunt itself")
        self.ca.sign("client", [], subject="/O=Tests/CN=a client")
        self.ca.sign("endpoint", ["endpoint.example.com"])
        Authority(self.dir, "other").sign("stranger", [])
        self.nginx = None

    def start(self):
        os.mkdir(self.path("nginx"))  # it becomes nobody's
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as out:
            out.write(NGINX.format(dir=self.dir, own=self.path("nginx"), port=self.tls))
        self.nginx = subprocess.Popen(["nginx", "-p", self.dir, "-c", self.path("nginx.conf")],
                                      stderr=subprocess.DEVNULL)
        super().start()

    def close(self):
        if self.nginx:
            self.nginx.kill()
            self.nginx.wait()
        super().close()

    def configuration(self):
        digits = "\n".join(f'    - {{ name: d{d}, match: {{ path: /session, session_id: {{ prefix: "{d}" }} }},'
                           f' respond: {{ status: 200, body: "visit:{d};" }} }}' for d in "0123456789abcdef")
        return CONFIG.format(digits=digits, port=self.port, hasty=self.hasty, origin=self.origin.port, mutual=self.mutual,
                             strict=self.strict, tls=self.tls, quick=self.quick)

    def curl(self, path, *words, port=None, host="a.example.com", check=True):
        return run("curl", "-sS", "-m", "90", "--cacert", self.ca.pem, "--connect-to",
                   f"{host}:443:127.0.0.1:{port or self.hasty}", *words, f"https://{host}{path}", check=check)

    def s_client(self, *words, port=None, data=""):
        return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port or self.hasty}",
                               "-CAfile", self.ca.pem, *words], input=data, capture_output=True, text=True,
                              timeout=PATIENCE, check=False)


@pytest.fixture(scope="module")
def tls():
    with Tls() as made:
        yield made


@pytest.mark.parametrize("version,name", [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")])
def test_requests_are_served_over_each_version(tls, version, name):
    got = tls.curl("/x", "--tlsv" + version, "--tls-max", version, "-w", "%{http_code} %{num_connects}\n",
                   "-o", "/dev/null")
    assert got.stdout == "200 1\n"
    line = wait_until(lambda: [x for x in tls.accesses() if x.get("tls") == name], "its line")[-1]
    assert line["handshake_us"] > 0
    assert line["server_name"] == "a.example.com"


@pytest.mark.parametrize("version", ["-ssl3", "-tls1", "-tls1_1"])
def test_old_versions_are_refused(tls, version):
    assert "BEGIN CERTIFICATE" not in tls.s_client(version, "-cipher", "ALL:@SECLEVEL=0").stdout


def test_a_listener_may_want_the_newest_only(tls):
    assert "BEGIN CERTIFICATE" not in tls.s_client("-tls1_2", port=tls.strict).stdout


@pytest.mark.parametrize("name,subject", [
    ("a.example.com", "a.example.com"), ("A.Example.COM", "a.example.com"),
    ("b.example.com", "b.example.com"), ("c.example.com", "b.example.com"),
    ("x.w.example.com", "*.w.example.com"), ("x.y.w.example.com", "a.example.com"),
    ("w.example.com", "a.example.com"), ("other.example.org", "a.example.com"), (None, "a.example.com"),
])
def test_the_certificate_goes_by_the_name(tls, name, subject):
    words = ("-servername", name) if name else ("-noservername",)
    assert f"CN = {subject}\n" in tls.s_client(*words).stdout


@pytest.mark.parametrize("algorithms,kind", [("ECDSA+SHA256", "id-ecPublicKey"), ("RSA-PSS+SHA256", "rsaEncryption")])
def test_the_kind_of_key_goes_by_what_the_client_can(tls, algorithms, kind):
    got = tls.s_client("-servername", "a.example.com", "-sigalgs", algorithms)
    text = openssl("x509", "-noout", "-text", input=got.stdout).stdout
    assert f"Public Key Algorithm: {kind}" in text and "CN = a.example.com" in text


@pytest.mark.parametrize("offered,agreed", [("http/1.1", "http/1.1"), ("h2,http/1.1", "http/1.1"),
                                            ("h2", None), (None, "")])
def test_the_protocol_is_agreed_on_or_refused(tls, offered, agreed):
    got = tls.s_client(*(("-alpn", offered) if offered else ()))
    if agreed is None:
        assert "no application protocol" in got.stderr
    elif agreed:
        assert f"ALPN protocol: {agreed}" in got.stdout
    else:
        assert "No ALPN negotiated" in got.stdout


def resume_twice(tls, version, between):
    context = ssl.create_default_context(cafile=tls.ca.pem)
    context.minimum_version = context.maximum_version = version
    session = None
    for turn in range(2):
        with socket.create_connection(("127.0.0.1", tls.hasty), timeout=PATIENCE) as sock:
            with context.wrap_socket(sock, server_hostname="a.example.com", session=session) as s:
                s.sendall(b"GET /ticket HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
                assert s.recv(4096).startswith(b"HTTP/1.1 200")
                if turn:
                    return s.session_reused
                session = s.session
        between()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_also_after_a_reload(tls, version):
    assert resume_twice(tls, version, lambda: None)
    assert resume_twice(tls, version, tls.reload)


def visit(tls, *words):
    """Two requests on one connection of s_client's: its session's id and whether it was resumed, as the log, the
    routes and s_client say alike."""
    before = len(tls.accesses())
    head = "GET %s HTTP/1.1\r\nHost: a.example.com\r\nConnection: %s\r\n\r\n"
    said = tls.s_client("-servername", "a.example.com", "-ign_eof", *words,
                        data=head % ("/again", "keep-alive") + head % ("/session", "close")).stdout
    lines = wait_until(lambda: [x for x in tls.accesses()[before:] if x["path"] in ("/again", "/session")][:2], "lines")
    ids, resumed = ({line.get(key) for line in lines} for key in ("session_id", "session_resumed"))
    assert len(lines) == 2 and len(ids) == len(resumed) == 1, lines
    number, again = ids.pop(), resumed.pop() is True
    assert re.findall(r"visit:(\w+);", said) == ["again" if again else "anew", number[0] if number else "none"], said
    assert ("\nReused, TLS" in said) == again and ("\nNew, TLS" in said) == (not again)
    return number, again


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_routes_go_by_the_session_and_by_its_resumption(tls, version):
    kept, ids = tls.path("session" + version), set()
    for _ in range(3):
        number, again = visit(tls, version, "-sess_out", kept)
        assert re.fullmatch("[0-9a-f]{16}", number) and not again and number not in ids
        ids.add(number)
        for _ in range(2):
            assert visit(tls, version, "-sess_in", kept, "-sess_out", kept) == (number, True)
    if version == "-tls1_2":
        assert visit(tls, version, "-no_ticket") == (None, False)
    assert run("curl", "-sS", "-m", "90", f"http://127.0.0.1:{tls.port}/session").stdout == "visit:none;"


def test_a_handshake_that_does_not_go_on_is_ended(tls):
    with socket.create_connection(("127.0.0.1", tls.quick), timeout=PATIENCE) as sock:
        sock.sendall(b"\x16\x03\x01")
        assert sock.recv(10) == b""


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 999,
                                  bytes(500), b"\x80\x2e\x01\x00\x02"])
def test_what_is_no_tls_ends_that_connection_only(tls, junk):
    with socket.create_connection(("127.0.0.1", tls.quick), timeout=PATIENCE) as sock:
        sock.sendall(junk)
        try:
            while sock.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert tls.curl("/after", "-o", "/dev/null", "-w", "%{http_code}").stdout == "200"


def test_large_bodies_arrive_whole_both_ways(tls):
    data, token = os.urandom(3_000_000), scripted.token().decode()
    with open(tls.path("upload"), "wb") as out:
        out.write(data)
    got = run("curl", "-sS", "-m", "90", "--cacert", tls.ca.pem, "--connect-to",
              f"a.example.com:443:127.0.0.1:{tls.hasty}", "--data-binary", "@" + tls.path("upload"),
              "-H", "Expect:", f"https://a.example.com/{token}")
    assert got.stdout == f"POST /{token}"
    assert tls.origin.whole(token.encode())[0].raw.endswith(data)


def certificate(tls, name):
    return ("--cert", tls.path(f"{name}.pem"), "--key", tls.path(f"{name}.key"))


def test_a_clients_subject_reaches_the_endpoint_and_cannot_be_forged(tls):
    for words, want in (((), b"x-subject: \r\n"), (certificate(tls, "client"), b"x-subject: CN=a client,O=Tests\r\n")):
        token = scripted.token()
        got = tls.curl("/" + token.decode(), "-H", "X-Subject: CN=forged", *words, port=tls.mutual)
        assert got.stdout == f"GET /{token.decode()}"
        seen = tls.origin.whole(token)[0].raw.lower().replace(b"x-subject:\r\n", b"x-subject: \r\n")
        assert want.lower() in seen and b"forged" not in seen


def test_routes_go_by_a_clients_subject_and_by_what_was_agreed_on(tls):
    staff = certificate(tls, "client")
    for words, port, want in ((staff, tls.mutual, "staff"), ((), tls.mutual, "agreed"), (staff, tls.hasty, "agreed"),
                              (("--no-alpn",), tls.mutual, "nothing"), ((*staff, "--no-alpn"), tls.mutual, "staff")):
        assert tls.curl("/who", *words, port=port).stdout == want, (words, want)
    assert run("curl", "-sS", "-m", "90", f"http://127.0.0.1:{tls.port}/who").stdout == "nothing"


def test_a_session_that_is_resumed_has_its_clients_subject(tls):
    context = ssl.create_default_context(cafile=tls.ca.pem)
    context.load_cert_chain(tls.path("client.pem"), tls.path("client.key"))
    session = None
    for resumed in (False, True):
        with socket.create_connection(("127.0.0.1", tls.mutual), timeout=PATIENCE) as sock:
            with context.wrap_socket(sock, server_hostname="a.example.com", session=session) as secure:
                secure.sendall(b"GET /who HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: secure.recv(4096), b""))
                assert answer.endswith(b"\r\n\r\nstaff") and secure.session_reused == resumed
                session = secure.session


@pytest.mark.parametrize("name,good", [(None, False), ("stranger", False), ("client", True)])
def test_only_known_clients_are_let_in_where_that_is_required(tls, name, good):
    got = tls.curl("/strict", *(certificate(tls, name) if name else ()), port=tls.strict, check=False)
    assert (got.returncode == 0) == good, got


def test_endpoints_are_spoken_to_in_tls_and_connections_are_used_again(tls):
    counts = [int(tls.curl("/good/x").stdout.split()[-1]) for _ in range(3)]
    assert counts == list(range(counts[0], counts[0] + 3))
    assert tls.curl("/good/x").stdout.startswith("nginx endpoint.example.com CN=shunt itself ")
    assert tls.curl("/blind").stdout.startswith("nginx ")


@pytest.mark.parametrize("path,why", [("/other-name", "hostname mismatch"), ("/other-ca", "certificate"),
                                      ("/plain", "wrong version number")])
def test_endpoints_that_are_not_who_they_should_be_are_not_spoken_to(tls, path, why):
    got = tls.curl(path, "-w", "%{http_code}")
    assert got.stdout.endswith("502") and why in got.stdout
    assert tls.accesses()[-1]["error"]


def serial(tls):
    text = tls.s_client("-servername", "b.example.com").stdout
    return openssl("x509", "-noout", "-serial", input=text).stdout


def test_new_certificates_are_taken_without_cutting_a_connection(tls):
    before = serial(tls)
    context = ssl.create_default_context(cafile=tls.ca.pem)
    with socket.create_connection(("127.0.0.1", tls.hasty), timeout=PATIENCE) as sock:
        with context.wrap_socket(sock, server_hostname="b.example.com") as old:
            tls.ca.sign("b", ["b.example.com", "c.example.com"])
            wait_until(lambda: serial(tls) != before, "the new certificate is served")
            old.sendall(b"GET /still HTTP/1.1\r\nHost: b.example.com\r\n\r\n")
            assert old.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_broken_new_certificate_leaves_the_old_one_serving(tls):
    before, seen = serial(tls), len(tls.log())
    with open(tls.path("b.key"), encoding="utf-8") as key:
        good = key.read()
    with open(tls.path("b.key"), "w", encoding="utf-8") as key:
        key.write("nonsense\n")
    wait_until(lambda: "is no PEM key" in tls.log()[seen:], "the finding")
    assert serial(tls) == before
    with open(tls.path("b.key"), "w", encoding="utf-8") as key:
        key.write(good)


def check(folder, text):
    path = os.path.join(folder, "check.yaml")
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return run(os.path.join(BUILD, "shuntctl"), "check", path, check=False)


@pytest.mark.parametrize("certificate_text,part", [
    ("{ chain: none.pem, key: a.key }", r"cannot read the certificate \S*none.pem: No such file"),
    ("{ chain: a.pem, key: none.key }", r"cannot read the key \S*none.key: No such file"),
    ("{ chain: a.key, key: a.key }", "is no PEM certificate"),
    ("{ chain: a.pem, key: a.pem }", "is no PEM key without a passphrase"),
    ("{ chain: a.pem, key: b.key }", "does not belong to the certificate"),
    ("{ chain: old.pem, key: old.key }", r'"x" \(old.example.com\) is not valid now: its date is \w+ +\d+'),
    ("{ chain: secret.pem, key: secret.key }", "without a passphrase"),
    ("{ chain: a.pem, key: a.key, ocsp: none }", "cannot read the OCSP response"),
], ids=lambda text: None if "{" in text else text[:20])
def test_a_wrong_certificate_is_told_with_its_place(tls, certificate_text, part):
    tls.ca.sign("old", ["old.example.com"], days=-1)
    openssl("ec", "-in", tls.path("a.key"), "-out", tls.path("secret.key"), "-aes256", "-passout", "pass:x")
    run("cp", tls.path("a.pem"), tls.path("secret.pem"))
    got = check(tls.dir, f"""certificates:
  x: {certificate_text}
routes: {{ r: [ {{ name: n, respond: {{ status: 200 }} }} ] }}
vips: [ {{ name: v, addresses: [127.0.0.1], listeners: [ {{ port: 1, protocol: https, routes: r, certificates: [x] }} ] }} ]
""")
    assert got.returncode == 1
    assert re.search(r"check.yaml:2:3: .*" + part, got.stderr), got.stderr
