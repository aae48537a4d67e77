"""Health checks of the proxy's endpoints: TLS with names and dates, and what answers contain."""
import os
import subprocess

import pytest

from tests.harness.certificates import Authority
from tests.harness.plain import Plain
from tests.harness.run import wait_until

# By upstream: port of nginx (see SERVERS), more of the upstream, its check, and what it must find.
FAST = "interval: 300ms, timeout: 300ms, fall: 3"
MAIN = "tls: { name: endpoint.example.com, ca: ca.pem }"
UPSTREAMS = {
    "as-its-upstream": ("good", MAIN, "http: /ok", ""),
    "another-name": ("good", "tls: { name: other.example.com, ca: ca.pem }", "http: /ok",
                     "TLS: hostname mismatch"),
    "another-ca": ("good", "tls: { name: endpoint.example.com, ca: other.pem }", "http: /ok", "TLS: "),
    "handshake": ("good", MAIN, "tls: true", ""),
    "passed-through": ("good", "", "tls: { name: endpoint.example.com, ca: ca.pem }", ""),
    "days-left": ("good", MAIN, "tls: true, valid_days: 10", ""),
    "days-gone": ("good", MAIN, "tls: true, valid_days: 25", "its certificate is valid for"),
    "plain-port": ("plain", MAIN, "http: /ok, tls: false", ""),
    "no-tls-there": ("plain", MAIN, "http: /ok", "TLS: wrong version number"),
    "plain-to-tls": ("good", "", "http: /ok", "status 400 is not expected"),
    "body": ("good", MAIN, "http: /ok, expect: { body: \"all is well\" }", ""),
    "other-body": ("good", MAIN, "http: /ok, expect: { body: \"all is bad\" }",
                   "the body of its answer does not contain what is expected"),
    "far-body": ("plain", "", "http: /large, expect: { body: the-end }", ""),
    "too-far-body": ("plain", "", "http: /larger, expect: { body: the-end }",
                     "the body of its answer does not contain what is expected"),
    "head": ("plain", "", "http: /ok, method: HEAD, expect: { body: x }",
             "the body of its answer does not contain what is expected"),
    "said": ("plain", "", "http: /said, method: OPTIONS, host: checks.example.com, headers: "
             "{ X-Check: yes please, User-Agent: ours }, expect: { body: "
             "\"OPTIONS checks.example.com yes please ours.\" }", ""),
}

CONFIG = """
vips:
  - {{ name: web, addresses: [127.0.0.1], listeners: [ {{ port: {port}, protocol: http, routes: all }} ] }}
node: {{ tunnel_address: 127.0.0.1 }}
routes: {{ all: [ {{ name: all, upstream: handshake }} ] }}
upstreams:
"""
NGINX = """
daemon off; master_process off; pid {own}/nginx.pid; error_log {own}/nginx.log;
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path {own}; proxy_temp_path {own}; fastcgi_temp_path {own};
  uwsgi_temp_path {own}; scgi_temp_path {own}; default_type text/plain;
  server {{ listen 127.0.0.1:{good} ssl; listen 127.0.0.1:{plain}; root {own};
    ssl_certificate {dir}/endpoint.pem; ssl_certificate_key {dir}/endpoint.key;
    location = /ok {{ return 200 "all is well\\n"; }}
    location = /said {{ return 200 "$request_method $host $http_x_check $http_user_agent."; }} }} }}
"""


class Checked(Plain):
    """An nginx that speaks TLS and plain, and upstreams that check it in different ways."""

    def __init__(self):
        super().__init__()
        self.ports = dict(zip(("good", "plain"), self.free_ports(2)))
        Authority(self.dir).sign("endpoint", ["endpoint.example.com"], days=20)
        Authority(self.dir, "other")
        os.mkdir(self.path("nginx"))
        for name, size in (("large", 60000), ("larger", 70000)):
            with open(self.path(f"nginx/{name}"), "w", encoding="utf-8") as out:
                out.write("x" * size + "the-end")
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as out:
            out.write(NGINX.format(dir=self.dir, own=self.path("nginx"), **self.ports))
        os.chmod(self.dir, 0o755)  # nginx reads as nobody
        self.nginx = subprocess.Popen(["nginx", "-p", self.dir, "-c", self.path("nginx.conf")],
                                      stderr=subprocess.DEVNULL)

    def close(self):
        self.nginx.kill()
        self.nginx.wait()
        super().close()

    def configuration(self):
        return CONFIG.format(port=self.port) + "".join(
            f"  {name}: {{ {more + ', ' if more else ''}health: {{ {check}, {FAST} }}, "
            f"endpoints: [ {{ address: \"127.0.0.1:{self.ports[port]}\" }} ] }}\n"
            for name, (port, more, check, _) in UPSTREAMS.items())

    def health(self, upstream):
        """State and detail of its one endpoint; None before the first check."""
        for found in self.daemon_status()["health"]:
            if found["upstream"] == upstream and found["state"] != "unknown":
                return found["state"], found.get("detail") or ""
        return None


@pytest.fixture(scope="module", name="checked")
def fixture_checked():
    with Checked() as made:
        yield made


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_what_a_check_finds(checked, upstream):
    why = UPSTREAMS[upstream][3]
    if not why:
        wait_until(lambda: checked.health(upstream) == ("up", ""), f"{upstream} is up: {checked.health(upstream)}")
        return
    # One late answer is another reason; the next check says the right one again.
    wait_until(lambda: (checked.health(upstream) or (None,))[0] == "down" and
               checked.health(upstream)[1].startswith(why), f"{upstream} is down: {checked.health(upstream)}")
