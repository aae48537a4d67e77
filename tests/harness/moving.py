"""Spliced connections that move from one node of the lab to another, as an operator does it."""
import json
import os

from tests.harness.run import wait_until


def flows(node, *words, check=True):
    return node.ctl("flows", *words, "--admin", node.admin, "--pin-dir", node.pins, "--json", check=check)


def said(node, *words):
    return json.loads(flows(node, *words).stdout)


def alive(node):
    return [f for f in node.flows() if f["state"] != "closed"]


def wait_spliced(node, count):
    wait_until(lambda: node.status()["splices"]["active"] == count and node.status()["sessions"] == 0,
               f"{count} splices and no session")


def without_bbr(lab, *hosts):
    """With BBR a connection whose packets the short queues of veth dropped may crawl for minutes."""
    for host in hosts:
        lab.sh(host, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")


def move(lab, source, target, count, more=(), routes=None):
    """Up to the new route; what is left at the source must be forgotten. routes: what moves them beside the vips."""
    file = os.path.join(lab.dir, f"{source}.flows")
    one, other = lab.nodes[source], lab.nodes[target]
    assert said(one, "export", *more, file)["flows"] == count
    assert said(other, "import", file) | {"unresolved": 0} == {"flows": count, "unresolved": 0, "refused": []}
    lab.route_vips(target)
    if routes:
        routes()
