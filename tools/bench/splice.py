"""What splicing costs beside relaying: the CPU of a node that has one core for its devices and its proxy.

Ways run in turn, round by round, over the net of splice_net.py. The CPU of a way is the time of its NAPI
threads and its proxy. Of super-packets RPS takes the place of those threads: there it is the proxy and all
softirq on the core, but not more than the core was busy by its idle counter. How busy it was stands beside,
and counts what else runs on a machine that is shared.
"""
import json
import os
import statistics
import subprocess

from splice_net import HAPROXY, NGINX, PORTS, STREAM_MODULE, SpliceNet, process_ran
from tests.harness.run import BUILD

MB = 1 << 20
SIZES = (MB, 16 * MB)
BODIES = ((False, "get"), (False, "post"), (True, "get"))  # whether packets are super, and which way
XDP, TWIN, RELAY = "shunt XDP", "shunt tc", "shunt relay"
NODE = {XDP: "xdp", TWIN: "twin", RELAY: "plain", "haproxy": "plain", "haproxy splice": "plain", "nginx": "plain"}
SPLICED = (XDP, TWIN)
RELAYS = (RELAY, "haproxy", "haproxy splice", "nginx")


class Splice:
    """All ways, running, and the figures."""

    def __init__(self, net, plan):
        self.net, self.is_super = net, False
        quick = plan.rounds < 3
        self.seconds = 0.5 if quick else 0.6
        self.rounds = 1 if quick else 3
        nosplice = {"splice": "", "nosplice": "nosplice"}
        auto = {"splice": "option splice-auto", "nosplice": ""}
        self.processes = {XDP: net.start_shunt("xdp", "native"), TWIN: net.start_shunt("twin", "tc"),
                          RELAY: net.start_shunt("plain", None)}
        for name, more in (("haproxy", nosplice), ("haproxy splice", auto)):
            self.processes[name] = net.start_other(name, ["/usr/sbin/haproxy", "-db", "-f"], HAPROXY, **more)
        self.processes["nginx"] = net.start_other("nginx", ["/usr/sbin/nginx", "-c"], NGINX)
        net.place()
        self.super_packets(False)

    def super_packets(self, on):
        self.is_super = on
        self.net.super_packets(on)

    def pids(self, way):
        """nginx serves in a child."""
        process = self.processes[way]
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as children:
            return [process.pid, *map(int, children.read().split())]

    def measure(self, way, kind, size, connections, http):
        node = NODE[way]
        port = PORTS["shunt" if way.startswith("shunt") else way][http]
        cpu = self.net.cpus[2 % len(self.net.cpus)]
        words = [os.path.join(BUILD, "bench", "splice_load"), self.net.vip(node), str(port), str(connections), "0.25",
                 str(self.seconds), kind, str(size)]
        load = self.net.spawn("client", words, 2, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(load.pid, {cpu})
        if load.stdout.readline() != "go\n":
            raise SystemExit(f"bench: {way}: {kind} of {size} bytes does not go")
        before = self.clocks(way)
        got = json.loads(load.stdout.readline())
        core, softirq, threads, proxy = (after - was for after, was in zip(self.clocks(way), before))
        if self.is_super and node != "xdp":
            threads = min(threads + softirq, core - proxy)
        got |= {"cpu": threads + proxy, "core": core, "proxy": proxy}
        if load.wait() or got["done"] + got["bytes"] == 0:
            raise SystemExit(f"bench: {way}: {kind} of {size} bytes: nothing was done")
        return got

    def clocks(self, way):
        return *self.net.core(), self.net.tasks(NODE[way]), self.proxy(way)

    def proxy(self, way):
        return sum(process_ran(pid) for pid in self.pids(way))

    def rounds_of(self, ways, *what):
        """Figures of each way, those of a round at about the same time."""
        found = {way: [] for way in ways}
        for turn in range(self.rounds):
            for i in range(len(ways)):
                way = ways[(i + turn) % len(ways)]
                found[way].append(self.measure(way, *what))
        return found


def middle(ones, figure):
    return statistics.median(map(figure, ones))


def of_gb(one):
    return one["cpu"] / one["bytes"] * 1e9


def table(title, found, figure, unit, more):
    print(f"\n  {title}\n    {'':16}{unit:>14}  {'least - most':17}{'core busy':>10}  {more[0]}")
    for way, ones in found.items():
        values = [figure(one) for one in ones]
        busy = middle(ones, lambda one: one["core"] / one["seconds"])
        print(f"    {way:16}{statistics.median(values):14.2f}  {f'{min(values):.2f} - {max(values):.2f}':17}"
              f"{busy * 100:9.0f}%  {more[1](ones)}", flush=True)


def ratio(found, way, others, figure, goal, text):
    best = min(others, key=lambda other: middle(found[other], figure))
    got = middle(found[way], figure) / middle(found[best], figure)
    print(f"    {way} / {best} ({text}): {got:.2f}, goal {goal}", flush=True)


def small(bench, ways):
    def cost(one):
        return one["cpu"] / one["done"] * 1e6  # ms for a thousand
    found = bench.rounds_of(ways, "ping", 100, 100, 0)
    table("round trips of 100 bytes, 100 connections", found, cost, "ms for 1000", (
        "a second, p50 and p99 in ms", lambda ones: f"{middle(ones, lambda o: o['done'] / o['seconds']):8.0f}  "
        f"{middle(ones, lambda o: o['p50']):.2f}  {middle(ones, lambda o: o['p99']):.2f}"))
    for way in SPLICED:
        ratio(found, way, ["haproxy", "haproxy splice"], cost, 0.25, "TCP mode")


RATE = ("Gbit/s", lambda ones: f"{middle(ones, lambda o: o['bytes'] * 8e-9 / o['seconds']):.1f}")
RATE_TIMES = ("Gbit/s, p50 and p99 in ms", lambda ones: f"{RATE[1](ones):8}{middle(ones, lambda o: o['p50']):8.2f}"
              f"{middle(ones, lambda o: o['p99']):8.1f}")


def bulk(bench, ways):
    """Returns the median CPU seconds for a GB by whether packets are super and way."""
    got = {}
    for is_super, what in ((False, "wire-sized packets"), (True, "super-packets")):
        bench.super_packets(is_super)
        # XDP never sees them: its packets stay as on the wire.
        found = bench.rounds_of(ways, "get", 1 << 42, 1, 0)
        table(f"one long download, {what}", found, of_gb, "CPU s/GB", RATE)
        relays = [way for way in ways if way in RELAYS]
        for way in SPLICED if not is_super else (TWIN,):
            ratio(found, way, relays, of_gb, 0.7 if is_super else 0.5, "the best relay")
        got |= {(is_super, way): middle(ones, of_gb) for way, ones in found.items()}
    bench.super_packets(False)
    return got


def bodies(bench, ways):
    """CPU seconds of one body by whether packets are super, kind, size and way."""
    got = {}
    for is_super, kind in BODIES:
        bench.super_packets(is_super)
        for size in SIZES:
            found = bench.rounds_of(ways, kind, size, 4, 1)
            table(f"HTTP, {kind} of {size // MB} MB, 4 connections, "
                  f"{'super-packets' if is_super else 'wire-sized packets'}", found, of_gb, "CPU s/GB", RATE_TIMES)
            got |= {(is_super, kind, size, way): middle(ones, of_gb) * size / 1e9 for way, ones in found.items()}
    bench.super_packets(False)
    return got


def break_even(of_body):
    """Where the lines through both sizes meet: of the relay from below, of the splice with its install."""
    print("\n  break-even body: from so much on the kernel is cheaper than our relay")
    for is_super, kind in BODIES:
        for way in (TWIN,) if is_super else SPLICED:
            (a, b), (c, d) = (line([of_body[is_super, kind, size, who] for size in SIZES]) for who in (way, RELAY))
            gain = d - b
            text = "never" if gain <= 0 else f"{max(0.0, (a - c) / gain) / 1024:.0f} KB"
            print(f"    {way:10} {kind:5}{'super-packets' if is_super else 'wire-sized':14}{text:>10}   "
                  f"({b * 1e9:.2f} against {d * 1e9:.2f} CPU s/GB beyond {a * 1e6:.0f} and {c * 1e6:.0f} us)")


def line(costs):
    slope = (costs[1] - costs[0]) / (SIZES[1] - SIZES[0])
    return costs[0] - slope * SIZES[0], slope


def install(bench):
    """What the proxy itself spends on a connection or a body, beyond what the same costs it relayed."""
    print("\n  install and end, in the proxy's own CPU, goal 40 us")
    whole = bench.measure(RELAY, "get", MB, 4, 1)
    for way in SPLICED:
        before = bench.net.status(NODE[way])["splices"]["begun"]
        one, base = (bench.measure(who, "churn", 100, 50, 0) for who in (way, RELAY))
        begun = bench.net.status(NODE[way])["splices"]["begun"] - before
        us, relayed = (o["proxy"] / o["done"] * 2 * 1e6 for o in (one, base))
        print(f"    {way:10} full:    {us - relayed:6.1f} us ({us:.1f} for a connection of two round trips, relayed "
              f"{relayed:.1f}; {begun} spliced)")
        before = bench.net.status(NODE[way])["stats"]
        one = bench.measure(way, "get", MB, 4, 1)
        after = bench.net.status(NODE[way])["stats"]
        base = bench.measure(way, "get", 1000, 4, 1)
        spliced, past, out = (after[key] - before[key] for key in ("bodies_spliced", "bytes_spliced", "bytes_out"))
        us, head = (o["proxy"] / o["bytes"] * size * 1e6 for o, size in ((one, MB), (base, 1000)))
        # What is relayed before a splice begins costs what it costs elsewhere.
        part = 1 - past / max(out, 1)
        relayed = (whole["proxy"] / whole["bytes"] * MB * 1e6 - head) * part
        print(f"    {way:10} bounded: {us - head - relayed:6.1f} us ({us:.1f} for a body of 1 MB, {head:.1f} for one "
              f"of 1 kB, {relayed:.1f} for the {part * 100:.0f} % that were relayed; {spliced} spliced)", flush=True)


def splice(plan):
    if os.geteuid() != 0:
        print("splice: not measured, because namespaces need root")
        return
    with SpliceNet() as net:
        bench = Splice(net, plan)
        print(f"\nsplice: a node's two veth devices and its proxy on CPU {net.cpus[1 % len(net.cpus)]}, threaded NAPI; "
              f"{bench.rounds} rounds of {bench.seconds} s, interleaved; load of the machine at the start "
              f"{os.getloadavg()[0]:.1f}\n  XDP: all offloads off on its links; others: checksums and GRO on, "
              "the senders' TSO and GSO off (wire-sized) or on (super-packets)")
        streams = os.path.exists(STREAM_MODULE)
        if not streams:
            print("  nginx: no stream module here; HTTP only")
        ways = [way for way in NODE if way != "nginx" or streams]
        small(bench, ways)
        bulk(bench, ways)
        of_body = bodies(bench, [*SPLICED, RELAY, "haproxy splice", "nginx"])
        break_even(of_body)
        install(bench)
