"""`shuntctl check`: routes that may not do what was meant, each with a request that shows it."""
import json
import shlex

import pytest

from tests.harness.explaining import SHUNTCTL
from tests.harness.run import run

CONFIG = """
vips: [ {{ name: v, addresses: [127.0.0.1], listeners: [ {{ port: 80, protocol: http, routes: r }} ] }} ]
node: {{ tunnel_address: 127.0.0.1 }}
upstreams: {{ o: {{ endpoints: [] }} }}
routes:
  r:
{routes}
"""


def file_of(tmp_path, routes):
    path = tmp_path / "shunt.yaml"
    path.write_text(CONFIG.format(routes="\n".join(f"    - {{ {route}, upstream: o }}" for route in routes)))
    return str(path)


def warnings(path):
    """Those of routes, without the file's name; others are of the machine."""
    got = json.loads(run(SHUNTCTL, "check", "--json", path).stdout)["warnings"]
    return [one[len(path) + 1:] for one in got if one.startswith(path + ":")]


@pytest.mark.parametrize("routes,want", [
    (["name: put, match: { path: /a/*, methods: [PUT] }", 'name: canary, match: { path: /a/*, headers: { x-c: "1" } }',
      "name: rest, match: { path: /a/* }"],
     ["""8: the route "canary" also matches what "put" (line 7) takes before it, such as 'PUT http://example.com/a' """
      """-H 'x-c: 1'"""]),
    (["name: a, match: { host: '*.b.c', path: /x, cookies: { k: { prefix: v } } }",
      "name: b, match: { host: '*.b.c', path: /x, cookies: { l: w } }"],
     ["""8: the route "b" also matches what "a" (line 7) takes before it, such as 'GET http://a.b.c/x' -H 'Cookie: """
      """k=v; l=w'"""]),
    (["name: a, match: { query: { q: { regex: '[0-9]' } } }", "name: b, match: { clients: [10.0.0.0/8] }"],
     ["""8: the route "b" also matches what "a" (line 7) takes before it, such as 'GET http://example.com/?q=1' """
      """--from 10.0.0.0"""]),
    # One that is but narrower is meant to be an exception.
    (['name: canary, match: { path: /a/*, headers: { x-c: "1" } }', "name: rest, match: { path: /a/* }"], []),
    # What both cannot match at once.
    (["name: a, match: { headers: { x: a } }", "name: b, match: { headers: { x: b } }"], []),
    (["name: a, match: { methods: [GET] }", "name: b, match: { methods: [PUT] }"], []),
    # Expressions come after prefixes.
    (["name: api, match: { host: h, path: /api/* }", "name: n, match: { host: h, path: { regex: '/api/[0-9]+' } }"],
     ["""8: the route "n" can never match: "api" (line 7) takes all that its expression may be, as prefixes come """
      """first, such as 'GET http://h/api/'"""]),
    (["name: api, match: { host: h, path: /api/* }", "name: n, match: { host: h, path: { regex: '/apis/[0-9]+' } }",
      "name: m, match: { host: g, path: { regex: '/api/[0-9]+' } }"], []),
    (["name: api, match: { host: h, path: /api/*, methods: [PUT] }",
      "name: n, match: { host: h, path: { regex: '/api/[0-9]+' } }"], []),
])
def test_routes_in_the_way_of_each_other_are_told(tmp_path, routes, want):
    path = file_of(tmp_path, routes)
    assert warnings(path) == want
    # The example does what is said of it.
    for one in want:
        words = shlex.split(one.split(", such as ")[1])
        got = json.loads(run(SHUNTCTL, "explain", *words, "--config", path, "--json").stdout)
        assert f'"{got["route"]}" (line {got["line"]}) takes' in one


def test_a_table_of_many_is_told_of_in_twenty_lines(tmp_path):
    routes = []
    for i in range(100):
        routes += [f"name: p{i}, match: {{ path: /{i}, methods: [PUT] }}", f"name: h{i}, match: {{ path: /{i}, headers: {{ x: y }} }}"]
    got = run(SHUNTCTL, "check", file_of(tmp_path, routes))
    lines = [line for line in got.stderr.splitlines() if line.startswith("warning: ")]
    assert len(lines) == 21 and lines[-1] == "warning: 80 more of that kind"
