"""Spliced connections held at once: what one costs in memory, and how a killed shuntd finds them again.

Over the net of splice_net.py, its node with XDP. Each connection is asked before and after; one that gives no
answer is lost. The machine needs about 2 GB for the sockets of both ends.
"""
import os
import signal
import subprocess
import time

from splice_net import SpliceNet
from tests.harness.run import BUILD, wait_until

COUNT, QUICK_COUNT = 100000, 2000
ENDPOINTS = 6
PROCESSES = 8  # of either end, as one may not open so many files; each client has an address of its own
ENTRY_BYTES = 336 + 256  # of shunt_splices and of the table of flows, as docs/operation.md has them
CONFIG = """
node: {{ workers: 1, devices: [{dev}0, {dev}1], mode: native, source_addresses: [10.2.1.1],
         splices: {splices}, splice_ports: "20000-49999" }}
vips:
  - {{ name: v, addresses: [{vip}], listeners: [ {{ port: 7000, protocol: tcp-proxy, upstream: o }} ] }}
upstreams:
  o: {{ endpoints: [ {endpoints} ] }}
"""


class Held:
    def __init__(self, net, count):
        self.net, self.count, self.loads = net, count, []
        for i in range(PROCESSES):
            self.address("client", "c1", f"10.1.1.{100 + i}", 0)
        for i in range(ENDPOINTS):
            self.address("origin", "o1", f"10.2.1.{100 + i}", 1)
        endpoints = ", ".join(f'{{ address: "10.2.1.{100 + i}:9000" }}' for i in range(ENDPOINTS))
        self.config = CONFIG.format(dev=net.dev("x"), vip=net.vip("xdp"), splices=count + count // 8 + 1000,
                                    endpoints=endpoints)
        for _ in range(PROCESSES - 1):
            net.start_origin()
        self.daemon = net.start_shunt("xdp", "native", self.config)

    def address(self, host, device, ip, end):
        self.net.ip(host, "addr", "add", ip + "/24", "dev", self.net.dev(device))
        self.net.ip("xdp", "neigh", "replace", ip, "lladdr", self.net.mac(host, device), "dev",
                    self.net.dev_of("xdp", end), "nud", "permanent")

    def resident(self):
        """Its own bytes, without the pages of maps that it shares with the kernel."""
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as status:
            rows = dict(line.split(":", 1) for line in status)
        return int(rows["RssAnon"].split()[0]) * 1024

    def said(self, word):
        """The sum of what all clients say."""
        total = 0
        for load in self.loads:
            line = load.stdout.readline().split()
            if len(line) != 2 or line[0] != word:
                raise SystemExit(f"bench: held: a client said {line} instead of {word}")
            total += int(line[1])
        return total

    def open_all(self):
        began = time.monotonic()
        for i in range(PROCESSES):
            words = [os.path.join(BUILD, "bench", "splice_hold"), self.net.vip("xdp"), "7000",
                     str(self.count // PROCESSES), f"10.1.1.{100 + i}", "1"]
            self.loads.append(self.net.spawn("client", words, 2, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             text=True))
        opened = self.said("held")
        wait_until(lambda: self.net.status("xdp")["sessions"] == 0, "all sessions have left userspace", 30)
        return opened, time.monotonic() - began

    def turn(self):
        for load in self.loads:
            load.stdin.write("turn\n")
            load.stdin.flush()
        return self.said("turned")

    def restart(self):
        """Seconds until a killed daemon is there again and has all of them, and how many it has."""
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        began = time.monotonic()
        self.daemon = self.net.start_shunt("xdp", "native", self.config)
        took = time.monotonic() - began
        return took, self.net.status("xdp")["splices"]["adopted"]


def held(plan):
    if os.geteuid() != 0:
        print("held: not measured, because namespaces need root")
        return
    count = QUICK_COUNT if plan.rounds < 3 else COUNT
    with SpliceNet() as net:
        bench = Held(net, count)
        before = bench.resident()
        opened, took = bench.open_all()
        status = net.status("xdp")["splices"]
        after = bench.resident()
        print(f"\nheld: {opened} of {count} connections opened in {took:.1f} s, {status['active']} spliced")
        each = ENTRY_BYTES + max(0, after - before) / count
        print(f"    memory of one: {each:.0f} bytes, {ENTRY_BYTES} in maps, the rest shuntd's own (goal 1024); "
              f"shuntd {before >> 10} kB before, {after >> 10} kB after")
        for left in {k: v for k, v in status.get("refused", {}).items() if v}.items():
            print(f"    not spliced: {left[0]}: {left[1]}")
        answered = bench.turn()
        took, adopted = bench.restart()
        print(f"    answered {answered}; killed and restarted: {adopted} adopted, ready after {took:.2f} s (goal 2 s); "
              f"answered {bench.turn()}, shuntd {bench.resident() >> 10} kB", flush=True)
