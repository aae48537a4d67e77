"""health - what probes of 10,000 endpoints every 5 s cost, beside a loop of sockets that does nothing else.

    node: shuntd, or probe_floor --- veth --- far: 10,000 addresses, answered by XDP

On loopback both ends would run in the prober's time. Here the far end is a program of XDP without any state
(tests/traffic/far_end.bpf.c), and each end of the link has a thread of the kernel that takes what comes in
(threaded NAPI). All run on one CPU, so that no time goes into waking another one. In the figures are the prober's
own time, which has all of its sending, and the time of the node's thread, which is what the kernel does with
the answers; the far end's thread is not.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
from forward import Net  # noqa: E402
from splice_net import process_ran, ran  # noqa: E402
from tests.harness.lab import in_namespace  # noqa: E402
from tests.harness.run import BUILD, SHUNTD, run, wait_until  # noqa: E402

COUNT, INTERVAL = 10000, 5
ROUNDS = 3
GOAL = 5  # per cent of a core
SHARE = 0.99  # of the endpoints must be up: a veth has room for 256 packets, and a busy machine loses some
KINDS = {"tcp": "tcp: true", "http": "http: /"}
CONFIG = """
node: {{ workers: 1 }}
upstreams:
  u:
    health: {{ {check}, interval: {interval}s }}
    endpoints:
{endpoints}
"""


def address(number):
    return f"10.64.{number // 250}.{1 + number % 250}"


class HealthNet(Net):
    """With the `with` block it is there, and behind it gone."""

    def build(self):
        self.directory = tempfile.mkdtemp(prefix="shunt-health-")
        self.undo.callback(shutil.rmtree, self.directory, ignore_errors=True)
        for host in ("node", "far"):
            run("ip", "netns", "add", self.ns(host))
            self.undo.callback(run, "ip", "netns", "del", self.ns(host), check=False)
        self.link("far", "f", None, "node", "n", "10.1.1.1")
        self.ip("node", "neigh", "add", "10.1.1.2", "lladdr", self.mac("far", "f"), "dev", self.dev("n"), "nud",
                "permanent")
        self.ip("node", "route", "add", "10.64.0.0/10", "via", "10.1.1.2")
        # A veth hands on what XDP sends only to an end that has XDP as well.
        for host, dev, path in (("node", "n", "bpf/xdp_pass.bpf.o"), ("far", "f", "traffic/far_end.bpf.o")):
            self.ip(host, "link", "set", "dev", self.dev(dev), "xdp", "obj", os.path.join(BUILD, path), "sec", "xdp")
        self.place()

    def place(self):
        """On the prober's CPU, and without taking it away in the middle of its sending."""
        for thread in self.threads("n") + self.threads("f"):
            os.sched_setaffinity(thread, {self.cpu()})
            os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))

    def cpu(self):
        return self.cpus[1 % len(self.cpus)]

    def start(self, *words):
        enter = in_namespace(self.ns("node"))

        def child():
            enter()
            os.sched_setaffinity(0, {self.cpu()})
        with open(os.path.join(self.directory, "log"), "w", encoding="utf-8") as out:
            return subprocess.Popen(words, preexec_fn=child, stdout=out, stderr=out)

    def said(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8") as log:
            return log.read()

    def opened(self):
        """Connections that the node has begun."""
        rows = [line.split() for line in self.sh("node", "grep ^Tcp: /proc/net/snmp").stdout.splitlines()]
        return int(rows[1][rows[0].index("ActiveOpens")])

    def fit(self):
        """How many endpoints are known to be up."""
        status = run(os.path.join(BUILD, "shuntctl"), "status", "--admin", os.path.join(self.directory, "admin"),
                     "--json", check=False)
        return sum(row["state"] == "up" for row in json.loads(status.stdout)["health"]) if status.stdout else 0

    def shunt(self, kind):
        path = os.path.join(self.directory, "shunt.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(check=KINDS[kind], interval=INTERVAL, endpoints="\n".join(
                f'      - {{ address: "{address(i)}:9000" }}' for i in range(COUNT))))
        process = self.start(SHUNTD, "-c", path, "--admin", os.path.join(self.directory, "admin"))
        wait_until(lambda: process.poll() is not None or "ready" in self.said() and self.fit() >= SHARE * COUNT,
                   "the endpoints are up")
        return process

    def floor(self, kind):
        process = self.start(os.path.join(BUILD, "bench", "probe_floor"), kind, str(COUNT), str(INTERVAL * 1000))
        time.sleep(1)
        return process

    def measure(self, who, kind):
        """Per cent of a core of its own and of its answers, and microseconds a probe of both."""
        process = {"shunt": self.shunt, "floor": self.floor}[who](kind)
        try:
            began, count, own, answers = self.now(process)
            time.sleep(INTERVAL)
            now = self.now(process)
            if who == "shunt" and self.fit() < SHARE * COUNT:
                raise SystemExit("bench: health: the endpoints are not up")
        finally:
            process.kill()
            process.wait()
        seconds, count, own, answers = now[0] - began, now[1] - count, now[2] - own, now[3] - answers
        if count < 0.9 * COUNT * seconds / INTERVAL:
            raise SystemExit(f"bench: health: {who} made {count} probes in {seconds:.1f} s")
        return 100 * own / seconds, 100 * answers / seconds, 1e6 * (own + answers) / count

    def now(self, process):
        if process.poll() is not None:
            raise SystemExit(f"bench: health: {process.args[0]} has ended: {self.said()[-800:]}")
        answers = sum(ran(f"/proc/{task}/schedstat") for task in self.threads("n"))
        return time.monotonic(), self.opened(), process_ran(process.pid), answers


def health(plan):
    if os.geteuid() != 0:
        print("health: not measured, because namespaces need root")
        return
    turns = min(plan.rounds, ROUNDS)
    found = {(kind, who): [] for kind in KINDS for who in ("shunt", "floor")}
    with HealthNet() as net:
        for turn in range(turns):
            for kind in KINDS:
                for who in ("shunt", "floor") if turn % 2 == 0 else ("floor", "shunt"):
                    found[kind, who].append(net.measure(who, kind))
    print(f"\nhealth: {COUNT} endpoints probed every {INTERVAL} s, {turns} rounds of {INTERVAL} s, interleaved; the far "
          f"end is free; load of the machine at the end {os.getloadavg()[0]:.1f}, of {os.cpu_count()} CPUs")
    print(f"    per cent of a core{'':10}{'its own':>10}{'answers':>10}{'both':>10}   {'us a probe':<12}{'/ floor':>8}")
    for (kind, who), rows in found.items():
        own, answers, each = (statistics.median(column) for column in zip(*rows))
        ratio = each / statistics.median(row[2] for row in found[kind, "floor"])
        goal = f"   (goal {GOAL} % of a core)" if (kind, who) == ("tcp", "shunt") else ""
        print(f"    {kind:5}{who:23}{own:10.1f}{answers:10.1f}{own + answers:10.1f}   {each:<12.1f}{ratio:8.2f}{goal}")
