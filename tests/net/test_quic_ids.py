"""QUIC by connection ids, and affinity by client address: two tenants behind one vip."""
import json
import os
import subprocess

import pytest

from tests.harness import config
from tests.harness.lab import HARNESS, L4_VIP, L4_VIP6, PYTHON
from tests.harness.run import wait_until

pytestmark = config.BOTH_HOOKS
SERVER_IDS = {"a": "0a01", "b": "0a02"}
SECOND_ADDRESS = {L4_VIP: "198.51.100.3", L4_VIP6: "2001:db8:1::3"}
PORT, CONFIG_ID = 4433, 5


def endpoints(names, port):
    return ", ".join(f'{{ address: "172.16.0.4:{port}", vpc: {n}, host: 192.0.3.21, '
                     f'mac: "02:00:00:00:00:04", server_id: "{SERVER_IDS[n]}" }}' for n in names)


def conf(names=("a", "b"), affinity="connection", udp_idle="60s"):
    return f"""
node: {{ devices: [eth0], tunnel_address: 192.0.2.10 }}
vpcs: {{ a: {{ vni: 5001 }}, b: {{ vni: 5002 }} }}
vips:
  - name: l4
    addresses: [{L4_VIP}, "{L4_VIP6}"]
    listeners:
      - {{ port: {PORT}, protocol: udp, upstream: quic, forward: vxlan, timeouts: {{ udp_idle: {udp_idle} }},
           quic: {{ config_id: {CONFIG_ID}, server_id_bytes: 2 }} }}
      - {{ port: 8000, protocol: tcp, upstream: web, forward: vxlan, affinity: {affinity} }}
upstreams:
  quic: {{ endpoints: [ {endpoints(names, PORT)} ] }}
  web: {{ endpoints: [ {endpoints(names, 8000)} ] }}
"""


class Client:
    """Connections of quic_ids.py ask."""

    def __init__(self, lab, vip):
        self.process = lab.start("client", PYTHON, os.path.join(HARNESS, "quic_ids.py"), "ask", vip, str(PORT),
                                 SECOND_ADDRESS[vip], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


@pytest.fixture(name="quic", scope="module")
def fixture_quic(lab):
    lab.ip("client", "addr", "add", SECOND_ADDRESS[L4_VIP] + "/24", "dev", "eth0")
    lab.ip("client", "addr", "add", SECOND_ADDRESS[L4_VIP6] + "/64", "dev", "eth0", "nodad")
    for name, server_id in SERVER_IDS.items():
        for vip in (L4_VIP, L4_VIP6):
            lab.start(f"tenant_{name}", PYTHON, os.path.join(HARNESS, "quic_ids.py"), "serve", vip, str(PORT),
                      server_id, str(CONFIG_ID))
    lab.shunt(conf())
    return lab


@pytest.mark.parametrize("vip", [L4_VIP, L4_VIP6])
def test_a_connection_stays_whatever_becomes_of_its_client_and_the_pool(quic, vip):
    quic.reload(conf())
    client = Client(quic, vip)
    assert client.say("open 30")["servers"] == sorted(SERVER_IDS.values())  # spread, by addresses and ports
    assert client.say("turn")["lost"] == 0
    before = quic.only("FORWARDED_QUIC")
    client.say("move")  # another address and another port
    assert client.say("turn") | {"servers": 0} == {"servers": 0, "fresh": [], "count": 30, "lost": 0}
    assert quic.only("FORWARDED_QUIC") >= before + 30
    client.say("move")
    quic.reload(conf(("b", "a")))  # the order makes no difference
    assert client.say("turn")["lost"] == 0
    assert quic.stop() == 0  # nor has the daemon to be there
    client.say("move")
    assert client.say("turn")["lost"] == 0
    quic.shunt(conf())
    client.say("move")
    assert client.say("turn")["lost"] == 0
    client.end()


@pytest.mark.parametrize("vip", [L4_VIP, L4_VIP6])
def test_new_ones_leave_a_removed_endpoint_at_once_and_others_stay(quic, vip):
    quic.reload(conf())
    client = Client(quic, vip)
    client.say("open 30")
    quic.reload(conf(("a",)))
    assert client.say("open 20")["fresh"] == [SERVER_IDS["a"]]
    client.say("forget " + SERVER_IDS["b"])
    client.say("move")
    assert client.say("turn")["lost"] == 0
    quic.reload(conf())
    client.say("move")
    assert client.say("turn")["lost"] == 0  # of a, by their ids: the ring has changed again
    assert client.say("open 30")["fresh"] == sorted(SERVER_IDS.values())
    assert client.say("turn")["lost"] == 0
    client.end()


@pytest.mark.parametrize("vip", [L4_VIP, f"[{L4_VIP6}]"])
def test_a_client_has_one_endpoint(quic, vip):
    def answers(count):
        return {quic.curl(f"http://{vip}:8000/").stdout.split()[0] for _ in range(count)}

    quic.reload(conf())
    assert answers(24) == {"tenant_a", "tenant_b"}
    quic.reload(conf(affinity="client-address"))
    mine = answers(24)
    assert len(mine) == 1
    others = [name for name in SERVER_IDS if f"tenant_{name}" not in mine]
    quic.reload(conf(others, affinity="client-address"))
    wait_until(lambda: answers(1) == {f"tenant_{others[0]}"}, "it has the other")
    quic.reload(conf(affinity="client-address"))
    assert answers(12) == mine
