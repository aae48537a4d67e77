"""`shuntctl diff OLD NEW`: routes that change, and users who move. No daemon is needed."""
import json

import pytest

from tests.harness.explaining import SHUNTCTL
from tests.harness.run import run

CONFIG = """
vips: [ {{ name: v, addresses: [127.0.0.1], listeners: [ {{ port: 80, protocol: http, routes: r }} ] }} ]
node: {{ tunnel_address: 127.0.0.1 }}
routes:
  r:
    - {{ name: split, match: {{ path: /a }}, sticky: {{ cookie: c }},
        split: [ {{ upstream: one, weight: {a} }}, {{ upstream: two, weight: {b} }} ] }}
    - {{ name: plain, match: {{ path: /b }}, upstream: {plain} }}
    {more}
upstreams:
  one: {{ balance: maglev, endpoints: [ {endpoints} ] }}
  two: {{ persistence: {{ cookie: KEEP }}, endpoints: [ {endpoints} ] }}
"""


def endpoints(*numbers):
    return ", ".join(f'{{ address: "10.0.0.{n}:80" }}' for n in numbers)


@pytest.fixture(name="diff")
def fixture_diff(tmp_path):
    def diff(old, new, *words):
        usual = {"a": 95, "b": 5, "plain": "one", "more": "", "endpoints": endpoints(1, 2, 3, 4)}
        for name, changes in (("old", old), ("new", new)):
            (tmp_path / name).write_text(CONFIG.format(**(usual | changes)))
        return run(SHUNTCTL, "diff", str(tmp_path / "old"), str(tmp_path / "new"), *words).stdout
    return diff


def test_nothing_differs_from_itself(diff):
    assert diff({}, {}) == "nothing of listeners, routes, upstreams and endpoints changes\n"


def test_routes_that_come_go_and_change_are_named(diff):
    more = {"more": "- { name: new, upstream: two }"}
    assert diff({}, more | {"plain": "two"}) == (
        "route r/new: added\nroute r/plain: changed\nroute r/plain: upstream is two, was one\n"
        "route r/plain: 100.00 % of its users get another upstream\n")
    assert diff(more, {}) == "route r/new: removed\n"


def test_as_few_users_move_as_weights_do(diff):
    got = json.loads(diff({}, {"a": 50, "b": 50}, "--json"))
    assert got["routes"] == {"added": [], "removed": [], "changed": ["r/split"]}
    assert [one["route"] for one in got["splits"]] == ["r/split"]
    # 45 of a hundred, as ten thousand users draw them.
    assert 0.42 < got["splits"][0]["moves"] < 0.48
    assert not got["sticky"]


def test_those_bound_to_an_endpoint_that_goes_must_move(diff):
    got = {one["upstream"]: one for one in json.loads(diff({}, {"endpoints": endpoints(1, 2, 3)}, "--json"))["sticky"]}
    assert got["two"]["moves"] == got["two"]["must"] == 0.25
    assert 0.249 < got["one"]["must"] < 0.251 and got["one"]["must"] <= got["one"]["moves"] < 0.27


def test_one_more_endpoint_moves_nobody_who_has_a_cookie(diff):
    got = [one["upstream"] for one in json.loads(diff({}, {"endpoints": endpoints(1, 2, 3, 4, 5)}, "--json"))["sticky"]]
    assert got == ["one"]


@pytest.mark.parametrize("old,new,want", [
    ("balance: maglev", "balance: random", ["upstream one: balance is random, was maglev"]),
    ("balance: maglev,", "", ["upstream one: balance is not given, was maglev"]),
    ("balance: maglev", "balance: maglev, health: { http: /x, expect: { status: [200, 204] } }",
     ["upstream one: health.http is /x, was not given",
      "upstream one: health.expect.status is [200, 204], was not given"]),
    ("cookie: KEEP", "cookie: OTHER",
     ["upstream two: persistence.cookie is OTHER, was KEEP",
      "upstream two: 100.00 % of those bound to endpoints get another one, 100.00 % must"]),
    ("persistence: { cookie: KEEP },", "",
     ["upstream two: persistence.cookie is not given, was KEEP",
      "upstream two: 100.00 % of those bound to endpoints get another one, 100.00 % must"]),
    ("cookie: KEEP", "cookie: KEEP, max_age: 1h", ["upstream two: persistence.max_age is 1h, was not given"]),
    ("protocol: http,", "protocol: http, timeouts: { idle: 5s },", ["listener v:80/tcp: timeouts.idle is 5s, was not given"]),
    ("tunnel_address: 127.0.0.1", "tunnel_address: 127.0.0.1, workers: 2", ["node: workers is 2, was not given"]),
    ("path: /a ", "path: /a, methods: [GET, PUT] ",
     ["route r/split: changed", "route r/split: match.methods is [GET, PUT], was not given"]),
    ("{ address: 10.0.0.1:80 }", "{ address: 10.0.0.1:80, max_requests: 5 }",
     ["endpoint 10.0.0.1:80 of one: max_requests is 5, was not given",
      "endpoint 10.0.0.1:80 of two: max_requests is 5, was not given"]),
])
def test_keys_that_change_are_told_with_what_they_were(tmp_path, old, new, want):
    text = CONFIG.format(a=95, b=5, plain="one", more="", endpoints="{ address: 10.0.0.1:80 }, { address: 10.0.0.2:80 }")
    assert old in text
    (tmp_path / "old").write_text(text)
    (tmp_path / "new").write_text(text.replace(old, new))
    assert run(SHUNTCTL, "diff", str(tmp_path / "old"), str(tmp_path / "new")).stdout.splitlines() == want
    assert json.loads(run(SHUNTCTL, "diff", str(tmp_path / "old"), str(tmp_path / "new"), "--json").stdout)["same"] is False


def test_server_names_that_lead_elsewhere_are_named(tmp_path):
    text = """
vips: [ {{ name: v, addresses: [127.0.0.1], listeners: [ {{ port: 443, protocol: tls-passthrough, sni: {{ a.b: {a} }} }} ] }} ]
node: {{ tunnel_address: 127.0.0.1 }}
upstreams: {{ one: {{ endpoints: [] }}, two: {{ endpoints: [] }} }}
"""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(text.format(a="one"))
    new.write_text(text.format(a="[ { alpn: acme-tls/1, upstream: two }, one ]"))
    assert run(SHUNTCTL, "diff", str(old), str(new)).stdout == "server name a.b of v:443: changed\n"
    assert run(SHUNTCTL, "diff", str(old), str(old)).stdout.startswith("nothing of listeners, ")
