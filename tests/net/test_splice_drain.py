"""Splices to endpoints that leave: they wait, or are cut after a time, as `drain` of the upstream says."""
import signal

import pytest

from tests.harness import config
from tests.harness.run import wait_until
from tests.net.test_flow_limits import V4, V6, client, kill, the_end

LEFT = 'odd: { connect_timeout: 60s, %sendpoints: [ { address: "10.0.1.2:8001"%s } ] }'
LEFT6 = 'odd6: { connect_timeout: 60s, %sendpoints: [ { address: "[2001:db8:a::2]:8001"%s } ] }'


def conf(drain="", more="", drain6="", more6=""):
    """The upstreams of V4 and V6 with a policy, and something more of their endpoints."""
    full = config.full()
    for line, key, of_endpoint in ((LEFT, drain, more), (LEFT6, drain6, more6)):
        assert line % ("", "") in full
        full = full.replace(line % ("", ""), line % (key and f"drain: {key}, ", of_endpoint))
    return full


def draining(lab, port):
    return [f for f in lab.flows() if f["client"].endswith(f":{port}") and "draining_s" in f]


@pytest.mark.parametrize("vip,left", [
    (V4, conf("0s", ", weight: 0")), (V6, conf(drain6="0s", more6=", weight: 0")),
    (V4, conf("0s").replace('address: "10.0.1.2:8001"', 'address: "10.0.2.2:8001"')),
], ids=["weight 0", "weight 0, IPv6", "removed"])
def test_who_is_not_waited_for_is_cut_and_nobody_else(shunt, vip, left):
    shunt.reload(config.full())
    one, other = client(shunt, vip, "busy"), client(shunt, V6 if vip == V4 else V4)
    shunt.reload(left)
    assert one.stdout.read() == "reset\n"
    line = the_end(shunt, one.port)
    assert (line["end"], line["closed_by"]) == ("drained", "shunt") and "error" in line
    assert [f["state"] for f in shunt.flows() if f["client"].endswith(f":{other.port}")] == ["spliced"]
    assert not draining(shunt, other.port)
    kill(shunt, "--all")
    assert other.stdout.read() == "reset\n"


def test_who_is_waited_for_stays_until_the_policy_changes_or_the_endpoint_is_back(shunt):
    shunt.reload(config.full())
    one = client(shunt, V4)
    shunt.reload(conf("wait", ", weight: 0"))
    wait_until(lambda: draining(shunt, one.port), "a look at it")
    assert "  drains for " in shunt.ctl("flows", "--pin-dir", shunt.pins).stdout
    shunt.reload(conf("24h", ", weight: 0"))
    shunt.reload(conf("24h"))
    wait_until(lambda: not draining(shunt, one.port), "its endpoint is back")
    assert shunt.status()["splices"]["active"] == 1
    shunt.reload(conf("0s", ", weight: 0"))
    assert one.stdout.read() == "reset\n"
    assert the_end(shunt, one.port)["end"] == "drained"


def test_policy_and_time_outlive_upstream_and_daemon(shunt):
    """The upstream is there no more: what it said when the splice began holds."""
    shunt.reload(conf("3s"))
    one = client(shunt, V4)
    gone = conf("3s").replace("upstream: odd,", "upstream: odd6,").replace("upstream: odd }", "upstream: odd6 }")
    gone = gone.replace(LEFT % ("drain: 3s, ", ""), "")
    shunt.reload(gone)
    wait_until(lambda: draining(shunt, one.port), "a look at it")
    shunt.stop(signal.SIGKILL)
    shunt.shunt(gone)
    assert one.stdout.read() == "reset\n"
    assert the_end(shunt, one.port)["end"] == "drained"


def test_an_endpoint_that_an_operator_drains_is_drained(shunt):
    shunt.reload(conf("0s"))
    one = client(shunt, V4)
    shunt.ctl("endpoint", "set", "odd", "10.0.1.2:8001", "drain", "--admin", shunt.admin)
    assert one.stdout.read() == "reset\n"
    assert the_end(shunt, one.port)["end"] == "drained"
    shunt.ctl("endpoint", "set", "odd", "10.0.1.2:8001", "reset", "--admin", shunt.admin)


def test_when_the_time_that_an_operator_gave_is_over_it_is_cut_though_its_upstream_would_wait(shunt):
    shunt.reload(conf("wait"))
    one = client(shunt, V4)
    for words in (("drain",), ("disable",)):
        shunt.ctl("endpoint", "set", "odd", "10.0.1.2:8001", *words, "--admin", shunt.admin)
        wait_until(lambda: draining(shunt, one.port), "a look at it")
        shunt.ctl("endpoint", "set", "odd", "10.0.1.2:8001", "enable", "--admin", shunt.admin)
        wait_until(lambda: not draining(shunt, one.port), "its endpoint is back")
    shunt.ctl("endpoint", "set", "odd", "10.0.1.2:8001", "drain", "1s", "--admin", shunt.admin)
    assert one.stdout.read() == "reset\n"
    assert the_end(shunt, one.port)["end"] == "drained"
    shunt.ctl("endpoint", "set", "odd", "10.0.1.2:8001", "reset", "--admin", shunt.admin)
