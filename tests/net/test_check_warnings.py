"""`shuntctl check`: routes that may not do what was meant, each with a request that shows it."""
import json
import shlex

import pytest

from tests.harness.certificates import Authority
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


@pytest.mark.parametrize("route,want", [
    ("name: a, match: { methods: [GET, put] }", 'the route "a" is for the method "put", which no client uses: case matters'),
    ("name: a, filters: { request_headers: { set: { x-a: $remote_addr } } }", 'the text "$remote_addr" of the route "a" is used'),
    ("name: a, filters: { response_headers: { add: { x-a: '%[src]' } } }", 'the text "%[src]" of the route "a" is used as it is'),
    ("name: a, filters: { rewrite: { path: /x/$1 } }", 'the text "/x/$1" of the route "a" is used as it is'),
])
def test_what_is_written_as_others_have_it_is_told(tmp_path, route, want):
    got = warnings(file_of(tmp_path, [route]))
    assert len(got) == 1 and got[0].startswith("7: " + want), got


@pytest.mark.parametrize("key,column", [("ticket_keys", 22), ("persistence_keys", 27)])
def test_keys_that_cannot_be_read_are_told_before_shuntd_refuses_them(tmp_path, key, column):
    path = tmp_path / "shunt.yaml"
    path.write_text(f"node: {{ {key}: missing.keys }}\nupstreams: {{ o: {{ persistence: {{ cookie: C }}, endpoints: [] }} }}\n")
    got = run(SHUNTCTL, "check", str(path), check=False)
    assert got.returncode == 1
    assert f"{path}:1:{column}: cannot read the {key.split('_')[0]}" in got.stderr and "missing.keys: No such" in got.stderr


@pytest.mark.parametrize("upstreams,want", [
    ("o: { endpoints: [ { address: 10.0.0.5:80, weight: 0 } ] }", '4: no endpoint of the upstream "o" has a weight above 0'),
    ("o: { failover: p, endpoints: [ { address: 10.0.0.5:80 } ] }, p: { endpoints: [] }",
     '4: "p", which stands in for the upstream "o", has no endpoint'),
    ("o: { endpoints: [ { address: 127.0.0.1:80 } ] }",
     '4: the endpoint 127.0.0.1:80 of the upstream "o" is the listener v:80, which leads there: what goes there comes back'),
    ("o: { endpoints: [ { address: 127.0.0.1:81 } ] }, p: { endpoints: [ { address: 127.0.0.1:80 } ] }", None),
    ("o: { persistence: { cookie: true }, endpoints: [] }", '4: the cookie of the upstream "o" is called "true"'),
])
def test_upstreams_that_nobody_gets_an_answer_from_are_told(tmp_path, upstreams, want):
    path = tmp_path / "shunt.yaml"
    path.write_text(CONFIG.format(routes="    - { name: all, upstream: o }").replace("{ o: { endpoints: [] } }",
                                                                                     "{ " + upstreams + " }"))
    got = warnings(str(path))
    assert got == [] if want is None else len(got) == 1 and got[0].startswith(want), got


def test_no_warning_is_made_of_what_is_meant(tmp_path):
    assert not warnings(file_of(tmp_path, [
        "name: a, match: { methods: [GET, x-own] }, filters: { request_headers: { set: { x-a: '${client} 5$ 100%' } } }"]))


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
      """first (write "api" behind it, with the path { regex: "/api(/.*)?" }), such as 'GET http://h/api/1'"""]),
    # What the one has of its own is looked for: a method, a client, a value that the other does not take.
    (["name: a, match: { path: /x, methods: [GET] }", "name: b, match: { path: /x, headers: { h: v } }"],
     ["""8: the route "b" also matches what "a" (line 7) takes before it, such as 'GET http://example.com/x' -H 'h: v'"""]),
    (["name: a, match: { clients: [10.0.0.0/8] }", "name: b, match: { clients: [10.0.0.0/16, 192.168.0.0/16] }"],
     ["""8: the route "b" also matches what "a" (line 7) takes before it, such as 'GET http://example.com/' """
      """--from 10.0.0.0"""]),
    (["name: a, match: { query: { q: 'x y' } }", "name: b, match: { query: { 'r&': '1' } }"],
     ["""8: the route "b" also matches what "a" (line 7) takes before it, such as 'GET http://example.com/?q=x%20y&r%26=1'"""]),
    (["name: a, match: { headers: { h: { regex: '[0-9]{2}x' } } }", "name: b, match: { headers: { i: j } }"],
     ["""8: the route "b" also matches what "a" (line 7) takes before it, such as 'GET http://example.com/' """
      """-H 'h: 10x' -H 'i: j'"""]),
    # And it is so.
    (["name: n, match: { host: h, path: { regex: '/api/[0-9]+' } }", "name: api, match: { host: h, path: { regex: '/api(/.*)?' } }"],
     []),
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


@pytest.mark.parametrize("listener,url", [
    ("{ port: 8080, protocol: http, routes: r }", "http://h:8080/users/1"),
    ("{ port: 443, protocol: https, routes: r, certificates: [c] }", "https://h/users/1"),
    ("{ port: 8443, protocol: https, routes: r, certificates: [c] }", "https://h:8443/users/1"),
])
def test_examples_come_to_a_listener_and_meet_the_expression(tmp_path, listener, url):
    Authority(str(tmp_path)).sign("h", ["h"])
    path = tmp_path / "shunt.yaml"
    path.write_text(CONFIG.format(routes="    - { name: all, match: { host: h, path: /* }, upstream: o }\n"
                                         "    - { name: x, match: { host: h, path: { regex: '/users/[0-9]+' } }, upstream: o }")
                    .replace("{ port: 80, protocol: http, routes: r }", listener)
                    + "certificates: { c: { chain: h.pem, key: h.key } }\n")
    told = warnings(str(path))
    assert len(told) == 1 and told[0].endswith(f", such as 'GET {url}'"), told
    got = json.loads(run(SHUNTCTL, "explain", f"GET {url}", "--config", str(path), "--json").stdout)
    # Both match, as the warning says.
    assert [(one["route"], one["matches"], one["taken"]) for one in got["candidates"]] == [
        ("all", True, True), ("x", True, False)]


def test_a_table_of_many_is_told_of_in_twenty_lines(tmp_path):
    routes = []
    for i in range(100):
        routes += [f"name: p{i}, match: {{ path: /{i}, methods: [PUT] }}", f"name: h{i}, match: {{ path: /{i}, headers: {{ x: y }} }}"]
    got = run(SHUNTCTL, "check", file_of(tmp_path, routes))
    lines = [line for line in got.stderr.splitlines() if line.startswith("warning: ")]
    assert len(lines) == 21 and lines[-1] == "warning: 80 more of that kind"


KEYED = """vips: [ {{ name: v, addresses: [127.0.0.1], listeners: [ {{ port: 80, protocol: http, routes: r }}, {listener} ] }} ]
node: {{ tunnel_address: 127.0.0.1 }}
routes: {{ r: [ {{ name: a, upstream: o }}, {{ name: b, match: {{ path: /b }}, upstream: f }} ] }}
upstreams:
  o: {{ endpoints: [ {{ address: 10.0.0.5:80 }} ], {keys} }}
  f: {{ endpoints: [], failover: o }}
"""
PASSING = "{ port: 443, protocol: tls-passthrough, sni: { a.example.com: { alpn: h2, upstream: %s } } }"
STREAM = "{ port: 443, protocol: tcp-proxy, upstream: %s }"
SESSION = ("5: hash_on: tls-session of the upstream \"o\" does nothing for v:443 (%s): the endpoint ends the TLS, so that "
           "the session's id is between it and the client; hash_on: client-address would")
REQUESTS = ('5: %s of the upstream "o" does nothing for v:443 (%s): there are no requests, only connections; '
            "hash_on: client-address would")


@pytest.mark.parametrize("listener,keys,want", [
    (PASSING % "o", "persistence: { hash_on: tls-session }", [SESSION % "tls-passthrough"]),
    (PASSING % "f", "persistence: { hash_on: tls-session }", [SESSION % "tls-passthrough"]),
    (STREAM % "o", "balance: maglev, hash_on: tls-session", [SESSION % "tcp-proxy"]),
    (STREAM % "o", "persistence: { cookie: SHUNT }",
     [REQUESTS % ('the cookie of "persistence"', "tcp-proxy")]),
    (PASSING % "o", 'persistence: { hash_on: "header:x" }', [REQUESTS % ("hash_on: header", "tls-passthrough")]),
    (PASSING % "o", "balance: maglev, hash_on: path", [REQUESTS % ("hash_on: path", "tls-passthrough")]),
    (PASSING % "o", "balance: maglev", []),
    (PASSING % "o", "persistence: { hash_on: client-address }", []),
    (PASSING % "o", "balance: random", []),
    ("{ port: 81, protocol: http, routes: r }", "persistence: { cookie: SHUNT }", []),
])
def test_upstreams_that_want_what_tunnels_do_not_have_are_told(tmp_path, listener, keys, want):
    path = tmp_path / "shunt.yaml"
    path.write_text(KEYED.format(listener=listener, keys=keys))
    assert warnings(str(path)) == want
    told = run(SHUNTCTL, "check", str(path)).stderr.splitlines()
    assert [line for line in told if line.startswith("warning: ")] == [f"warning: {path}:{one}" for one in want]
