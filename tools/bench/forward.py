"""Packets a second through one core: the kernel's routing, its VXLAN device, and shunt, side by side.

    client --- k0 [kernel: routes, or wraps] k1 --- endpoint
           '-- s0 [shunt: XDP on both]       s1 --'

Every link is a veth with the same offloads; what comes in at k0 or s0 is taken by one thread (threaded
NAPI) on one CPU, the senders have others, and so has the endpoint, which counts what arrives and drops it.
What counts is what one second of that thread's own time moves: so other work on the machine, or a
sender that is too slow, does not decide. In a veth XDP first copies each packet into a page of its own,
which a NIC does not need.
"""
import contextlib
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
from tests.harness.lab import in_namespace  # noqa: E402
from tests.harness.run import BUILD, run, wait_until  # noqa: E402

FLOWS = 64
SENDERS = 2
HOSTS = ("client", "kernel", "shunt", "endpoint")
TO = {"kernel": "10.2.1.2", "shunt": "10.2.2.2"}  # the endpoint, by either way
ROUTED, WRAPPED, VIP, PORT = "198.18.1.1", "198.18.2.1", "198.18.3.1", 53
WAYS = {"kernel routing": ("kernel", ROUTED), "kernel VXLAN": ("kernel", WRAPPED), "shunt": ("shunt", VIP)}
CONFIG = f"""
node: {{ devices: [DEV0, DEV1], tunnel_address: 10.2.2.1, mode: native }}
vpcs: {{ a: {{ vni: 5001 }} }}
vips:
  - {{ name: v, addresses: [{VIP}], listeners: [ {{ port: {PORT}, protocol: udp, upstream: u, forward: vxlan }} ] }}
upstreams:
  u: {{ endpoints: [ {{ address: "172.16.0.4:53", vpc: a, host: {TO["shunt"]}, mac: "02:00:00:00:00:04" }} ] }}
"""


class Net:
    """The four namespaces; all of it goes away with the with block."""

    def __init__(self):
        self.name = "f" + secrets.token_hex(2)
        self.undo = contextlib.ExitStack()
        self.directory = None
        self.cpus = sorted(os.sched_getaffinity(0))

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.undo.close()
            raise
        return self

    def __exit__(self, *_):
        self.undo.close()

    def ns(self, host):
        return f"{self.name}-{host}"

    def ip(self, host, *words):
        return run("ip", "-n", self.ns(host), *words)

    def sh(self, host, text):
        return run("ip", "netns", "exec", self.ns(host), "sh", "-c", text)

    def build(self):
        self.directory = tempfile.mkdtemp(prefix="shunt-forward-")
        self.undo.callback(shutil.rmtree, self.directory, ignore_errors=True)
        for host in HOSTS:
            run("ip", "netns", "add", self.ns(host))
            self.undo.callback(run, "ip", "netns", "del", self.ns(host), check=False)
            self.sh(host, "ip link set lo up; for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done")
        for host, net in (("kernel", 1), ("shunt", 2)):
            self.link("client", f"c{net}", f"10.1.{net}.2", host, f"{host[0]}0", f"10.1.{net}.1")
            self.link("endpoint", f"e{net}", None, host, f"{host[0]}1", f"10.2.{net}.1")
            mac = self.mac("endpoint", f"e{net}")
            self.ip(host, "neigh", "add", TO[host], "lladdr", mac, "dev", self.dev(f"{host[0]}1"), "nud", "permanent")
        self.kernel_ways()
        for address, via in ((ROUTED, "10.1.1.1"), (WRAPPED, "10.1.1.1"), (VIP, "10.1.2.1")):
            self.ip("client", "route", "add", address, "via", via)
        self.start_shunt()

    def dev(self, name):
        return self.name + name

    def mac(self, host, name):
        return json.loads(self.ip(host, "-j", "link", "show", self.dev(name)).stdout)[0]["address"]

    def link(self, outer, outer_dev, outer_ip, inner, inner_dev, inner_ip):
        self.ip(inner, "link", "add", self.dev(inner_dev), "numrxqueues", "1", "numtxqueues", "1", "type", "veth",
                "peer", "name", self.dev(outer_dev), "netns", self.ns(outer), "numrxqueues", "1", "numtxqueues", "1")
        for host, name, ip in ((outer, outer_dev, outer_ip), (inner, inner_dev, inner_ip)):
            if ip:
                self.ip(host, "addr", "add", ip + "/24", "dev", self.dev(name))
            self.sh(host, f"ethtool -K {self.dev(name)} tx off tso off gso off gro on >/dev/null;"
                          f" ip link set {self.dev(name)} up; echo 1 > /sys/class/net/{self.dev(name)}/threaded;"
                          f" echo 0 > /proc/sys/net/ipv4/conf/{self.dev(name)}/rp_filter")

    def kernel_ways(self):
        self.sh("kernel", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.ip("kernel", "link", "add", "vx", "type", "vxlan", "id", "5001", "dstport", "4789", "local", "10.2.1.1",
                "remote", TO["kernel"], "nolearning", "dev", self.dev("k1"))
        self.ip("kernel", "link", "set", "vx", "up")
        self.ip("kernel", "addr", "add", "172.16.0.1/24", "dev", "vx")
        self.ip("kernel", "neigh", "add", "172.16.0.4", "lladdr", "02:00:00:00:00:04", "dev", "vx", "nud", "permanent")
        self.ip("kernel", "route", "add", WRAPPED, "via", "172.16.0.4")
        self.ip("kernel", "route", "add", ROUTED, "via", TO["kernel"])

    def start_shunt(self):
        pins = os.path.join(self.directory, "bpf")
        os.mkdir(pins)
        run("mount", "-t", "bpf", "bpf", pins)
        self.undo.callback(run, "umount", "-l", pins)
        text = CONFIG.replace("DEV0", self.dev("s0")).replace("DEV1", self.dev("s1"))
        config, log = os.path.join(self.directory, "shunt.yaml"), os.path.join(self.directory, "log")
        with open(config, "w", encoding="utf-8") as out:
            out.write(text)
        with open(log, "w", encoding="utf-8") as out:
            daemon = subprocess.Popen(
                [os.path.join(BUILD, "shuntd"), "-c", config, "--pin-dir", pins + "/shunt", "--admin",
                 os.path.join(self.directory, "admin.sock")],
                stdout=out, stderr=out, preexec_fn=in_namespace(self.ns("shunt")))
        self.undo.callback(run, os.path.join(BUILD, "shunt-loader"), "detach", "--pin-dir", pins + "/shunt",
                           check=False, preexec_fn=in_namespace(self.ns("shunt")))
        self.undo.callback(daemon.wait)
        self.undo.callback(daemon.kill)

        def said():
            with open(log, encoding="utf-8") as lines:
                return lines.read()
        wait_until(lambda: "ready" in said() or daemon.poll() is not None, "shuntd is ready")
        if daemon.poll() is not None:
            raise SystemExit(f"bench: shuntd does not start: {said()}")

    # --- measuring

    def threads(self, name):
        """The NAPI threads of a device."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                if comm.read().startswith(f"napi/{self.dev(name)}-"[:15]):
                    found.append(int(pid))
        return found

    def place(self):
        """One CPU for the way in, which is measured, one for the endpoint; the senders have the rest."""
        for name, cpu in (("k0", 1), ("s0", 1), ("k1", 1), ("s1", 1), ("e1", 2), ("e2", 2), ("c1", 2), ("c2", 2)):
            for thread in self.threads(name):
                os.sched_setaffinity(thread, {self.cpus[cpu % len(self.cpus)]})

    def arrived(self, host):
        device = self.dev("e1" if host == "kernel" else "e2")
        return json.loads(self.ip("endpoint", "-j", "-s", "link", "show", device).stdout)[0]["stats64"]["rx"]["packets"]

    def busy(self, host):
        """Seconds of CPU of the thread that takes what comes in."""
        threads = self.threads(f"{host[0]}0")
        if len(threads) != 1:
            raise SystemExit(f"bench: {len(threads)} NAPI threads at the way in, 1 expected")
        with open(f"/proc/{threads[0]}/schedstat", encoding="utf-8") as stat:
            return int(stat.read().split()[0]) / 1e9

    def pour(self, address, seconds):
        """Bounded by its own clock."""
        def start(number):
            cpu = self.cpus[(0, 3)[number] % len(self.cpus)]
            enter = in_namespace(self.ns("client"))

            def child():
                enter()
                os.sched_setaffinity(0, {cpu})
            return subprocess.Popen([os.path.join(BUILD, "bench", "udp_pour"), address, str(PORT), str(seconds),
                                     str(FLOWS)], preexec_fn=child, stdout=subprocess.PIPE, text=True)
        senders = [start(i) for i in range(SENDERS)]
        return sum(int(sender.communicate()[0]) for sender in senders)

    def measure(self, way, seconds):
        """Packets that arrived, a second and a second of the thread."""
        host, address = WAYS[way]
        arrived, busy = self.arrived(host), self.busy(host)
        sent = self.pour(address, seconds)
        arrived, busy = self.arrived(host) - arrived, self.busy(host) - busy
        if not 0 < arrived <= sent + 100 or busy <= 0:
            raise SystemExit(f"bench: {way}: {sent} packets sent, {arrived} arrived")
        return arrived / seconds, arrived / busy, busy / seconds


def row(name, figures, others):
    middle = statistics.median(figures)
    spread = f"{min(figures) / 1e3:.0f} - {max(figures) / 1e3:.0f}"
    ratios = "".join(f"{middle / statistics.median(other):16.2f}" for other in others)
    print(f"    {name:16}{middle / 1e3:10.0f}   {spread:15}{ratios}")


def forward(plan):
    """Rounds in turn; ratios of medians."""
    if os.geteuid() != 0:
        print("forward: not measured, because namespaces need root")
        return
    found = {way: [] for way in WAYS}
    with Net() as net:
        net.place()
        for way in WAYS:
            net.measure(way, plan.warm)
        for turn in range(plan.rounds):
            for i in range(len(WAYS)):
                way = list(WAYS)[(i + turn) % len(WAYS)]
                found[way].append(net.measure(way, plan.seconds))
    print(f"\nforward: UDP of {FLOWS * SENDERS} flows in frames of 60 bytes, one NAPI thread on one CPU, "
          f"{plan.rounds} rounds of {plan.seconds} s, interleaved")
    for column, title in ((1, "thousand packets for a second of the thread's CPU"), (0, "thousand packets a second")):
        print(f"    {title}\n    {'':16}{'median':>10}   {'least - most':15}{'/ routing':>16}{'/ VXLAN':>16}")
        figures = {way: [one[column] for one in ones] for way, ones in found.items()}
        for way in WAYS:
            row(way, figures[way], [figures["kernel routing"], figures["kernel VXLAN"]])
    print("    CPU busy: " + ", ".join(f"{way} {statistics.median(one[2] for one in ones) * 100:.0f} %"
                                       for way, ones in found.items()))
