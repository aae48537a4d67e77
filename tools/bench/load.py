"""What is asked of a proxy, and what that cost it: answers, bytes, times, CPU, memory."""
import json
import os
import resource
import socket
import ssl
import subprocess
from dataclasses import dataclass

from proxies import BUILD

REQUEST = b"GET / HTTP/1.1\r\nHost: bench.example\r\n\r\n"


@dataclass
class Load:
    """Rate 0 is as fast as answers come."""
    path: str = "/"
    connections: int = 64
    rate: float = 0
    close: bool = False


@dataclass
class Result:
    answers: int
    bytes: int  # also of answers that outlast the run
    seconds: float
    cpu: float
    p50_us: float = 0
    p99_us: float = 0
    max_us: float = 0

    def per_cpu(self):
        return self.answers / self.cpu

    def bytes_per_cpu(self):
        return self.bytes / self.cpu


def cpus():
    """Which cores the proxy, the origin and the client have to themselves."""
    have = sorted(os.sched_getaffinity(0))
    if len(have) < 3:
        return {"proxy": have[-1:], "origin": have[:1], "client": have[:1]}
    return {"proxy": have[-1:], "origin": have[-2:-1], "client": have[:-2]}


def processes(pid):
    """A process and its children: nginx serves in one."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as found:
        return [pid, *(int(p) for p in found.read().split())]


def cpu_seconds(pid):
    """User and system time of all threads, since they began."""
    total = 0
    for each in processes(pid):
        with open(f"/proc/{each}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def dirty_bytes(pid):
    """Private dirty memory: what would be free again without the process."""
    total = 0
    for each in processes(pid):
        with open(f"/proc/{each}/smaps_rollup", encoding="ascii") as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith("Private_Dirty"))
    return total * 1024


def run(proxy, load, seconds):
    """The load for so many seconds. Anything but whole answers with 200 ends the bench."""
    return asked(proxy, seconds, ["http_load", str(proxy.port), load.path, str(load.connections), str(seconds),
                                  str(load.rate), *(["close"] if load.close else [])])


def run_tls(proxy, what, connections, seconds):
    """The same over TLS; what: `get`, or handshakes that are `full` or `resume`."""
    return asked(proxy, seconds, ["tls_load", what, str(proxy.port), str(connections), str(seconds)])


def asked(proxy, seconds, load):
    words = ["taskset", "-c", ",".join(map(str, cpus()["client"])), os.path.join(BUILD, "bench", load[0]), *load[1:]]
    before = cpu_seconds(proxy.process.pid)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bench: the load on {proxy.name} failed ({load}):\n{done.stderr[-800:]}")
    cpu = cpu_seconds(proxy.process.pid) - before
    result = Result(seconds=seconds, cpu=max(cpu, 0.01), **json.loads(done.stdout))
    return result


def idle_room(wanted):
    """Proxies keep two files for each session, and some hundreds for themselves."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return min(wanted, (files - 2000) // 2)


def idle_bytes(proxy, count, tls=False):
    """User memory of one kept connection that has had its answer and is idle, `count` at once."""
    held, context = [], None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        for _ in range(16):  # what is allocated once is not to be counted
            held.append(ask(proxy.port, context))
        before = dirty_bytes(proxy.process.pid)
        for _ in range(count):
            held.append(ask(proxy.port, context))
        return (dirty_bytes(proxy.process.pid) - before) / count
    finally:
        for sock in held:
            sock.close()


def ask(port, context=None):
    """A connection with one answer received; context: of TLS."""
    try:
        sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        if context:
            sock = context.wrap_socket(sock, server_hostname="bench.example")
        sock.sendall(REQUEST)
        got = sock.recv(4096)
        while got.startswith(b"HTTP/1.1 200") and not got.endswith(b"hello\n"):
            got += sock.recv(4096) or b"?"
    except OSError as error:
        raise SystemExit(f"bench: a connection that was to be idle: {error}") from error
    if not got.endswith(b"hello\n"):
        raise SystemExit(f"bench: a connection that was to be idle got {got[:80]!r}")
    return sock


def raise_files():
    """How many files a process may have now: more, where we may say so."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (65536, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, hard)))
            return limit
        except (OSError, ValueError):
            continue
    return hard
