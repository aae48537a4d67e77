"""Bodies that the kernel carries beside the same bodies relayed: whether anybody has to wait longer for it.

The connections of tests/traffic, with every byte checked, in the lab of the tests; relayed and spliced runs
take turns. A connection's time is its least over the runs of a kind, as losses in the short queues of veth
cost whole seconds at random; what two halves of the relayed runs differ by says how much is chance.
"""
import os
import statistics
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TOP)
from tests.harness import traffic  # noqa: E402
from tests.harness.lab import Lab  # noqa: E402

REQUESTS, RUNS = 4, 8
SETTINGS = ((1000, "300000"), (100, "2000000"))  # connections, and the largest body


def play(lab, splice, connections, largest):
    lab.stop()
    lab.shunt(traffic.configuration(splice=splice))
    try:
        return traffic.play(lab, connections, REQUESTS, 1, ("-l", largest, "-e"))
    except AssertionError as wrong:
        print(f"  {splice}: {str(wrong)[:300]}")
        return None


def least(runs):
    return [min(each) for each in zip(*(run["each"] for run in runs))]


def compare(name, runs, beside):
    """Of connections: how much longer than beside, and how many more than twice as long."""
    ratios = sorted(x / y for x, y in zip(least(runs), least(beside)))
    print(f"  {name}: a connection takes {statistics.median(ratios):.2f} times as long (median), "
          f"{ratios[int(0.99 * len(ratios))]:.2f} (p99), {ratios[-1]:.2f} (worst); "
          f"{sum(r > 2 for r in ratios)} of {len(ratios)} more than twice")


def figures(name, runs):
    tails = {key: statistics.median(run[key] for run in runs) for key in ("seconds", "p50", "p99", "p999", "max")}
    print(f"  {name}: {tails['seconds']:.2f} s, small requests {tails['p50']:.1f} / {tails['p99']:.1f} / "
          f"{tails['p999']:.1f} ms (p50, p99, p99.9), worst {tails['max']:.1f}; medians of {len(runs)} runs")


def setting(lab, connections, largest, rounds):
    runs = {"off": [], "auto": []}
    print(f"{connections} connections, {REQUESTS} requests each, bodies of up to {largest} bytes")
    for _ in range(rounds):
        for splice, got in runs.items():
            one = play(lab, splice, connections, largest)
            got.extend([one] if one else [])
    if len(runs["off"]) < 2 or not runs["auto"]:
        print("  too few runs came to their end")
        return
    figures("relayed", runs["off"])
    figures("spliced", runs["auto"])
    half = len(runs["off"]) // 2
    compare("spliced beside relayed", runs["auto"], runs["off"])
    compare("relayed beside relayed", runs["off"][:half], runs["off"][half:])


def bodies(plan):
    if os.geteuid() != 0:
        print("bodies: not measured, because namespaces need root")
        return
    for hook, offloads in (("XDP", False), ("tc", True)):
        with Lab(offloads=offloads) as lab:
            print(f"\nbodies, by {hook}")
            traffic.start_origins(lab)
            lab.shunt(traffic.configuration())
            for connections, largest in SETTINGS:
                setting(lab, connections, largest, 2 if plan.rounds < 3 else RUNS)
