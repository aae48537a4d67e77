"""The proxies that are compared, tuned alike, and the origin behind them; each a process on loopback.

Every proxy has one thread that serves, pooled connections to the origin, X-Forwarded-For, and no
log. A `Proxy` says how it is started and, in one line, with which settings.
"""
import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass, field

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
FILES = {"10k": 10 << 10, "1m": 1 << 20, "100m": 100 << 20}

NGINX = """
daemon off; worker_processes 1; pid {dir}/{name}.pid; error_log /dev/null;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s; sendfile on; tcp_nopush on;
  open_file_cache max=16; default_type text/plain;
  client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir};
  uwsgi_temp_path {dir}; scgi_temp_path {dir};
  {body}
}}
"""
ORIGIN = """server {{ listen 127.0.0.1:{port} backlog=4096; root {dir}/files;
    location = / {{ return 200 "hello\\n"; }}
    location /api/ {{ return 200 "hello\\n"; }} }}"""
NGINX_PROXY = """upstream o {{ server 127.0.0.1:{origin}; keepalive 1024; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{
    proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_buffering {buffering}; proxy_buffer_size 16k; proxy_buffers 16 16k;
    proxy_busy_buffers_size 64k; proxy_max_temp_file_size 0; }} }}"""
HAPROXY = """
global
  nbthread 1
  maxconn {connections}
  no strict-limits
  {nosplice}
defaults
  mode http
  timeout connect 3s
  timeout client 300s
  timeout server 300s
  http-reuse always
  {splice}
frontend f
  bind 127.0.0.1:{port} backlog 4096
  option forwardfor
  default_backend b
backend b
  server o 127.0.0.1:{origin}
"""
SHUNT = """
node: {{ workers: 1 }}
vips:
  - name: v
    addresses: [127.0.0.1]
    listeners: [ {{ port: {port}, protocol: http, routes: r, timeouts: {{ idle: 300s }} }} ]
routes: {{ r: [ {{ name: all, upstream: o }} ] }}
upstreams:
  o: {{ idle_connections: 1024, endpoints: [ {{ address: "127.0.0.1:{origin}" }} ] }}
"""
CONNECTIONS = 16000  # more than any case opens
# What turns a proxy's listener into one with TLS: text of its configuration, and what it becomes.
TLS = {
    "shunt": ("protocol: http,", "protocol: https, certificates: [ c ],"),
    "nginx": ("backlog=4096;", "backlog=4096 ssl; ssl_certificate {dir}/tls.pem; "
              "ssl_certificate_key {dir}/tls.key; ssl_protocols TLSv1.2 TLSv1.3;"),
    "haproxy": ("backlog 4096", "backlog 4096 ssl crt {dir}/tls-both.pem"),
}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@dataclass
class Proxy:
    """How one is started. `name` is unique in a case: `haproxy splice` is another than `haproxy`."""
    name: str
    words: list
    config: str
    settings: str
    values: dict = field(default_factory=dict)
    more: list = field(default_factory=list)  # texts of other files beside the configuration
    process: subprocess.Popen = None
    port: int = 0

    def start(self, directory, cpus, origin_port=0):
        self.port = free_port()
        path = os.path.join(directory, self.name.replace(" ", "-") + ".conf")
        values = dict(dir=directory, name=os.path.basename(path), port=self.port, origin=origin_port,
                      connections=CONNECTIONS, files=3 * CONNECTIONS, conf=path)
        values |= {key: text.format(**values) for key, text in self.values.items()}
        if self.more:
            os.mkdir(path)
        for i, text in enumerate([self.config.format(**values), *self.more]):
            with open(os.path.join(path, f"{i}.yaml") if self.more else path, "w", encoding="utf-8") as out:
                out.write(text)
        words = ["taskset", "-c", ",".join(map(str, cpus)), *(w.format(**values) for w in self.words)]
        with open(path + ".err", "wb") as errors:
            self.process = subprocess.Popen(words, stdout=errors, stderr=errors)
        self._wait(path + ".err")
        return self

    def _wait(self, errors):
        end = time.monotonic() + 10
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.stop()
        with open(errors, encoding="utf-8", errors="replace") as said:
            raise SystemExit(f"bench: {self.name} does not listen:\n{said.read()[-800:]}")

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def version(words):
    """The first number with dots that a program calls its version."""
    out = subprocess.run(words, capture_output=True, text=True, check=False)
    return (re.search(r"\d+(\.\d+)+", out.stdout + out.stderr) or ["?"])[0]


def shunt():
    program = os.path.join(BUILD, "shuntd")
    return Proxy("shunt", [program, "-c", "{conf}", "--admin", "{dir}/admin-{port}"], SHUNT,
                 f"shunt {version([program, '--version'])}: 1 worker, idle_connections 1024, no access log")


def shunt_routes(count, hosts):
    """With so many routes, exact paths and prefixes in turn, and one for the rest."""
    def made():
        proxy = shunt()
        proxy.name = f"{count} routes"
        proxy.settings += f", {count} routes of {hosts} hosts"
        for first in range(0, count, 5000):
            proxy.more.append("routes:\n  r:\n" + "".join(
                f"    - {{ name: n{i}, match: {{ host: host-{i % hosts:04}.example.com, "
                f"path: /api/v2/items-{i:06}{'' if (i + i // hosts) % 2 else '/*'} }}, upstream: o }}\n"
                for i in range(first, min(first + 5000, count))))
        return proxy
    return made


def nginx(buffering="on"):
    name = "nginx" if buffering == "on" else "nginx nobuf"
    return Proxy(name, ["/usr/sbin/nginx", "-c", "{conf}"], NGINX,
                 f"{name} {version(['/usr/sbin/nginx', '-v'])}: 1 worker, upstream keepalive 1024, sendfile on, "
                 f"tcp_nopush on, proxy_buffering {buffering} (16 x 16k, no temporary files), access_log off",
                 dict(body=NGINX_PROXY.replace("{buffering}", buffering)))


def haproxy(splice=None):
    """splice: None where no body is large enough to matter, else True or False."""
    name = "haproxy" if not splice else "haproxy splice"
    return Proxy(name, ["/usr/sbin/haproxy", "-db", "-f", "{conf}"], HAPROXY,
                 f"{name} {version(['/usr/sbin/haproxy', '-v'])}: nbthread 1, http-reuse always, "
                 f"{'option splice-auto' if splice else 'nosplice'}, default buffers, no log",
                 dict(splice="option splice-auto" if splice else "",
                      nosplice="" if splice else "nosplice"))


def tls(make):
    """The same proxy, but that its clients speak TLS."""
    def made():
        proxy = make()
        plain, secured = TLS[proxy.name]
        if proxy.name == "shunt":
            proxy.config += "certificates: {{ c: {{ chain: tls.pem, key: tls.key }} }}\n"
        place = proxy.values if "body" in proxy.values else vars(proxy)
        key = "body" if place is proxy.values else "config"
        assert plain in place[key]
        place[key] = place[key].replace(plain, secured)
        proxy.settings += ", TLS with an ECDSA key (P-256)"
        return proxy
    return made


def certificate(directory):
    """For all that speak TLS: one that signs itself."""
    chain, key = (os.path.join(directory, name) for name in ("tls.pem", "tls.key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=bench.example", "-addext",
                    "subjectAltName=DNS:bench.example", "-keyout", key, "-out", chain],
                   check=True, capture_output=True)
    with open(os.path.join(directory, "tls-both.pem"), "w", encoding="ascii") as both:
        for path in (chain, key):
            with open(path, encoding="ascii") as part:
                both.write(part.read())


def relay():
    return Proxy("relay", [os.path.join(BUILD, "bench", "null_relay"), "{port}", "{origin}"], "",
                 "relay: null_relay, one epoll thread, copies bytes through 64 KiB, pairs never shared")


def origin(directory):
    """nginx with files of the sizes that the cases ask for."""
    files = os.path.join(directory, "files")
    os.mkdir(files)
    for name, size in FILES.items():
        with open(os.path.join(files, name), "wb") as out:
            out.write(os.urandom(1 << 10) * (size >> 10))
    return Proxy("origin", ["/usr/sbin/nginx", "-c", "{conf}"], NGINX, "",
                 dict(body=ORIGIN))
