"""The lab: a client, a router, a shunt node, two web servers and a VPC host, each a namespace.

    client 198.51.100.2 --- router --- lb 192.0.2.10          (eth0: XDP; vips 203.0.113.0/24)
                              |--- lb2 192.0.4.10         (a second node, where a test wants one)
                              |--- web_a 10.0.1.2, web_b 10.0.2.2
                              |--- host 192.0.3.21            (ends VXLAN: vni 5001 and 5002)
                              '--- tenant_a, tenant_b         (172.16.0.4 both; answer directly)

IPv6 beside all of it. Names carry a random prefix, so that labs can stand side by side; everything
goes away with the `with` block, however that ends.
"""
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile

from tests.harness import remains
from tests.harness.node import Node
from tests.harness.run import BUILD, HARNESS, PATIENCE, PYTHON, TOP, run, wait_until

HOSTS = ("client", "router", "lb", "lb2", "web_a", "web_b", "host", "tenant_a", "tenant_b")
# name of the host: its side of the link to the router
LINKS = {
    "client": ("198.51.100.2/24", "198.51.100.1/24", "2001:db8:1::2/64", "2001:db8:1::1/64"),
    "lb": ("192.0.2.10/24", "192.0.2.1/24", "2001:db8:2::10/64", "2001:db8:2::1/64"),
    "lb2": ("192.0.4.10/24", "192.0.4.1/24", "2001:db8:4::10/64", "2001:db8:4::1/64"),
    "web_a": ("10.0.1.2/24", "10.0.1.1/24", "2001:db8:a::2/64", "2001:db8:a::1/64"),
    "web_b": ("10.0.2.2/24", "10.0.2.1/24", "2001:db8:b::2/64", "2001:db8:b::1/64"),
    "host": ("192.0.3.21/24", "192.0.3.1/24", "2001:db8:3::21/64", "2001:db8:3::1/64"),
    "tenant_a": ("10.9.1.2/24", "10.9.1.1/24", "2001:db8:91::2/64", "2001:db8:91::1/64"),
    "tenant_b": ("10.9.2.2/24", "10.9.2.1/24", "2001:db8:92::2/64", "2001:db8:92::1/64"),
}
NODES = ("lb", "lb2")
TENANTS = {"tenant_a": 5001, "tenant_b": 5002}
TENANT_MAC = "02:00:00:00:00:04"
L4_VIP, L4_VIP6 = "203.0.113.53", "2001:db8:53::53"
WEB_VIP, WEB_VIP6 = "203.0.113.10", "2001:db8:53::10"
# What is tunnelled grows by 50 bytes, with IPv6 inside by no more: endpoints ask for less.
TUNNEL_MSS = 1360


def on_term(*_):
    """A test run that is told to stop cleans up as after a failure."""
    raise SystemExit("terminated")


signal.signal(signal.SIGTERM, on_term)


def in_namespace(name):
    """For preexec_fn: the child enters the namespace, and sees /sys as before (pins!)."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter():
        with open(f"/run/netns/{name}", "rb") as ns:
            if libc.setns(ns.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
        # The tests' death takes everything along.
        libc.prctl(1, signal.SIGKILL)

    return enter


class Lab:
    """Use as `with Lab() as lab:`."""

    def __init__(self, prefix=None, folder=None, offloads=False):
        """Names of its own, unless it must be found again by those given; the folder is made here.
        With offloads, packets come as super-packets without checksums, and shuntd takes tc."""
        self.offloads = offloads
        self.prefix = prefix or "sh" + secrets.token_hex(3)
        self.dir = folder or tempfile.mkdtemp(prefix="shunt-lab-")
        os.makedirs(self.dir, exist_ok=True)
        self.processes = []
        self.mounts = []
        self.cgroup = None
        self.nodes = {host: Node(self, host) for host in NODES}

    def __getattr__(self, name):
        """What is said to the lab is said to its first node."""
        if name == "nodes":
            raise AttributeError(name)
        return getattr(self.nodes["lb"], name)

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    # --- what a test uses

    def ns(self, host):
        return f"{self.prefix}-{host}"

    def start(self, host, *words, **more):
        """A process in a host, ended with the lab."""
        process = subprocess.Popen(words, preexec_fn=in_namespace(self.ns(host)), **more)
        self.processes.append(process)
        return process

    def sh(self, host, *words, check=True, timeout=PATIENCE, **more):
        return run(*words, check=check, timeout=timeout,
                   preexec_fn=in_namespace(self.ns(host)), **more)

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(path + ".new", path)
        return path

    def curl(self, url, *words, check=True):
        return self.sh("client", "curl", "-sS", "-m", "90", *words, url, check=check)

    def talk(self, address, port, count, request=""):
        """Connections that talk until the object's end(); see client.py."""
        return Talk(self, address, port, count, request)

    def bulk(self, address, port, count, size, request="", seconds=10 * PATIENCE):
        return self.sh("client", PYTHON, os.path.join(HARNESS, "bulk.py"), address, str(port),
                       str(count), str(size), request, check=False, timeout=seconds)

    # --- up and down

    def ip(self, host, *words):
        run("ip", "-n", self.ns(host), *words)

    def build(self):
        for host in HOSTS:
            run("ip", "netns", "add", self.ns(host))
            self.ip(host, "link", "set", "lo", "up")
            self.sh(host, "sh", "-c", "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f;"
                    " done; echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad;"
                    " echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad;"
                    " echo 0 > /proc/sys/net/ipv6/conf/default/accept_ra")
        for host in LINKS:
            self.link(host)
        self.sh("router", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward;"
                " echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
        # veth delivers XDP_TX at once only to an end that has an XDP program too.
        for node in () if self.offloads else NODES:
            self.ip("router", "link", "set", "dev", f"r-{node}", "xdp", "obj",
                    os.path.join(BUILD, "bpf", "xdp_pass.bpf.o"), "sec", "xdp")
        self.route_vips("lb")
        for tenant, vni in TENANTS.items():
            self.tenant(tenant, vni)
        self.mount_bpffs()
        self.make_cgroup()

    def route_vips(self, node):
        """All packets to vips go to this node from now on."""
        v4, v6 = (LINKS[node][i].split("/")[0] for i in (0, 2))
        self.ip("router", "route", "replace", "203.0.113.0/24", "via", v4)
        self.ip("router", "-6", "route", "replace", "2001:db8:53::/64", "via", v6)

    def link(self, host):
        ours, theirs, ours6, theirs6 = LINKS[host]
        peer = "r-" + host.replace("_", "")
        self.ip(host, "link", "add", "eth0", "type", "veth", "peer", "name", peer, "netns",
                self.ns("router"))
        for where, dev, v4, v6 in ((host, "eth0", ours, ours6), ("router", peer, theirs, theirs6)):
            self.ip(where, "addr", "add", v4, "dev", dev)
            self.ip(where, "addr", "add", v6, "dev", dev, "nodad")
            # XDP forwards what it gets: complete checksums, packets of wire size. GRO gives the
            # receiver of XDP_TX the NAPI that it needs.
            how = "on" if self.offloads else "off"
            self.sh(where, "ethtool", "-K", dev, "tx", how, "tso", how, "gso", how, "gro", "on",
                    check=False)
            self.ip(where, "link", "set", dev, "up")
        self.ip(host, "route", "add", "default", "via", theirs.split("/")[0])
        self.ip(host, "-6", "route", "add", "default", "via", theirs6.split("/")[0])

    def second_link(self):
        """eth1 of lb, another network of the router; the VXLAN host is reached by it."""
        self.ip("lb", "link", "add", "eth1", "type", "veth", "peer", "name", "r-lb-b", "netns", self.ns("router"))
        for host, dev, ip in (("lb", "eth1", "192.0.5.10/24"), ("router", "r-lb-b", "192.0.5.1/24")):
            self.ip(host, "addr", "add", ip, "dev", dev)
            self.sh(host, "ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "on", check=False)
            self.ip(host, "link", "set", dev, "up")
        self.ip("lb", "route", "add", "192.0.3.0/24", "via", "192.0.5.1")
        self.ip("router", "link", "set", "dev", "r-lb-b", "xdp", "obj",
                os.path.join(BUILD, "bpf", "xdp_pass.bpf.o"), "sec", "xdp")

    def tenant(self, tenant, vni):
        """The kernel's own vxlan device, its underlay in host, its inside in the tenant."""
        self.ip("host", "link", "add", "vx", "type", "vxlan", "id", str(vni), "dstport", "4789",
                "local", "192.0.3.21", "nolearning")
        self.ip("host", "link", "set", "vx", "netns", self.ns(tenant))
        self.ip(tenant, "link", "set", "vx", "address", TENANT_MAC, "up")
        self.ip(tenant, "addr", "add", "172.16.0.4/24", "dev", "vx")
        self.ip(tenant, "addr", "add", f"{L4_VIP}/32", "dev", "lo")
        self.ip(tenant, "addr", "add", f"{L4_VIP6}/128", "dev", "lo", "nodad")
        self.sh(tenant, "sh", "-c", "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done")
        for family, via in (("-4", LINKS[tenant][1]), ("-6", LINKS[tenant][3])):
            self.ip(tenant, family, "route", "replace", "default", "via", via.split("/")[0], "advmss",
                    str(TUNNEL_MSS))

    def mount_bpffs(self):
        where = os.path.join(self.dir, "bpf")
        os.mkdir(where)
        run("mount", "-t", "bpf", "bpf", where)
        self.mounts.append(where)

    def make_cgroup(self):
        """A child of the machine's cgroup v2, or of one mounted here."""
        # Elsewhere it is mounted by a test, too, which takes it away when it ends.
        root = next((mount for mount in remains.mounts("cgroup2") if mount.startswith("/sys/")), None)
        if not root:
            root = os.path.join(self.dir, "cgroup")
            os.mkdir(root)
            run("mount", "-t", "cgroup2", "none", root)
            self.mounts.append(root)
        self.cgroup = os.path.join(root, self.prefix)
        os.mkdir(self.cgroup)

    def close(self):
        """Every step, whatever became of those before it."""
        with contextlib.ExitStack() as undo:
            undo.callback(shutil.rmtree, self.dir, ignore_errors=True)
            for mount in self.mounts:
                undo.callback(run, "umount", "-l", mount, check=False)
            if self.cgroup and os.path.isdir(self.cgroup):
                undo.callback(wait_until, self.remove_cgroup, "the cgroup is empty")
            for host in HOSTS:
                undo.callback(run, "ip", "netns", "del", self.ns(host), check=False)
            for node in self.nodes.values():
                if os.path.isdir(node.pins):
                    undo.callback(node.detach, check=False)
            for process in self.processes:
                undo.callback(self.end, process)
            if "SHUNTD" in os.environ:
                for node in self.nodes.values():
                    undo.callback(self.told, node)

    def told(self, node):
        """A tool around shuntd says what it has found when shuntd ends by itself."""
        if node.daemon and node.daemon.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.stop()

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()

    def remove_cgroup(self):
        try:
            os.rmdir(self.cgroup)
        except OSError:
            return False
        return True


class Talk:
    def __init__(self, lab, address, port, count, request):
        self.process = lab.start("client", PYTHON, os.path.join(HARNESS, "client.py"), address,
                                 str(port), str(count), request, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def least(self):
        """Turns of the slowest so far."""
        self.process.stdin.write("turns\n")
        self.process.stdin.flush()
        got = json.loads(self.process.stdout.readline())
        assert not got["errors"], f"a connection broke: {got['errors']}"
        return got["least"]

    def goes_on(self, seconds=PATIENCE):
        """All get at least three more turns."""
        before = self.least()
        wait_until(lambda: self.least() >= before + 3, "every connection goes on", seconds)

    def end(self):
        self.process.stdin.close()
        return json.loads(self.process.stdout.readline())
