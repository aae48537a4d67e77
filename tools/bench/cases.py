"""What is measured: one entry of CASES each, run round by round through all proxies in turn.

Rounds are interleaved, so that whatever else the machine does hits all of them; what counts are the
medians, and their ratios against each other.
"""
import statistics
from dataclasses import dataclass, replace

import proxies
from crowd import Crowd, settle
from load import Load, cpus, idle_bytes, idle_room, run, run_tls

IDLE_CONNECTIONS = 10000
IDLE_TLS = 2000  # each is a handshake by our own client
TRIES = 3
CROWD = (10000, 2000, 2000)  # idle, slow heads, slow readers
CROWD_RATE = 1000  # requests a second of the good client
TABLES = ((10, 10), (100000, 1000))  # routes and hosts
LATENCY_SHARE = 0.6  # of what the slowest proxy can do
SMALL = (proxies.shunt, proxies.nginx, proxies.haproxy, proxies.relay)
LARGE = (proxies.shunt, proxies.nginx, lambda: proxies.nginx("off"), proxies.haproxy,
         lambda: proxies.haproxy(True), proxies.relay)


@dataclass
class Plan:
    rounds: int = 5
    seconds: float = 2
    warm: float = 0.3  # first, and not counted
    idle: int = IDLE_CONNECTIONS


QUICK = Plan(rounds=1, seconds=0.4, warm=0.15, idle=1000)


class Bench:
    """A directory, an origin, and the proxies of the case that runs."""

    def __init__(self, directory, plan):
        self.directory, self.plan, self.running = directory, plan, []
        self.said = set()
        proxies.certificate(directory)
        self.origin = proxies.origin(directory).start(directory, cpus()["origin"])

    def begin(self, kinds):
        """Starts one of each kind; says a proxy's settings when it is first used."""
        self.end()
        for kind in kinds:
            proxy = kind()
            self.running.append(proxy)
            proxy.start(self.directory, cpus()["proxy"], self.origin.port)
            if proxy.settings not in self.said:
                print(f"  {proxy.settings}")
                self.said.add(proxy.settings)
        return self.running

    def end(self):
        for proxy in self.running:
            proxy.stop()
        self.running = []

    def close(self):
        self.end()
        self.origin.stop()


def title(text):
    print(f"\n{text}", flush=True)


def table(values, form, less_is_better=False):
    """values: name to one figure a round. Ratios are of medians, this proxy's to the other's."""
    middle = {name: statistics.median(v) for name, v in values.items()}
    others = [name for name in values if name != "shunt"]
    print(f"    {'':15}{'median':>12}   {'least - most':<23}" + "".join(f"{'/ ' + o:>17}" for o in others))
    for name, figures in values.items():
        spread = f"{form(min(figures))} - {form(max(figures))}"
        ratios = "".join(f"{middle[name] / middle[o] if middle[o] else 0:17.2f}" for o in others)
        print(f"    {name:15}{form(middle[name]):>12}   {spread:<23}{ratios}")
    if less_is_better:
        print("    (less is better)")


def measured(proxy, measure, seconds):
    """A round in which the machine gave nobody a turn says nothing, and is made again."""
    for _ in range(TRIES):
        got = measure(proxy, seconds)
        if got.answers > 0 or got.bytes > 0:
            return got
    raise SystemExit(f"bench: {proxy.name} answered nothing in {TRIES} times {seconds} s")


def interleave(running, plan, measure):
    """measure(proxy, seconds) for each proxy in turn, round after round."""
    for proxy in running:
        measure(proxy, plan.warm)
    found = {proxy.name: [] for proxy in running}
    for turn in range(plan.rounds):
        # Nobody always comes first, or always after the same one.
        for i in range(len(running)):
            proxy = running[(i + turn) % len(running)]
            found[proxy.name].append(measured(proxy, measure, plan.seconds))
    return found


def throughput(load, kinds=SMALL, in_bytes=False):
    """Answers, or MB of them, for a second of the proxy's CPU."""
    def case(bench):
        found = interleave(bench.begin(kinds), bench.plan, lambda proxy, s: run(proxy, load, s))
        if in_bytes:
            print("    MB a CPU-second")
            table({n: [r.bytes_per_cpu() / 1e6 for r in rs] for n, rs in found.items()}, "{:.0f}".format)
        else:
            print("    requests a CPU-second")
            table({n: [r.per_cpu() for r in rs] for n, rs in found.items()}, "{:.0f}".format)
        busy = ", ".join(f"{n} {statistics.median(r.cpu / r.seconds for r in rs) * 100:.0f} %"
                         for n, rs in found.items())
        print(f"    CPU busy with the proxy: {busy}")
    return case


TLS_SETTINGS = ("  all: TLS 1.3, TLS_AES_128_GCM_SHA256, X25519 (the client offers nothing else), "
                "stateless tickets, as many as each sends by default")


def tls(what, connections):
    """Handshakes, or answers, for a second of the proxy's CPU."""
    def case(bench):
        running = bench.begin([proxies.tls(kind) for kind in SMALL[:3]])
        print(TLS_SETTINGS)
        found = interleave(running, bench.plan, lambda proxy, s: run_tls(proxy, what, connections, s))
        print(f"    {'requests' if what == 'get' else 'handshakes'} a CPU-second")
        table({n: [r.per_cpu() for r in rs] for n, rs in found.items()}, "{:.0f}".format)
    return case


def tls_resume(bench):
    """Both kinds in turn, so that their ratio is one of the same minutes."""
    running = bench.begin([proxies.tls(kind) for kind in SMALL[:3]])
    print(TLS_SETTINGS)
    rates = {kind: {p.name: [] for p in running} for kind in ("resume", "full")}
    for _ in range(bench.plan.rounds):
        for kind, of in rates.items():
            found = interleave(running, replace(bench.plan, rounds=1), lambda p, s, k=kind: run_tls(p, k, 16, s))
            for name, results in found.items():
                of[name] += [r.per_cpu() for r in results]
    print("    resumed handshakes a CPU-second")
    table(rates["resume"], "{:.0f}".format)
    print("    resumed / full: " + ", ".join(
        f"{n} {statistics.median(v) / statistics.median(rates['full'][n]):.2f}"
        for n, v in rates["resume"].items()))


def latency(load):
    """Times from when requests were due, at a constant rate that all of them can carry."""
    def case(bench):
        running = bench.begin(SMALL)
        seconds = bench.plan.seconds / 2
        most = {p.name: max(run(p, load, seconds).answers / seconds for _ in range(2)) for p in running}
        rate = int(LATENCY_SHARE * min(most.values()))
        print(f"    {rate} requests a second, {LATENCY_SHARE * 100:.0f} % of what the slowest can do: "
              + ", ".join(f"{n} {m:.0f}" for n, m in most.items()))
        if rate == 0:
            print("    no times: the machine is too busy")
            return
        steady = replace(load, rate=rate)
        found = interleave(running, bench.plan, lambda proxy, s: run(proxy, steady, s))
        for key in ("p50_us", "p99_us"):
            print(f"    {key[:3]}, us")
            table({n: [getattr(r, key) for r in rs] for n, rs in found.items()}, "{:.0f}".format, True)
    return case


def crowd(bench):
    """Times of a good client, alone and beside the crowd in turn."""
    running = bench.begin((proxies.shunt, proxies.haproxy))
    share = min(bench.plan.idle / CROWD[0], idle_room(sum(CROWD)) / sum(CROWD))
    counts = [int(n * share) for n in CROWD]
    good = Load(connections=16, rate=CROWD_RATE)
    found = {p.name + how: [] for p in running for how in ("", " crowded")}
    again = {p.name: 0 for p in running}
    for _ in range(min(bench.plan.rounds, 3)):
        for p in running:
            found[p.name].append(measured(p, lambda proxy, s: run(proxy, good, s), bench.plan.seconds))
            with Crowd(p.port, *counts) as there:
                settle()
                found[p.name + " crowded"].append(
                    measured(p, lambda proxy, s: run(proxy, good, s), bench.plan.seconds))
            again[p.name] += there.opened_again
    print(f"    {counts[0]} idle, {counts[1]} slow heads, {counts[2]} slow readers; {CROWD_RATE} requests a second "
          f"of a good client; opened again after the proxy had closed: {again}")
    for key in ("p50_us", "p99_us"):
        print(f"    {key[:3]}, us")
        times = {n: [getattr(r, key) for r in rs] for n, rs in found.items()}
        table(times, "{:.0f}".format, True)
        print("    crowded / alone: " + ", ".join(
            f"{p.name} {statistics.median(times[p.name + ' crowded']) / statistics.median(times[p.name]):.2f}"
            for p in running))


def memory(tls=False):
    """Every round has new processes: what one has freed it might use again without being seen."""
    def case(bench):
        kinds = [proxies.tls(kind) for kind in SMALL[:3]] if tls else SMALL[:3]
        found, count = {}, idle_room(min(bench.plan.idle, IDLE_TLS) if tls else bench.plan.idle)
        for _ in range(min(bench.plan.rounds, 3)):
            for proxy in bench.begin(kinds):
                found.setdefault(proxy.name, []).append(idle_bytes(proxy, count, tls))
        print(f"    user bytes a connection, {count} idle after one answer (Private_Dirty)")
        table(found, "{:.0f}".format, True)
    return case


def table_of_routes(bench):
    """A proxy with few routes beside one with many, each asked for any of its routes."""
    running = bench.begin([proxies.shunt_routes(count, hosts) for count, hosts in TABLES])
    loads = dict(zip((p.name for p in running), (f"routes:{count}:{hosts}" for count, hosts in TABLES), strict=True))
    plan = replace(bench.plan, rounds=6 * bench.plan.rounds, seconds=bench.plan.seconds / 2)
    found = interleave(running, plan, lambda proxy, s: run(proxy, Load(loads[proxy.name]), s))
    rates = {n: [r.per_cpu() for r in rs] for n, rs in found.items()}
    print("    requests a CPU-second")
    table(rates, "{:.0f}".format)
    few, many = rates.values()
    turns = sorted(100 * (1 - b / a) for a, b in zip(few, many, strict=True))
    print(f"    lost: {100 * (1 - statistics.median(many) / statistics.median(few)):.1f} % of the medians; by turns "
          f"{statistics.median(turns):.1f} % ({turns[len(turns) // 4]:.1f} to {turns[-1 - len(turns) // 4]:.1f} % in the "
          "middle half)")


CASES = {
    "table": ("small GET, keep-alive, 64 connections, of 10 and of 100,000 routes", table_of_routes),
    "get-64": ("small GET, keep-alive, 64 connections", throughput(Load(connections=64))),
    "get-512": ("small GET, keep-alive, 512 connections", throughput(Load(connections=512))),
    "connect": ("a new connection for each request, 64 at once", throughput(Load(close=True))),
    "body-10k": ("bodies of 10 KB, 64 connections", throughput(Load("/10k", 64), LARGE)),
    "body-1m": ("bodies of 1 MB, 16 connections", throughput(Load("/1m", 16), LARGE, True)),
    "body-100m": ("bodies of 100 MB, 4 connections", throughput(Load("/100m", 4), LARGE, True)),
    "tls-handshake": ("full handshakes, 16 at once", tls("full", 16)),
    "tls-resume": ("resumed handshakes beside full ones, 16 at once", tls_resume),
    "tls-get-64": ("small GET over TLS, keep-alive, 64 connections", tls("get", 64)),
    "latency": ("times of answers at a constant rate, 64 connections", latency(Load(connections=64))),
    "crowd": ("a good client beside idle and slow ones", crowd),
    "idle": ("memory of idle keep-alive connections", memory()),
    "idle-tls": ("memory of idle keep-alive connections with TLS", memory(tls=True)),
}
