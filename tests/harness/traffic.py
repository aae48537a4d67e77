"""body_client and body_origin in a lab: connections with random bodies both ways, every byte checked, and
what is known of the legs where one stalls."""
import contextlib
import glob
import json
import os
import struct
import subprocess
import time

from tests.harness import config
from tests.harness.run import BUILD, run, wait_until
from tests.harness.servers import ports

HOSTS = ("x.example.com", "two.example.com")
PORT = 8002
STALL = 30
LEG = 4
LEG_FIELDS = ("turn tx rx body from to peer peer_generation room heard_scale progress sent acked window stamp stamped "
              "notes stale passed").split()
PAST_FIELDS = ("next_hop seq_delta ack_delta ts_delta tsecr_delta floor scales drain krcv max_seq max_ack fin_seq fin "
               "window").split()


def configuration(splice="auto", threshold="32kB", addresses=("10.0.1.2", "10.0.2.2"), full_splice=False):
    """The two hosts go to two endpoints; tcp-proxy on 7002, where a splice is to be a full one."""
    more = f"splice: {splice}" + (f", splice_threshold: {threshold}" if splice == "auto" else "")
    routes = "\n".join(
        f"    - {{ name: {what}-{i}, match: {{ host: {host}, path: \"/{what}/*\" }}, upstream: many-{i}, {more} }}"
        for what in ("pattern", "pause", "hunt") for i, host in enumerate(HOSTS))
    upstreams = "".join(
        f"  many-{i}: {{ connect_timeout: 60s, endpoints: [ {{ address: \"{to}:{PORT}\" }} ] }}\n"
        for i, to in enumerate(addresses))
    text = config.full(extra_routes=routes.strip()).replace("upstreams:\n", "upstreams:\n" + upstreams)
    if full_splice:
        text = text.replace("  - name: stream\n", "  - name: streams\n    addresses: [203.0.113.12]\n    listeners:\n"
                            "      - { port: 80, protocol: tcp-proxy, upstream: many-0 }\n  - name: stream\n", 1)
    return text


def start_origins(lab):
    # A thousand BBR connections overrun the 256 packets that veth queues; two spans of losses then look to BBR
    # like a policer (lt_bw in tcp_bbr.c), and it keeps to 10 to 50 kbit/s for 48 round trips: minutes. One to four
    # of a thousand do, as many where client and origin talk without shunt.
    for host in ("client", "lb", "web_a", "web_b"):
        lab.sh(host, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")
    for host in ("web_a", "web_b"):
        lab.start(host, os.path.join(BUILD, "traffic", "body_origin"), str(PORT))
    for host in ("web_a", "web_b"):
        wait_until(lambda h=host: f":{PORT}" in ports(lab, h), f"the origin in {host}")


@contextlib.contextmanager
def spoilt(lab, lose=0, double=0, hold=0, seed=1):
    """Both directions of both legs lose, double and reorder so many of a million packets; how many they were
    is in what this gives, by name, afterwards."""
    counted, spoilers = {}, []
    for host, device in (("client", "eth0"), ("web_a", "eth0"), ("router", "r-client"), ("router", "r-weba")):
        seed += 1
        spoilers.append(lab.start(host, os.path.join(BUILD, "traffic", "spoiler"),
                                  os.path.join(BUILD, "traffic", "spoil.bpf.o"), device, str(seed), str(lose),
                                  str(double), str(hold), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert spoilers[-1].stdout.readline() == "ready\n"
    try:
        yield counted
    finally:
        for spoiler in spoilers:
            for name, n in json.loads(spoiler.communicate()[0]).items():
                counted[name] = counted.get(name, 0) + n


def play(lab, connections=20, requests=20, seed=1, more=(), address="203.0.113.10", hosts=HOSTS, port=80):
    """What body_client found: its figures. Fails with all that is known where bytes differ or stall, and where
    a program took honest packets for forged ones: what is dropped so comes again, late."""
    forged = lab.status()["counters"]["SPLICE_FORGED"]
    client = lab.start("client", os.path.join(BUILD, "traffic", "body_client"), "-c", str(connections), "-r",
                       str(requests), "-s", str(seed), "-t", str(STALL), *more, address, str(port), *hosts,
                       stdout=subprocess.PIPE, text=True)
    said = []
    for line in client.stdout:
        said.append(line)
        if line.startswith("stall"):
            report = known(lab)
            client.kill()
            raise AssertionError(f"{said}\n{report}")
    assert client.wait() == 0, (said, lab.not_done())
    got = json.loads(said[-1])
    assert got["ok"] == connections and got["bad"] == 0, said
    # Linux takes windows back where it is short of memory, as with a thousand long bodies at once.
    assert lab.status()["counters"]["SPLICE_FORGED"] - forged <= connections // 100, said
    return got


def known(lab):
    """Sockets and legs of all who take part, and where one stalls: those of two connections are many lines."""
    out = [f"--- {host}\n" + lab.sh(host, "ss", "-tnoiH", "state", "connected").stdout
           for host in ("client", "lb", "web_a", "web_b")]
    before = lab.status()["counters"]
    lab.sh("lb", "nstat", "-n")
    time.sleep(5)
    moved = {name: n - before[name] for name, n in lab.status()["counters"].items() if n != before[name]}
    out.append(f"--- in 5 s {moved}\n" + lab.sh("lb", "nstat").stdout)
    keep = os.environ.get("TRAFFIC_KNOWN", os.path.join(BUILD, "stalled"))
    with open(keep, "w", encoding="utf-8") as file:
        file.write("\n".join([str(lab.not_done()), *legs(lab), *out]))
    return f"sockets and legs are in {keep}"


def legs(lab):
    """One line for each element that a body goes past, or went."""
    pinned = glob.glob(os.path.join(lab.pins, "**", "shunt_splices"), recursive=True)[0]
    dump = json.loads(run("bpftool", "-j", "map", "dump", "pinned", pinned).stdout)
    for one in dump:
        raw = bytes(int(x, 16) for x in one["value"])
        if struct.unpack_from("<I", raw)[0] != LEG:
            continue
        index = struct.unpack("<I", bytes(int(x, 16) for x in one["key"]))[0]
        at = 32 + 120
        past = dict(zip(PAST_FIELDS, struct.unpack_from("<14I", raw, 32 + 40)))
        leg = dict(zip(LEG_FIELDS, struct.unpack_from("<19I", raw, at)))
        key = raw[at + 80:at + 120]
        sport, dport = struct.unpack_from(">HH", key, 32)
        ip = ".".join(map(str, key[12:16]))
        yield f"{index}: {ip}:{sport} > :{dport} {leg} past {past}"
