"""The PROXY protocol before streams that are spliced: the splice begins right behind the header."""
import json
import socket
import subprocess

import pytest

from tests.harness import config
from tests.harness.lab import HARNESS, PYTHON, wait_until

pytestmark = config.BOTH_HOOKS

KEYS = "proxy_protocol_from: [198.51.100.0/24, \"2001:db8:1::/64\"]"
PORTS = {"v1": 7101, "v2": 7102, "none": 7103}
TOLD = "198.51.100.77"


def endpoint(name, address, more):
    return f'  {name}: {{ {more}connect_timeout: 60s, endpoints: [ {{ address: "{address}" }} ] }}\n'


def configuration():
    """tcp-proxy, tls-passthrough and HTTP towards an echo, each with and without a header of ours."""
    listeners, upstreams, routes = "", "", ""
    for version, port in PORTS.items():
        more = "" if version == "none" else f"proxy_protocol: {version}, "
        upstreams += endpoint(f"echo-{version}", "10.0.1.2:9000", more)
        upstreams += endpoint(f"echo6-{version}", "[2001:db8:a::2]:9000", more)
        for name, at in (("", port), ("6", port + 100)):
            listeners += f"      - {{ port: {at}, protocol: tcp-proxy, upstream: echo{name}-{version}, {KEYS} }}\n"
        listeners += (f"      - {{ port: {port + 200}, protocol: tls-passthrough, {KEYS},"
                      f" sni: {{ x.example.com: echo-{version} }} }}\n")
        routes += (f"    - {{ name: proxy-{version}, match: {{ path: /{version}/stream }},"
                   f" upstream: echo-{version}, splice: connection }}\n"
                   f"    - {{ name: proxy-ws-{version}, match: {{ path: /{version}/ws }}, upstream: echo-{version} }}\n")
    listeners += f"      - {{ port: 7400, protocol: http, routes: proxied, {KEYS} }}\n"
    return config.full().replace("  - name: stream\n", (
        "  - name: proxied\n    addresses: [203.0.113.12, \"2001:db8:53::12\"]\n    listeners:\n"
        + listeners + "  - name: stream\n"), 1).replace("routes:\n", "routes:\n  proxied:\n" + routes, 1) \
        .replace("upstreams:\n", "upstreams:\n" + upstreams, 1)


@pytest.fixture(scope="module")
def proxied(lab):
    lab.shunt(configuration())
    lab.start("web_a", PYTHON, f"{HARNESS}/proxy_echo.py", "serve", "9000")
    wait_until(lambda: ":9000" in lab.sh("web_a", "ss", "-ltnH").stdout, "the echo listens")
    return lab


def talk(lab, asked):
    """Connections that send what `asked` says (address, port, kind, header), then talk until all are spliced
    and some more. What the echo got first of each, and who asked, once every byte after that came back."""
    clients = [lab.start("client", PYTHON, f"{HARNESS}/proxy_echo.py", "ask", address, str(port), kind,
                         head.hex(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
               for address, port, kind, head in asked]
    first = [json.loads(client.stdout.readline()) for client in clients]
    wait_until(lambda: lab.status()["splices"]["active"] >= len(asked) and lab.status()["sessions"] == 0,
               "all are spliced")
    counted = lab.only("SPLICED")
    for client in clients:
        client.stdin.write("go on\n")
        client.stdin.flush()
    last = [json.loads(client.stdout.readline()) for client in clients]
    assert lab.only("SPLICED") > counted
    for client in clients:
        client.communicate()
    wait_until(lambda: lab.status()["splices"]["active"] == 0, "they have ended")
    assert last == [{"wrong": 0, "turns": 50}] * len(asked)
    return [(bytes.fromhex(one["head"]), one["from"]) for one in first]


def v2(command, family, block):
    return (b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family])
            + len(block).to_bytes(2, "big") + block)


FOUR = bytes([198, 51, 100, 77, 203, 0, 113, 9, 0x0f, 0xa0, 0, 80])
SIX = bytes.fromhex("20010db8000100000000000000000077" "20010db8005300000000000000000009" "0fa00050")
# A NOOP of 300 bytes, ALPN, and types that nobody knows.
TLVS = b"\4\1\x2c" + bytes(300) + b"\1\0\2h2" + b"\xe0\0\3abc"
RECEIVED = {
    "v1": (b"PROXY TCP4 198.51.100.77 203.0.113.9 4000 80\r\n", ("198.51.100.77", 4000, "203.0.113.9", 80)),
    "v1-v6": (b"PROXY TCP6 2001:db8:1::77 2001:db8:53::9 4000 80\r\n",
              ("2001:db8:1::77", 4000, "2001:db8:53::9", 80)),
    "v1-unknown": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    "v2": (v2(1, 0x11, FOUR), ("198.51.100.77", 4000, "203.0.113.9", 80)),
    "v2-v6": (v2(1, 0x21, SIX), ("2001:db8:1::77", 4000, "2001:db8:53::9", 80)),
    "v2-local": (v2(0, 0, b""), None),
    "v2-tlvs": (v2(1, 0x11, FOUR + TLVS), ("198.51.100.77", 4000, "203.0.113.9", 80)),
}


def written(version, said):
    """The header that says so: source and its port, destination and its port."""
    source, sport, dest, dport = said
    six = ":" in source
    if version == "none":
        return b""
    if version == "v1":
        return f"PROXY TCP{6 if six else 4} {source} {dest} {sport} {dport}\r\n".encode()
    family = socket.AF_INET6 if six else socket.AF_INET
    return v2(1, 0x21 if six else 0x11, socket.inet_pton(family, source) + socket.inet_pton(family, dest)
              + sport.to_bytes(2, "big") + dport.to_bytes(2, "big"))


def judge(lab, asked, sent, said):
    """What each endpoint was told, side by side with what it ought to have been."""
    got = talk(lab, asked)
    assert [head for head, _ in got] == [
        written(sent, told or (ip, port, asked[i][0], asked[i][1]))
        for i, (told, (_, (ip, port))) in enumerate(zip(said, got))]


@pytest.mark.parametrize("sent", PORTS)
@pytest.mark.parametrize("vip,more", [("203.0.113.12", 0), ("2001:db8:53::12", 100)], ids=["v4", "v6"])
def test_a_spliced_stream_begins_behind_the_headers(proxied, vip, more, sent):
    asked = [(vip, PORTS[sent] + more, "raw", head) for head, _ in RECEIVED.values()]
    judge(proxied, asked, sent, [said for _, said in RECEIVED.values()])


@pytest.mark.parametrize("sent", PORTS)
def test_before_a_hello_and_a_request_too(proxied, sent):
    head, said = RECEIVED["v2-tlvs"]
    asked = [("203.0.113.12", PORTS[sent] + 200, "tls", head),
             ("203.0.113.12", 7400, f"/{sent}/stream", head), ("203.0.113.12", 7400, f"/{sent}/ws", head)]
    judge(proxied, asked, sent, [said] * len(asked))


@pytest.mark.parametrize("head", [
    b"PROXY TCP4 198.51.100.77 203.0.113.9 4000 99999\r\n", v2(1, 0x11, FOUR[:8]),
    v2(1, 0x11, FOUR + b"\1\0\5h2"), v2(1, 0x11, FOUR + b"\4\x10\0" + bytes(4096)),
], ids=["port", "short", "tlv beyond the end", "longer than any"])
def test_a_header_that_is_none_reaches_nobody(proxied, head):
    before = proxied.status()["stats"]["upstream_connects"]
    code = ("import socket,sys; s=socket.create_connection(('203.0.113.12',7101),timeout=90)\n"
            "try: s.sendall(bytes.fromhex(sys.argv[1])); print(len(s.recv(9)))\n"
            "except OSError: print(0)")
    assert proxied.sh("client", PYTHON, "-c", code, (head + b"hello").hex()).stdout == "0\n"
    assert proxied.status()["stats"]["upstream_connects"] == before
