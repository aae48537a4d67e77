"""The net of bench splice: three nodes side by side between one client and one origin, all on one CPU.

    client --- x0 [xdp: shunt, splices by XDP]            x1 --- origin
           '-- t0 [twin: shunt, splices by tc]            t1 --'
           '-- p0 [plain: shunt relays, haproxy, nginx]   p1 --'

A node's two devices are taken by threads (threaded NAPI) on the CPU on which its proxies run as well. The
client's and the origin's ends have theirs elsewhere. Where a sender leaves segmentation to its veth, that has no
NAPI: the packets would be taken on the sender's CPU, and so the node's work would be nobody's, or the client's
the node's. There RPS brings them to the CPU to which they belong.
"""
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time

from forward import Net
from tests.harness import remains
from tests.harness.lab import in_namespace
from tests.harness.run import BUILD, run, wait_until

ORIGIN_PORT = 9000
NODES = {"xdp": 1, "twin": 2, "plain": 3}
HOSTS = ("client", "origin", *NODES)
PORTS = {"shunt": (7000, 80), "haproxy": (7001, 8001), "haproxy splice": (7002, 8002), "nginx": (7003, 8003)}
# splice_threshold is low: what splicing costs is to be seen, too, where it does not pay.
SHUNT = """
node: {{ workers: 1, {node} }}
vips:
  - name: v
    addresses: [{vip}]
    listeners:
      - {{ port: 7000, protocol: tcp-proxy, upstream: o }}
      - {{ port: 80, protocol: http, routes: r }}
routes: {{ r: [ {{ name: all, upstream: o, splice_threshold: 4096, {route} }} ] }}
upstreams:
  o: {{ idle_connections: 1024, endpoints: [ {{ address: "{origin}:9000" }} ] }}
"""
FAST = "devices: [{dev}0, {dev}1], mode: {mode}, source_addresses: [{source}]"
HAPROXY = """
global
  nbthread 1
  maxconn 4000
  no strict-limits
  {nosplice}
defaults
  timeout connect 3s
  timeout client 300s
  timeout server 300s
  {splice}
listen t
  mode tcp
  bind {vip}:{tcp} backlog 4096
  server o {origin}:9000
listen h
  mode http
  bind {vip}:{http} backlog 4096
  http-reuse always
  server o {origin}:9000
"""
NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx.err; worker_rlimit_nofile 8192;
{stream}
events {{ worker_connections 4000; }}
http {{ access_log off; keepalive_requests 100000000; client_max_body_size 0;
  client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir};
  scgi_temp_path {dir};
  upstream o {{ server {origin}:9000; keepalive 64; }}
  server {{ listen {vip}:{http} backlog=4096; location / {{ proxy_pass http://o; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off; }} }} }}
"""
STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
STREAM = f"""load_module {STREAM_MODULE};
stream {{{{ server {{{{ listen {{vip}}:{{tcp}} backlog=4096; proxy_pass {{origin}}:9000; }}}} }}}}"""


class SpliceNet(Net):
    """With the `with` block it is there, and behind it gone."""

    def __init__(self):
        super().__init__()
        self.bpffs = self.root = None

    def vip(self, node):
        return f"198.18.{NODES[node]}.1" if node != "plain" else "10.1.3.1"

    def dev_of(self, node, end):
        return self.dev(f"{node[0]}{end}")

    def build(self):
        self.directory = tempfile.mkdtemp(prefix="shunt-splice-")
        os.chmod(self.directory, 0o755)
        self.undo.callback(shutil.rmtree, self.directory, ignore_errors=True)
        for host in HOSTS:
            run("ip", "netns", "add", self.ns(host))
            self.undo.callback(run, "ip", "netns", "del", self.ns(host), check=False)
            self.sh(host, "ip link set lo up; for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done;"
                          " sysctl -qw net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535")
        for node, net in NODES.items():
            self.link("client", f"c{net}", f"10.1.{net}.2", node, f"{node[0]}0", f"10.1.{net}.1")
            self.link("origin", f"o{net}", f"10.2.{net}.2", node, f"{node[0]}1", f"10.2.{net}.1")
            for dev, ip, host, theirs in ((0, f"10.1.{net}.2", "client", f"c{net}"),
                                          (1, f"10.2.{net}.2", "origin", f"o{net}")):
                self.ip(node, "neigh", "replace", ip, "lladdr", self.mac(host, theirs), "dev",
                        self.dev_of(node, dev), "nud", "permanent")
            if node != "xdp":
                for end in (0, 1):
                    self.sh(node, f"ethtool -K {self.dev_of(node, end)} tx on tso on gso on")
            if node != "plain":
                self.ip("client", "route", "add", self.vip(node), "via", f"10.1.{net}.1")
        self.bpffs = os.path.join(self.directory, "bpf")
        os.mkdir(self.bpffs)
        run("mount", "-t", "bpf", "bpf", self.bpffs)
        self.undo.callback(run, "umount", "-l", self.bpffs)
        self.root = next((m for m in remains.mounts("cgroup2") if m.startswith("/sys/")), None)
        if not self.root:
            self.root = os.path.join(self.directory, "cgroup")
            os.mkdir(self.root)
            run("mount", "-t", "cgroup2", "none", self.root)
            self.undo.callback(run, "umount", "-l", self.root)
        self.start_origin()

    def super_packets(self, on):
        """At the client's and the origin's ends; where XDP is, there are none."""
        how = "on" if on else "off"
        for node, net in NODES.items():
            for host, dev in (("client", f"c{net}"), ("origin", f"o{net}")):
                if node != "xdp":
                    self.sh(host, f"ethtool -K {self.dev(dev)} tx on tso {how} gso {how}")
                    self.steer(host, self.dev(dev), 0)
            for end in (0, 1) if node != "xdp" else ():
                self.steer(node, self.dev_of(node, end), 1 if on else None)

    def steer(self, host, device, cpu):
        mask = 1 << self.cpus[cpu % len(self.cpus)] if cpu is not None else 0
        self.sh(host, f"echo {mask:x} > /sys/class/net/{device}/queues/rx-0/rps_cpus")

    # --- what runs

    def spawn(self, host, words, cpu, said=None, **more):
        enter = in_namespace(self.ns(host))

        def child():
            enter()
            os.sched_setaffinity(0, {self.cpus[cpu % len(self.cpus)]})
        process = subprocess.Popen(words, preexec_fn=child, **more)
        self.undo.callback(process.wait)
        self.undo.callback(process.kill)
        if said:
            wait_until(lambda: said() or process.poll() is not None, f"{words[0]} is ready")
            if process.poll() is not None:
                raise SystemExit(f"bench: {words[0]} does not start; see its log above")
        return process

    def start_origin(self):
        process = self.spawn("origin", [os.path.join(BUILD, "bench", "splice_origin"), str(ORIGIN_PORT)], 3,
                             stdout=subprocess.PIPE, text=True)
        if process.stdout.readline() != "ready\n":
            raise SystemExit("bench: the origin does not start")

    def admin(self, node):
        return os.path.join(self.directory, f"{node}.sock")

    def pins(self, node):
        return os.path.join(self.bpffs, node)

    def config_of(self, node, mode):
        net = NODES[node]
        fast = FAST.format(dev=self.dev(node[0]), mode=mode, source=f"10.2.{net}.1") if mode else "devices: []"
        return SHUNT.format(node=fast, vip=self.vip(node), origin=f"10.2.{net}.2",
                            route="splice: auto" if mode else "splice: off")

    def start_shunt(self, node, mode, config=None):
        """As `way`; mode None relays only."""
        path, log = (os.path.join(self.directory, node + end) for end in (".yaml", ".log"))
        with open(path, "w", encoding="utf-8") as out:
            out.write(config or self.config_of(node, mode))
        cgroup = os.path.join(self.root, f"{self.name}-{node}")
        if not os.path.isdir(cgroup):
            os.mkdir(cgroup)
            self.undo.callback(wait_until, lambda: remains.remove_cgroup(cgroup), "the cgroup is empty")
            self.undo.callback(run, os.path.join(BUILD, "shunt-loader"), "detach", "--pin-dir", self.pins(node),
                               check=False, preexec_fn=in_namespace(self.ns(node)))
        before = os.path.getsize(log) if os.path.exists(log) else 0

        def said():
            with open(log, encoding="utf-8") as lines:
                lines.seek(before)
                return "ready" in lines.read()
        with open(log, "a", encoding="utf-8") as out:
            return self.spawn(node, [os.path.join(BUILD, "shuntd"), "-c", path, "--admin", self.admin(node),
                                     *(["--pin-dir", self.pins(node), "--cgroup", cgroup] if mode else [])], 1,
                              said, stdout=out, stderr=out)

    def start_other(self, name, words, text, **values):
        tcp, http = PORTS[name]
        path = os.path.join(self.directory, name.replace(" ", "-") + ".conf")
        values |= dict(dir=self.directory, vip=self.vip("plain"), origin="10.2.3.2", tcp=tcp, http=http)
        values["stream"] = STREAM.format(**values) if os.path.exists(STREAM_MODULE) else ""
        with open(path, "w", encoding="utf-8") as out:
            out.write(text.format(**values))
        with open(path + ".log", "w", encoding="utf-8") as out:
            return self.spawn("plain", [*words, path], 1, lambda: self.sh(
                "plain", f"ss -Hltn sport = :{http} | grep -c . || true").stdout.strip() != "0",
                              stdout=out, stderr=out)

    def status(self, node):
        return json.loads(run(os.path.join(BUILD, "shuntctl"), "status", "--admin", self.admin(node),
                              "--json").stdout)

    # --- measuring

    def place(self):
        """The nodes' NAPI on the measured CPU, the client's and the origin's elsewhere."""
        for node, net in NODES.items():
            for name, cpu in ((f"{node[0]}0", 1), (f"{node[0]}1", 1), (f"c{net}", 0), (f"o{net}", 0)):
                for thread in self.threads(name):
                    os.sched_setaffinity(thread, {self.cpus[cpu % len(self.cpus)]})

    def core(self):
        """Seconds that the measured CPU was not idle, and those in softirq, ksoftirqd's as well (sampled)."""
        name = f"cpu{self.cpus[1 % len(self.cpus)]} "
        with open("/proc/stat", encoding="ascii") as stat:
            row = next(line.split() for line in stat if line.startswith(name))
        return time.monotonic() - (int(row[4]) + int(row[5])) / 100, int(row[7]) / 100

    def tasks(self, node):
        """Seconds of CPU of the node's NAPI threads."""
        return sum(ran(f"/proc/{task}/schedstat") for end in "01" for task in self.threads(node[0] + end))


def ran(path):
    with open(path, encoding="ascii") as stat:
        return int(stat.read().split()[0]) / 1e9


def process_ran(pid):
    """All its threads."""
    return sum(ran(f"/proc/{pid}/task/{task}/schedstat") for task in os.listdir(f"/proc/{pid}/task"))
