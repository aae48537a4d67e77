"""Numbered datagrams, each of which must be answered: numbered.py serve ADDRESS PORT NAME | ask ADDRESS PORT
FLOWS RATE.

The server answers each with its name and what it got. ask sends RATE a second over FLOWS sockets in turn, no
more than WINDOW of them unanswered, so that no queue of the lab can overflow, however slow the machine is;
for each line on standard input it prints a JSON line of what it saw (see Report), and at its end a last one.
"""
import collections
import json
import os
import select
import socket
import subprocess
import sys
import time

PORT = 5300
WINDOW = 32
LAST_WAIT_S = 20  # for the last answers: what is lost has been lost for long by then


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(address, port, name):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    sock.bind((address, port))
    print("ready", flush=True)
    while True:
        data, source = sock.recvfrom(2048)
        sock.sendto(name.encode() + b" " + data, source)


class Flow:
    """One socket; numbers count up in it."""

    def __init__(self, address, port):
        self.sock = socket.socket(family(address), socket.SOCK_DGRAM)
        self.sock.connect((address, port))
        self.sock.setblocking(False)
        self.next, self.answered, self.top = 0, 0, -1
        self.missing, self.names, self.late, self.twice = set(), collections.Counter(), 0, 0

    def send(self):
        self.sock.send(b"%d" % self.next)
        self.missing.add(self.next)
        self.next += 1

    def read(self):
        try:
            while True:
                name, number = self.sock.recv(2048).split()
                self.take(name.decode(), int(number))
        except BlockingIOError:
            pass

    def take(self, name, number):
        self.names[name] += 1
        self.answered += 1
        self.twice += number not in self.missing
        self.missing.discard(number)
        self.late += number < self.top
        self.top = max(self.top, number)

    def under_way(self):
        return self.next - 1 - self.top


class Report(dict):
    """answered: all; lost: numbers with an answer behind them but none of their own; strayed: flows with
    answers of two endpoints; late: answers that came behind later ones; twice: more than one answer."""

    def __init__(self, flows):
        super().__init__(
            answered=sum(f.answered for f in flows),
            lost=[[i, n] for i, f in enumerate(flows) for n in sorted(f.missing) if n < f.top][:20],
            unanswered=sum(len(f.missing) for f in flows),
            strayed=[dict(f.names) for f in flows if len(f.names) > 1],
            late=sum(f.late for f in flows), twice=sum(f.twice for f in flows),
            names=sorted({name for f in flows for name in f.names}))


class Asker:
    def __init__(self, address, port, flows, rate):
        self.flows = [Flow(address, port) for _ in range(flows)]
        self.by_fd = {f.sock.fileno(): f for f in self.flows}
        self.poll = select.poll()
        for fd in self.by_fd:
            self.poll.register(fd, select.POLLIN)
        self.poll.register(0, select.POLLIN)
        self.step, self.turn, self.ended = 1 / rate, 0, False

    def turn_of(self, wait_s):
        for fd, _ in self.poll.poll(max(0, wait_s * 1000)):
            if fd == 0:
                self.ended = not os.read(0, 1)
                print(json.dumps(Report(self.flows)), flush=True)
            else:
                self.by_fd[fd].read()

    def run(self):
        due = time.monotonic()
        while not self.ended:
            now = time.monotonic()
            if now >= due and sum(f.under_way() for f in self.flows) < WINDOW:
                self.flows[self.turn % len(self.flows)].send()
                self.turn += 1
                due = max(due + self.step, now)  # what could not be sent is not made up for
            self.turn_of(due - now if due > now else self.step)
        until = time.monotonic() + LAST_WAIT_S
        self.poll.unregister(0)
        while any(f.missing for f in self.flows) and time.monotonic() < until:
            self.turn_of(0.1)
        print(json.dumps(Report(self.flows)), flush=True)


def serve_all(lab, tenants=("tenant_a", "tenant_b"), vips=("203.0.113.53", "2001:db8:53::53")):
    """In each tenant, which has the L4 vips."""
    for tenant in tenants:
        for vip in vips:
            server = lab.start(tenant, sys.executable, __file__, "serve", vip, str(PORT), tenant,
                               stdout=subprocess.PIPE, text=True)
            assert server.stdout.readline() == "ready\n"


def with_listener(text, tenants=("a", "b")):
    """config.full() with a listener for it beside those of the L4 vips."""
    before = "      - { port: 8001, protocol: tcp, upstream: l4-echo, forward: vxlan }\n"
    assert before in text
    endpoints = "".join(f'      - {{ address: "172.16.0.4:{PORT}", vpc: {name}, host: 192.0.3.21, '
                        'mac: "02:00:00:00:00:04" }\n' for name in tenants)
    return text.replace(before, before + before.replace("8001", str(PORT)).replace("tcp", "udp")
                        .replace("l4-echo", "numbered")).replace(
                            "upstreams:\n", f"upstreams:\n  numbered:\n    endpoints:\n{endpoints}", 1)


class Stream:
    """The test's side of one ask."""

    def __init__(self, lab, address, flows=32, rate=1000, host="client"):
        self.process = lab.start(host, sys.executable, __file__, "ask", address, str(PORT), str(flows),
                                 str(rate), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def report(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def goes_on(self, count=50):
        from tests.harness.run import wait_until  # not where this runs by itself
        before = self.report()["answered"]
        wait_until(lambda: self.report()["answered"] >= before + count, "answers come")

    def end(self):
        self.process.stdin.close()
        lines = self.process.stdout.read().splitlines()
        self.process.wait()
        return json.loads(lines[-1])


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        Asker(sys.argv[2], *map(int, sys.argv[3:6])).run()
