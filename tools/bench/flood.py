"""flood - honest connections while SYNs from nobody come: what the listener survives, and five times that.

Two namespaces and one link. All that the node receives is worked off by one thread of the kernel (threaded
NAPI) on one CPU, so that the flood and the honest share what a NIC with one queue would give them; flooder,
client and shuntd have other CPUs. A rate is survived where 99 % of honest connections get an answer within
3 s. veth copies each packet for XDP, with or without a guard: read ratios, not rates.
"""
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

from proxies import BUILD, TOP

sys.path.insert(0, TOP)
from tests.harness.lab import in_namespace  # noqa: E402

VIP, NODE, PEER, NOBODY = "203.0.113.10", "198.51.100.1", "198.51.100.2", "198.18.0.0/15"
SHARE, TIMES = 0.99, 5
HONEST_RATE, HONEST_SECONDS, LEAD_SECONDS = 200, 3, 1
CONFIG = """
node: {{ devices: [{device}], tunnel_address: 198.51.100.1, workers: 1{guard} }}
vips:
  - name: web
    addresses: [203.0.113.10]
    listeners: [ {{ port: 80, protocol: http, routes: web }} ]
routes:
  web: [ {{ name: all, match: {{ path: /* }}, redirect: {{ status: 301, to: "https://www.example.com/" }} }} ]
"""
GUARD = ", guard: { syn_cookies: auto }"


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60, **more).stdout


def kernel_threads(name):
    found = []
    for task in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{task}/comm", encoding="utf-8") as comm:
            if comm.read().startswith(name):
                found.append(int(task))
    return found


class Field:
    """The namespaces, and what runs in them; use as `with Field() as field:`."""

    def __init__(self):
        self.prefix = "bench" + secrets.token_hex(3)
        self.dir = tempfile.mkdtemp(prefix="shunt-flood-")
        self.undo = contextlib.ExitStack()
        self.undo.callback(shutil.rmtree, self.dir, ignore_errors=True)
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
        return f"{self.prefix}-{host}"

    def device(self, host):
        return host[0] + self.prefix[-4:]

    def sh(self, host, *words):
        return run("ip", "netns", "exec", self.ns(host), *words)

    def cpu(self, which):
        return self.cpus[which % len(self.cpus)]

    def start(self, host, cpu, *words, **more):
        def enter():
            in_namespace(self.ns(host))()
            os.sched_setaffinity(0, {self.cpu(cpu)})
        return subprocess.Popen(words, preexec_fn=enter, text=True, **more)

    def build(self):
        for host in ("node", "peer"):
            run("ip", "netns", "add", self.ns(host))
            self.undo.callback(run, "ip", "netns", "del", self.ns(host))
        run("ip", "-n", self.ns("node"), "link", "add", self.device("node"), "type", "veth", "peer", "name",
            self.device("peer"), "netns", self.ns("peer"))
        for host, address in (("node", NODE), ("peer", PEER)):
            dev = self.device(host)
            self.sh(host, "ip", "link", "set", "lo", "up")
            self.sh(host, "ip", "addr", "add", f"{address}/24", "dev", dev)
            self.sh(host, "ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "on")
            self.sh(host, "ip", "link", "set", dev, "up")
            self.sh(host, "sh", "-c", "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done;"
                    f" echo 1 > /sys/class/net/{dev}/threaded")
        # veth delivers XDP_TX at once only to an end that has an XDP program too.
        self.sh("peer", "ip", "link", "set", "dev", self.device("peer"), "xdp", "obj",
                os.path.join(BUILD, "bpf", "xdp_pass.bpf.o"), "sec", "xdp")
        # Where cookies are off, the kernel keeps a quarter of its queue for those that it has met before.
        self.sh("node", "sysctl", "-q", "-w", "net.ipv4.tcp_no_metrics_save=1")
        self.sh("node", "ip", "route", "add", NOBODY, "via", PEER)
        self.sh("peer", "ip", "route", "add", "203.0.113.0/24", "via", NODE)
        os.mkdir(os.path.join(self.dir, "bpf"))
        run("mount", "-t", "bpf", "bpf", os.path.join(self.dir, "bpf"))
        self.undo.callback(run, "umount", "-l", os.path.join(self.dir, "bpf"))

    def pin_receivers(self):
        """The node's on a CPU of its own; the peer's beside the client. The kernel names them after devices."""
        for host, cpu in (("node", 0), ("peer", 2)):
            for task in kernel_threads(f"napi/{self.device(host)}-"):
                os.sched_setaffinity(task, {self.cpu(cpu)})

    @contextlib.contextmanager
    def node(self, guard, cookies):
        self.sh("node", "sysctl", "-q", "-w", f"net.ipv4.tcp_syncookies={cookies}",
                f"net.ipv4.tcp_timestamps={2 if guard else 1}")
        path, pins = os.path.join(self.dir, "shunt.yaml"), os.path.join(self.dir, "bpf", "pins")
        with open(path, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(guard=guard, device=self.device("node")))
        log = os.path.join(self.dir, "log")
        with open(log, "w", encoding="utf-8") as out:
            daemon = self.start("node", 3, os.path.join(BUILD, "shuntd"), "-c", path, "--pin-dir", pins,
                                "--admin", os.path.join(self.dir, "admin"), "--access-log", "/dev/null",
                                stdout=out, stderr=out)
        try:
            self.wait_ready(daemon, log)
            self.pin_receivers()
            yield
        finally:
            daemon.kill()
            daemon.wait()
            self.sh("node", os.path.join(BUILD, "shunt-loader"), "detach", "--pin-dir", pins)

    def wait_ready(self, daemon, log):
        until = time.monotonic() + 30
        while time.monotonic() < until and daemon.poll() is None:
            with open(log, encoding="utf-8") as said:
                text = said.read()
            if "ready\n" in text:
                return
            time.sleep(0.02)
        raise SystemExit(f"bench: shuntd does not start:\n{text}")

    def counted(self, counter):
        said = run(os.path.join(BUILD, "shuntctl"), "status", "--json", "--admin", os.path.join(self.dir, "admin"))
        return json.loads(said)["counters"][counter]

    def trial(self, rate):
        """Share of honest connections that are answered while so many SYNs come."""
        mac = json.loads(self.sh("node", "ip", "-j", "link", "show", self.device("node")))[0]["address"]
        before, flooder = self.counted("COOKIE_SENT"), None
        if rate:
            flooder = self.start("peer", 1, os.path.join(BUILD, "bench", "syn_flood"), self.device("peer"), mac, VIP, "80",
                               str(rate), str(LEAD_SECONDS + HONEST_SECONDS), stdout=subprocess.PIPE)
            time.sleep(LEAD_SECONDS)
        honest = self.start("peer", 2, os.path.join(BUILD, "bench", "honest_load"), VIP, "80",
                            str(HONEST_RATE), str(HONEST_SECONDS), stdout=subprocess.PIPE)
        said = json.loads(honest.communicate(timeout=60)[0])
        sent = int(flooder.communicate(timeout=60)[0]) / (LEAD_SECONDS + HONEST_SECONDS) if flooder else 0
        share = said["answered"] / said["tried"]
        print(f"  {sent:9.0f} SYNs/s ({rate:8d} meant): {share * 100:6.2f} % of {said['tried']} answered, "
              f"median {said['median']:7.2f} ms, 99th {said['late']:8.2f} ms, "
              f"{self.counted('COOKIE_SENT') - before} cookies by XDP", flush=True)
        return share, sent


def survived(field, first, factor, most):
    """The highest rate in steps of a factor at which the honest get through, and whether a higher one was
    seen at which they do not."""
    best, rate = 0, first
    assert field.trial(0)[0] == 1, "without a flood all are answered"
    while rate <= most:
        share, sent = field.trial(rate)
        if share < SHARE:
            return best, True
        if sent < 0.8 * rate:
            return max(best, sent), False
        best, rate = sent, rate * factor
    return best, False


def flood(plan=None):
    del plan  # a minute, quick or not
    if os.geteuid() != 0:
        raise SystemExit("bench: flood needs root, for namespaces")
    with Field() as field:
        print(f"\n## flood\nCPUs: receives {field.cpu(0)}, flooder {field.cpu(1)}, client {field.cpu(2)}, "
              f"shuntd {field.cpu(3)}; {HONEST_RATE} honest connections a second")
        print("guard off, kernel without cookies:")
        with field.node("", 0):
            plain, fell = survived(field, 125, 2, 16000)
        print("guard off, kernel's cookies when its queue is full (the default):")
        with field.node("", 1):
            kernel, kernel_fell = survived(field, 50000, 2, 3200000)
        print("guard with syn_cookies: auto:")
        with field.node(GUARD, 2):
            field.trial(0)
            for name, least, sure in (("the plain listener (without cookies)", plain, fell),
                                      ("the kernel's cookies", kernel, kernel_fell)):
                share, sent = field.trial(int(TIMES * least))
                print(f"  {name} survived {'' if sure else 'at least '}{least:.0f} SYNs/s; at "
                      f"{sent / max(least, 1):.1f} times that {share * 100:.2f} % of the honest are answered")
            print("how far that goes:")
            best, fell = survived(field, 20000, 2, 1280000)
            print(f"  99 % of the honest are answered up to {'' if fell else 'at least '}{best:.0f} SYNs/s, "
                  f"{best / max(plain, 1):.0f} times what the plain listener survived")


if __name__ == "__main__":
    flood()
