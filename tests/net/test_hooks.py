"""By tc, where packets come as super-packets: it is picked, they stay whole, and one can change over."""
import json
import os
import subprocess

import pytest

from tests.harness import config
from tests.harness.lab import L4_VIP, PYTHON, WEB_VIP
from tests.harness.run import BUILD

MEGABYTES = 64
SINK = ("import socket; s=socket.create_server(('',8003)); print('ready',flush=True)\n"
        "while True:\n c,_=s.accept(); n=0\n while (d:=c.recv_into(b:=bytearray(1<<20))): n+=d\n"
        " c.sendall(b'%d' % n); c.close()")
POUR = ("import socket,time; s=socket.create_connection(('{to}',8003)); b=bytes(1<<20); t=time.monotonic()\n"
        "for _ in range({n}): s.sendall(b)\n"
        "s.shutdown(1); got=s.recv(99); print(got.decode(), time.monotonic()-t)")


@pytest.fixture(name="hook", scope="module")
def fixture_hook():
    return "tc"


def with_sink():
    text = config.full(l4=("a",))
    listener = "      - { port: 8001, protocol: tcp, upstream: l4-echo, forward: vxlan }\n"
    assert listener in text
    text = text.replace(listener, listener + listener.replace("8001", "8003").replace("l4-echo", "sink"))
    return text.replace("upstreams:\n", "upstreams:\n  sink:\n    endpoints:\n" + config.l4_endpoints(("a",), 8003)
                        + "\n")


def loader(lab, *words):
    return lab.sh("lb", os.path.join(BUILD, "shunt-loader"), *words, "--pin-dir", lab.pins)


def mode(lab):
    return [d["mode"] for d in json.loads(loader(lab, "status", "--json").stdout)]


def test_tc_is_picked_for_a_veth_with_offloads_and_it_says_why(shunt):
    assert mode(shunt) == ["tc"]
    assert "eth0 is attached by tc: it is a veth with offloads on" in shunt.log()


def test_a_super_packet_is_wrapped_once_and_arrives_whole(shunt):
    shunt.reload(with_sink())
    sink = shunt.start("tenant_a", PYTHON, "-c", SINK, stdout=subprocess.PIPE, text=True)
    assert sink.stdout.readline() == "ready\n"
    before = shunt.only("FORWARDED")
    got = shunt.sh("client", PYTHON, "-c", POUR.format(to=L4_VIP, n=MEGABYTES), timeout=120).stdout.split()
    assert int(got[0]) == MEGABYTES << 20
    packets = shunt.only("FORWARDED") - before
    print(f"{MEGABYTES / 1.048576 / float(got[1]):.0f} MB/s, {packets} packets")
    # Of wire size it would be 48,000 at least.
    assert packets < 24000


def test_the_hook_can_be_changed_and_packets_go_on(shunt):
    for to, ends in (("native", ["native"]), ("tc", ["tc"]), ("auto", ["tc"])):
        loader(shunt, "attach", "--dev", "eth0", "--mode", to, "--cgroup", shunt.cgroup)
        assert mode(shunt) == ends
    assert shunt.curl(f"http://{L4_VIP}:8000/").stdout.startswith("tenant_a")
    assert shunt.curl(f"http://{WEB_VIP}/", "-H", "Host: a.example.com").returncode == 0
