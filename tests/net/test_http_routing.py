"""HTTP through the proxy on the fast path's listeners."""
import hashlib
import os

import pytest

from tests.harness import config
from tests.harness.lab import WEB_VIP, WEB_VIP6, PYTHON, wait_until


@pytest.mark.parametrize("vip", [WEB_VIP, f"[{WEB_VIP6}]"])
@pytest.mark.parametrize("host,path,origin", [
    ("a.example.com", "/", "web_a"),
    ("A.Example.Com", "/x/y", "web_a"),
    ("a.example.com", "/b/x", "web_b"),
    ("a.example.com", "/bb", "web_a"),
    ("b.example.com", "/b/x", "web_b"),
])
def test_host_and_path_choose_the_upstream(shunt, vip, host, path, origin):
    assert shunt.curl(f"http://{vip}{path}", "-H", f"Host: {host}").stdout.startswith(origin + " ")


@pytest.mark.parametrize("host,path,status", [
    ("nobody.example.com", "/", "404"),
    ("x.example.com", "/dead", "502"),
    ("x.example.com", "/empty", "503"),
    ("x.example.com", "/slow", "504"),
    ("x.example.com", "/old/x", "301"),
    ("a.example.com", "/b/..%2fx", "400"),
])
def test_own_answers_have_their_status(shunt, host, path, status):
    got = shunt.curl(f"http://{WEB_VIP}{path}", "-H", f"Host: {host}", "--path-as-is", "-o",
                     "/dev/null", "-w", "%{http_code}")
    assert got.stdout == status


def test_a_connection_serves_many_requests(shunt):
    urls = [f"http://{WEB_VIP}/{i}" for i in range(20)]
    got = shunt.sh("client", "curl", "-sS", "-m", "90", "-H", "Host: a.example.com", "-w",
                   "%{num_connects}\n", *urls)
    assert got.stdout.count("web_a") == 20
    assert sum(int(line) for line in got.stdout.splitlines() if line.isdigit()) == 1


@pytest.mark.parametrize("coding", ["Content-Length", "chunked"])
def test_a_large_upload_arrives_whole(shunt, coding):
    data = os.urandom(5_000_000)
    path = os.path.join(shunt.dir, "upload")
    with open(path, "wb") as out:
        out.write(data)
    more = ("-H", "Transfer-Encoding: chunked") if coding == "chunked" else ()
    got = shunt.curl(f"http://{WEB_VIP}/up", "-H", "Host: x.example.com", "--data-binary", f"@{path}",
                     *more)
    assert got.stdout == f"{len(data)} {hashlib.sha256(data).hexdigest()}\n"


def test_large_and_chunked_downloads_arrive_whole(shunt):
    got = shunt.curl(f"http://{WEB_VIP}/big/30000000", "-H", "Host: x.example.com", "-o", "/dev/null",
                     "-w", "%{size_download}")
    assert got.stdout == "30000000"
    got = shunt.curl(f"http://{WEB_VIP}/chunked", "-H", "Host: x.example.com")
    assert got.stdout == "".join(f"{i}," for i in range(100))


def talk_raw(lab, data, port=80):
    """Bytes to the vip as they are; everything that comes until it closes."""
    code = ("import socket,sys; s=socket.create_connection(('%s',%d),timeout=90);"
            "s.sendall(bytes.fromhex('%s'));\n"
            "while d:=s.recv(9999): sys.stdout.write(d.decode('latin1'))"
            % (WEB_VIP, port, data.hex()))
    return lab.sh("client", PYTHON, "-c", code).stdout


def test_pipelined_requests_are_answered_in_order(shunt):
    one = b"GET /%d HTTP/1.1\r\nHost: a.example.com\r\n\r\n"
    last = b"GET /3 HTTP/1.1\r\nHost: b.example.com\r\nConnection: close\r\n\r\n"
    got = talk_raw(shunt, one % 1 + one % 2 + last)
    assert [got.index(f"{o} ") for o in ("web_a", "web_b")] == sorted(
        got.index(f"{o} ") for o in ("web_a", "web_b"))
    assert got.index("/1\n") < got.index("/2\n") < got.index("/3\n")


@pytest.mark.parametrize("request_bytes,status", [
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    (b"GET / HTTP/1.1\nHost: a\n\n", "400"),
    (b"GET / HTTP/1.1\r\n\r\n", "400"),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20000 + b"\r\n\r\n", "431"),
])
def test_what_is_ambiguous_or_too_much_is_refused(shunt, request_bytes, status):
    assert talk_raw(shunt, request_bytes).startswith(f"HTTP/1.1 {status} ")


def test_what_does_not_come_to_its_end_is_refused_in_time(shunt):
    shunt.reload(config.full(head="1s"))
    assert talk_raw(shunt, b"GET / HTTP/1.1\r\nHost: a\r\n").startswith("HTTP/1.1 408 ")
    shunt.reload(config.full())


def test_each_exchange_has_its_line_in_the_access_log(shunt):
    shunt.curl(f"http://{WEB_VIP}/logged?q=1", "-H", "Host: a.example.com")
    line = wait_until(lambda: [x for x in shunt.access_log() if x.get("path") == "/logged"], "the line")[0]
    assert (line["route"], line["upstream"], line["status"]) == ("a", "a", 200)
    assert line["endpoint"] == "10.0.1.2:8000" and line["client"].startswith("198.51.100.2:")
    assert line["splice"] == "none"
