"""Tunnels that the kernel takes over, and what becomes of them."""
import os
import signal
import subprocess

import pytest

from tests.harness import config
from tests.harness.lab import PYTHON, WEB_VIP, WEB_VIP6, run, wait_until

pytestmark = config.BOTH_HOOKS
STREAM = r"GET /stream HTTP/1.1\r\nHost: x.example.com\r\n\r\n"
STREAM6 = r"GET /stream HTTP/1.1\r\nHost: v6.example.com\r\n\r\n"
WEBSOCKET = (r"GET /ws HTTP/1.1\r\nHost: x.example.com\r\nUpgrade: websocket\r\n"
             r"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             r"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
V4, V6 = "203.0.113.11", "2001:db8:53::11"


def spliced(lab):
    return lab.status()["splices"]["begun"]


def wait_spliced(lab, count):
    """All handovers are over and the sockets gone."""
    wait_until(lambda: lab.status()["splices"]["active"] >= count and lab.status()["sessions"] == 0,
               f"{count} splices and no session")


@pytest.mark.parametrize("vip,port,request_text", [
    (V4, 7000, STREAM), (V6, 7000, STREAM), (WEB_VIP, 80, STREAM), (WEB_VIP, 80, WEBSOCKET),
    (WEB_VIP6, 80, STREAM6), (WEB_VIP6, 80, WEBSOCKET.replace("/ws", "/ws6")),
], ids=["tcp-proxy", "tcp-proxy-v6", "splice-connection", "websocket", "splice-connection-v6", "websocket-v6"])
def test_a_tunnel_leaves_userspace_and_half_closes_cleanly(shunt, vip, port, request_text):
    before = spliced(shunt)
    talk = shunt.talk(vip, port, 5, request_text)
    wait_spliced(shunt, 5)
    assert spliced(shunt) == before + 5
    counted = shunt.only("SPLICED")
    handed = [x for x in shunt.access_log() if x["splice"] != "ended"][-1]
    told = shunt.ctl("explain", "--request-id", handed["request_id"], "--admin", shunt.admin).stdout
    assert "spliced      full: the kernel has it since then" in told and f"endpoint *   {handed['endpoint']}" in told, told
    talk.goes_on()
    assert shunt.only("SPLICED") > counted
    assert talk.end() | {"turns": 0} == {"ok": 5, "bad": 0, "errors": [], "turns": 0}
    wait_until(lambda: shunt.status()["splices"]["active"] == 0, "all have ended")
    assert [x for x in shunt.access_log() if x["splice"] != "ended"][-1]["splice"] == "full"


@pytest.mark.parametrize("vip", [V4, V6])
def test_a_hundred_bulk_connections_spliced_in_the_middle_lose_no_byte(shunt, vip):
    before = spliced(shunt)
    count = 100 if vip == V4 else 20
    got = shunt.bulk(vip, 7000, count, 20_000_000, STREAM)
    assert got.stdout.startswith("ok "), (got, shunt.not_done())
    # A handover may last longer than what is carried.
    wait_until(lambda: spliced(shunt) - before == count, f"{count} more splices")


@pytest.mark.parametrize("vip,request_text", [(WEB_VIP6, STREAM), (WEB_VIP, STREAM6)], ids=["v6-to-v4", "v4-to-v6"])
def test_families_that_differ_are_relayed_and_it_says_so(shunt, vip, request_text):
    before = shunt.status()["splices"]["refused"]["family"]
    assert shunt.bulk(vip, 80, 3, 2_000_000, request_text).stdout == "ok 3\n"
    assert shunt.status()["splices"]["refused"]["family"] == before + 3
    assert [x for x in shunt.access_log() if x["splice"] != "ended"][-1]["splice_reason"] == "address families differ"


@pytest.mark.parametrize("vip,source", [(V4, "198.51.100.2:"), (V6, "[2001:db8:1::2]:")])
def test_a_reset_goes_through_and_ends_the_splice(shunt, vip, source):
    code = ("import socket,struct,time; s=socket.create_connection(('%s',7000));"
            "s.sendall(b'GET /stream HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');\n"
            "while b'streaming' not in s.recv(999): pass\n"
            "print('ready',flush=True); input()\n"
            "s.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack('ii',1,0)); s.close()" % vip)
    client = shunt.start("client", PYTHON, "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    client.stdout.readline()
    wait_spliced(shunt, 1)
    before = shunt.status()["splices"]["reset"]
    client.communicate(b"\n")
    wait_until(lambda: shunt.status()["splices"]["reset"] == before + 1, "the reset was seen")
    port = [f["port"] for f in shunt.flows() if f["client"].startswith(source)][-1]
    wait_until(lambda: f":{port} " not in shunt.sh("web_a", "ss", "-tan").stdout + " ",
               "the endpoint heard of it")


@pytest.mark.parametrize("vip", [V4, V6])
def test_killing_the_daemon_breaks_no_splice_and_the_next_one_adopts_them(shunt, vip):
    talk = shunt.talk(vip, 7000, 50, STREAM)
    wait_spliced(shunt, 50)
    shunt.stop(signal.SIGKILL)
    talk.goes_on()
    shunt.shunt(config.full())
    assert shunt.status()["splices"]["adopted"] >= 50
    talk.goes_on()
    assert talk.end() | {"turns": 0} == {"ok": 50, "bad": 0, "errors": [], "turns": 0}
    wait_until(lambda: shunt.status()["splices"]["active"] == 0, "the new daemon sees them end")


def test_flows_are_listed_while_the_daemon_is_stopped(shunt):
    talk = shunt.talk(V4, 7000, 2, STREAM)
    wait_spliced(shunt, 2)
    shunt.daemon.send_signal(signal.SIGSTOP)
    try:
        before = {f["client"]: f["bytes_in"] for f in shunt.flows() if f["state"] == "spliced"}
        talk.goes_on()
        after = {f["client"]: f["bytes_in"] for f in shunt.flows() if f["state"] == "spliced"}
        assert len(before) == 2 and all(after[c] > n for c, n in before.items())
    finally:
        shunt.daemon.send_signal(signal.SIGCONT)
    assert talk.end()["bad"] == 0


def test_a_late_syn_of_its_own_handshake_takes_no_splice_away_when_that_has_ended(shunt):
    """Where SYNs got lost and were sent again, one may come after the splice has begun."""
    wait_until(lambda: shunt.status()["splices"]["active"] == 0, "the splices before have ended")
    talk = shunt.talk(V4, 7000, 1, STREAM)
    wait_spliced(shunt, 1)
    port = [f for f in shunt.flows() if f["state"] == "spliced"][0]["client"].rsplit(":", 1)[1]
    code = ("import socket,struct; s=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_TCP);"
            f"s.sendto(struct.pack('!HHIIBBHHH',{port},7000,1,0,5<<4,2,1000,0,0),('{V4}',0))")
    reused, syns = shunt.status()["splices"]["reused"], shunt.only("SPLICE_SYN")
    shunt.daemon.send_signal(signal.SIGSTOP)
    try:
        shunt.sh("client", PYTHON, "-c", code)
        assert talk.end()["bad"] == 0
    finally:
        shunt.daemon.send_signal(signal.SIGCONT)
    wait_until(lambda: shunt.status()["splices"]["active"] == 0, "its end")
    assert shunt.only("SPLICE_SYN") == syns + 1
    assert shunt.status()["splices"]["reused"] == reused
    assert [f["state"] for f in shunt.flows() if f["client"].endswith(":" + port)] == ["closed"]


@pytest.mark.parametrize("vip", [V4, V6])
def test_an_idle_splice_is_ended_at_both_ends(shunt, vip):
    shunt.reload(config.full(tunnel="4s"))
    code = ("import socket; s=socket.create_connection(('%s',7000),timeout=90);"
            "s.sendall(b'GET /stream HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');\n"
            "while b'streaming' not in s.recv(999): pass\n"
            "try: s.recv(1)\nexcept ConnectionResetError: print('reset')" % vip)
    before = shunt.status()["splices"]["idled"]
    assert shunt.sh("client", PYTHON, "-c", code).stdout == "reset\n"
    assert shunt.status()["splices"]["idled"] == before + 1
    shunt.reload(config.full())


@pytest.fixture(scope="module")
def tls(shunt):
    """A TLS server in web_b; its certificate's file."""
    cert, key = (os.path.join(shunt.dir, n) for n in ("cert.pem", "key.pem"))
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
        "-days", "2", "-subj", "/CN=tls.example.com")
    for family in ("-4", "-6"):
        shunt.start("web_b", "openssl", "s_server", family, "-accept", "8443", "-cert", cert, "-key",
                    key, "-www", "-quiet", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: shunt.sh("web_b", "ss", "-ltn").stdout.count(":8443") == 2, "the TLS servers")
    return cert


@pytest.mark.parametrize("name,vip", [("tls.example.com", WEB_VIP), ("x.v6.example.com", f"[{WEB_VIP6}]")])
def test_tls_goes_by_its_server_name(shunt, tls, name, vip):
    got = shunt.curl(f"https://{name}/", "-k", "--connect-to", f"{name}:443:{vip}:443")
    assert "s_server" in got.stdout
    line = wait_until(lambda: [x for x in shunt.access_log() if x.get("host") == name], "its line")[0]
    assert line["upstream"] in ("tls", "tls6")


def test_an_unknown_server_name_gets_an_alert(shunt, tls):
    got = shunt.curl("https://other.example.com/", "-k", "--connect-to",
                     f"other.example.com:443:{WEB_VIP}:443", check=False)
    assert got.returncode == 35 and "unrecognized name" in got.stderr


def test_a_client_hello_in_many_segments_is_read(shunt, tls):
    code = ("import socket,ssl,time\n"
            "c=ssl._create_unverified_context(); i,o=ssl.MemoryBIO(),ssl.MemoryBIO()\n"
            "t=c.wrap_bio(i,o,server_hostname='tls.example.com')\n"
            "try: t.do_handshake()\nexcept ssl.SSLWantReadError: pass\n"
            "s=socket.create_connection(('%s',443),timeout=90)\n"
            "s.setsockopt(socket.IPPROTO_TCP,socket.TCP_NODELAY,1)\n"
            "for b in o.read(): s.sendall(bytes([b]))\n"
            "while True:\n i.write(s.recv(9999))\n try: t.do_handshake(); break\n except ssl.SSLWantReadError: s.sendall(o.read())\n"
            "s.sendall(o.read()); t.write(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.sendall(o.read())\n"
            "i.write(s.recv(9999)); print(t.version())" % WEB_VIP)
    assert shunt.sh("client", PYTHON, "-c", code).stdout.startswith("TLSv1.")
