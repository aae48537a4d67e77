"""`shuntctl explain`: what would become of a request; and that it does."""
import json
import os
import random
import re

import pytest

from tests.harness.certificates import Authority
from tests.harness.explaining import SHUNTCTL, Explaining
from tests.harness.run import SHUNTD, run, wait_until

# Tables, and requests of each; make soak has more of them.
TABLES = int(os.environ.get("SHUNT_EXPLAIN_TABLES", 12))
SEED = int(os.environ.get("SHUNT_EXPLAIN_SEED", 1))
REQUESTS = 25


@pytest.fixture(name="shunt", scope="module")
def fixture_shunt():
    with Explaining(random.Random(SEED)) as made:
        yield made


def without_id(lines):
    return [line for line in lines if not line.lower().startswith("x-request-id:")]


def compare(told, answer, seen):
    """The answer and what an endpoint got, with what was told before."""
    status = int(answer.split(b" ", 2)[1])
    assert status == (told["status"] or 200), answer
    if told.get("location"):
        assert f"\r\nLocation: {told['location']}\r\n".encode() in answer
    assert (seen is not None) == (told.get("endpoint") is not None), seen
    if seen:
        port, head = seen
        assert told["endpoint"] == f"127.0.0.1:{port}"
        assert without_id(told["head"]) == without_id(head.decode().split("\r\n"))


# What is told of it before and afterwards.
ALIKE = ["vip", "listener", "protocol", "route", "line", "split", "split_by", "upstream", "stands_in_for",
         "persistence", "balance", "endpoint", "endpoint_why", "changes", "end", "because", "action", "spliced"]
LOSERS_MAX = 8


def compare_unfit(told, ended):
    """Who was not fit, as far as anybody looked: nobody who has the client's cookie, else up to the priority that
    had somebody; all with weight 0, as nothing else is wrong with any here."""
    chosen = [one["priority"] for one in told["endpoints"] if one["chosen"]]
    kept = told["endpoint_why"] == "it had the client before"
    looked = [one for one in told["endpoints"] if not kept and one["priority"] <= max(chosen, default=1)]
    unfit = [one["endpoint"] for one in looked if one["state"].startswith("gets nothing new")]
    assert {one["endpoint"] for one in ended["endpoints"]} == set(unfit)
    assert all(one["state"].startswith("got nothing new") for one in ended["endpoints"])
    return len(unfit)


def compare_ended(told, ended, status):
    """What is said of it when it has ended, with what was told before."""
    assert ended["status"] == status
    for key in ALIKE:
        if key in told or key in ended:
            assert ended.get(key) == told.get(key) or (key == "persistence" and "endpoint" not in told), key
    candidates = told.get("candidates", [])
    taken = next((i for i, one in enumerate(candidates) if one["taken"]), len(candidates))
    lost, kept = candidates[:taken], candidates[:min(taken, LOSERS_MAX)]
    assert ended["candidates"] == kept + candidates[taken:taken + 1]
    assert ended["candidates_not_shown"] == len(lost) - len(kept)
    if "endpoints" in told:
        compare_unfit(told, ended)
    if told.get("endpoint"):
        (attempt,) = ended["attempts"]
        assert attempt["endpoint"] == told["endpoint"] and attempt["status"] == status
    return len(lost)


def test_what_is_explained_is_what_the_proxy_then_does(shunt):
    told, asked, lost = [], 0, 0
    for number in range(TABLES):
        if number > 0:
            shunt.renew()
        for turn in range(REQUESTS):
            query, client, head = shunt.request()
            one = shunt.explain(query)
            answer, seen = shunt.make(client, head, f"r{number}-{turn}")
            # What cannot be read has a name of ours, which its answer says.
            named = re.search(rb"\r\nX-Request-ID: (\S+)", answer)
            ended = shunt.ended(named[1].decode() if named else f"r{number}-{turn}")
            try:
                compare(one, answer, seen)
                lost += compare_ended(one, ended, int(answer.split()[1]))
            except AssertionError as wrong:
                raise AssertionError(f"table {number} of seed {SEED}: {query}\n{one}\n{ended}\n{wrong}\n"
                                     f"{shunt.text}") from wrong
            told.append(one)
            asked += seen is not None
    # The access log has who was chosen by name, in order.
    for one, line in zip(told, shunt.accesses(), strict=True):
        assert line["end"] == one["end"], (one, line)
        if one["end"] == "done":
            assert (line["route"], line.get("upstream"), line.get("endpoint")) == (
                one["route"], one.get("upstream"), one.get("endpoint")), (one, line)
    assert lost > TABLES * REQUESTS / 20, "few routes lost"
    # Not all of them were refused, and not all went to an endpoint.
    assert TABLES * REQUESTS / 5 < asked < TABLES * REQUESTS


CONFIG = """
vips:
  - {{ name: web, addresses: [127.0.0.1], listeners: [ {{ port: {port}, protocol: http, routes: web }} ] }}
  - {{ name: other, addresses: [127.0.0.2], listeners: [ {{ port: {port}, protocol: http, routes: other }},
      {{ port: 8443, protocol: tls-passthrough, sni: {{ "*.example.com": site }} }} ] }}
node: {{ tunnel_address: 127.0.0.1 }}
routes:
  web:
    - {{ name: canary, match: {{ host: api.example.com, path: /v2/*, headers: {{ x-canary: "true" }} }}, upstream: next }}
    - {{ name: write, match: {{ host: api.example.com, path: /v2/*, methods: [PUT] }}, upstream: site }}
    - {{ name: office, match: {{ path: /v2/*, clients: [10.0.0.0/8] }}, upstream: site }}
    - {{ name: users, match: {{ path: {{ regex: "/v2/[0-9]+" }} }}, upstream: site }}
    - {{ name: rest, split: [ {{ upstream: site, weight: 0 }}, {{ upstream: next, weight: 3 }} ], sticky: {{ client: true }} }}
  other:
    - {{ name: named, match: {{ host: other.example.com }}, respond: {{ status: 200, body: ok }} }}
upstreams:
  site: {{ endpoints: [ {{ address: "127.0.0.1:1", weight: 0 }}, {{ address: "127.0.0.1:2", priority: 1 }} ] }}
  next: {{ balance: maglev, endpoints: [ {{ address: "127.0.0.1:3" }} ] }}
"""


@pytest.fixture(name="file", scope="module")
def fixture_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain") / "shunt.yaml"
    path.write_text(CONFIG.format(port=8080))
    return str(path)


def explain(file, *words):
    return run(SHUNTCTL, "explain", *words, "--config", file).stdout.splitlines()


def test_every_route_that_lost_has_its_reason(file):
    got = explain(file, "GET http://API.example.com:8080/v1/../v2/x?a=1", "-H", "X-Canary: no", "--from",
                  "198.51.100.7")
    assert got[:10] == [
        "GET http://API.example.com:8080/v1/../v2/x?a=1 from 198.51.100.7",
        "  in short     127.0.0.1:3 of next, by the route rest",
        "  vip          web",
        "  listener     web:8080, http",
        "  listener     1 more of that port; choose by --vip",
        "  path         /v2/x",
        "  route        write (line 10): its methods are others, PUT",
        '  route        canary (line 9): header x-canary is not "true"',
        "  route        office (line 11): the client is in none of its networks",
        "  route *      rest (line 13): it matches, and nothing more specific does",
    ]
    assert [line for line in got if line.startswith("  split")] == [
        "  split        site, weight 0", "  split *      next, weight 3", "  split by     the client's address"]
    assert "  endpoint *   127.0.0.1:3, weight 1, priority 0, 0 active: fit" in got
    assert "               X-Forwarded-For: 198.51.100.7" in got


def test_the_route_that_wins_is_told_with_those_that_it_beats(file):
    got = explain(file, "PUT http://api.example.com:8080/v2/x", "-H", "X-Canary: true")
    assert got[6:9] == [
        "  route *      write (line 10): it matches, and nothing more specific does",
        '  route        canary (line 9): it matches, but "write" names a method',
        "  route        office (line 11): the client is in none of its networks"]
    assert "  endpoint     127.0.0.1:1, weight 0, priority 0, 0 active: gets nothing new: its weight is 0" in got
    assert "  why          it is its turn; nobody of a priority before 1 is fit and free" in got


@pytest.mark.parametrize("words,line", [
    (("http://x.example.com:8080/a/./b/../c",), "  path         /a/c"),
    (("GET http://x.example.com:8080/%00",), "  refused      400: the path can be read in more than one way"),
    (("GET http://x.example.com:8080/%00",), "  in short     400: the path can be read in more than one way"),
    (("GET http://other.example.com:8080/", "--vip", "other"), "  respond      200"),
    (("GET http://x.example.com:8080/", "--vip", "other"), "  refused      404: no route matches this host and path"),
    (("CONNECT http://x.example.com:8080/",), "  refused      400: the request's head cannot be accepted: the target is not valid"),
    (("GET https://db.example.com:8443/",), "  endpoint *   127.0.0.1:2, weight 1, priority 1, 0 active: fit"),
    (("GET https://db.example.org:8443/",), "  refused      0: no upstream for this server name"),
])
def test_what_is_refused_or_answered_is_told(file, words, line):
    assert line in explain(file, *words)


@pytest.mark.parametrize("words,sentence", [
    (("GET http://x.example.com:81/",), "no listener has port 81 for http"),
    (("GET http://x.example.com:8080/", "--from", "me"), "expected an address such as 198.51.100.7, found \"me\""),
    (("GET /x",), 'expected a request such as "GET https://www.example.com/", found "GET /x"'),
    (("http://a:x/",), 'expected a port from 1 to 65535, found "x"'),
    (("http://a:8080/", "-H", "x"), 'expected a header such as "Name: value", found "x"'),
    (("http://a:8080/", "-H", "x: 1\r\ny: 2"), "what is asked about has a control byte"),
])
def test_what_makes_no_sense_is_said(file, words, sentence):
    got = run(SHUNTCTL, "explain", *words, "--config", file, check=False)
    assert (got.returncode, got.stderr) == (1, f"shuntctl explain: {sentence}\n")


def test_a_daemon_explains_by_what_it_runs(shunt):
    query, _, _ = shunt.request()
    got = run(SHUNTCTL, "explain", query["request"], "--admin", shunt.path("admin.sock")).stdout
    assert got.startswith(query["request"] + "\n") and "\n  snapshot     " in got


def test_the_tests_of_a_file_are_run_and_a_file_that_fails_its_own_is_not_taken(shunt):
    wrong = json.loads(shunt.text)
    wrong["tests"] = [{"request": f"GET http://nowhere.example.com:{shunt.port}/", "status": 418}]
    path = shunt.path("wrong.yaml")
    with open(path, "w", encoding="utf-8") as out:
        json.dump(wrong, out)
    got = run(SHUNTCTL, "test", path, check=False)
    assert got.returncode == 1 and got.stdout == ""
    sentence = got.stderr.strip()
    assert sentence.startswith(path + ":1:") and "this test expected status 418, found " in sentence
    for arguments in (["-c", path, "--check"], ["-c", path, "--admin", shunt.path("other.sock")]):
        refused = run(SHUNTD, *arguments, check=False)
        assert (refused.returncode, refused.stderr.strip()) == (1, "error: " + sentence)
    os.rename(path, shunt.path("plain.yaml"))
    wait_until(lambda: "the configuration was not taken" in shunt.log(), "the reload is refused")
    assert sentence.replace(path, shunt.path("plain.yaml")) in shunt.log()


def test_tests_that_hold_are_named(tmp_path):
    path = tmp_path / "shunt.yaml"
    path.write_text(CONFIG.format(port=8080) + "tests:\n"
                    "  - { request: 'GET http://x.example.com:8080/?a', route: rest, upstream: next }\n")
    assert run(SHUNTCTL, "test", str(path)).stdout == (
        f"{path}:20: ok, GET http://x.example.com:8080/?a\n1 test, all as expected\n")


def ended(shunt, name):
    return run(SHUNTCTL, "explain", "--request-id", name, "--json", "--admin", shunt.path("admin.sock"), check=False)


def test_a_request_that_has_ended_is_told_by_its_name(shunt):
    for _ in range(30):
        _, client, head = shunt.request()
        shunt.make(client, head)
    for line in shunt.accesses()[-30:]:
        told = json.loads(ended(shunt, line["request_id"]).stdout)
        assert (told["request_id"], told["end"], told["status"]) == (line["request_id"], line["end"], line["status"])
        assert (told["route"], told["upstream"], told.get("endpoint")) == (
            line.get("route"), line.get("upstream"), line.get("endpoint"))
        assert told["session"] == line["session"]
    text = run(SHUNTCTL, "explain", "--request-id", line["request_id"], "--admin", shunt.path("admin.sock")).stdout
    assert f"\n  end          {line['end']}" in text and f" from {line['client']}" in text


def test_a_request_that_nobody_made_is_not_told(shunt):
    got = ended(shunt, "0" * 32)
    assert got.returncode == 1 and "no request of that name is under way" in got.stderr


def test_an_earlier_revision_is_explained_as_it_was(shunt):
    shunt.renew()
    revision = str(json.loads(run(SHUNTCTL, "revisions", "--json", "--admin", shunt.path("admin.sock")).stdout)
                   ["revisions"][-1]["revision"])
    asked = [shunt.request()[0] for _ in range(10)]

    def told(*words):
        for query in asked:
            headers = [word for header in query["headers"] for word in ("-H", header)]
            got = run(SHUNTCTL, "explain", query["request"], *headers, "--from", query["from"], "--json", *words)
            answer = json.loads(got.stdout)
            yield answer["route"] if "route" in answer else answer["end"], answer.get("head")

    before = list(told("--config", shunt.path("plain.yaml")))
    admin = ("--admin", shunt.path("admin.sock"))
    # Tables without any route for these requests are alike; not all that follow are.
    for _ in range(6):
        shunt.renew()
        now = list(told(*admin))
        if now != before:
            break
    assert now != before
    assert list(told("--at", revision, *admin)) == before
    text = run(SHUNTCTL, "revisions", *admin).stdout
    assert f"@{revision} since 20" in text and len(text.splitlines()) <= 16


def test_a_revision_that_is_not_kept_is_not_explained(shunt):
    got = run(SHUNTCTL, "explain", "GET http://x/", "--at", "999999", "--admin", shunt.path("admin.sock"), check=False)
    assert got.returncode == 1 and "that revision is not kept" in got.stderr


def test_the_certificate_and_what_tls_means_for_a_splice_are_told(tmp_path):
    authority = Authority(str(tmp_path))
    for name in ("a", "b"):
        authority.sign(name, [f"{name}.example.com"])
    path = tmp_path / "shunt.yaml"
    path.write_text("""
certificates: { first: { chain: a.pem, key: a.key }, second: { chain: b.pem, key: b.key } }
vips: [ { name: v, addresses: [127.0.0.1], listeners: [ { port: 443, protocol: https, routes: r,
  certificates: [first, second] } ] } ]
node: { tunnel_address: 127.0.0.1, devices: [lo] }
routes: { r: [ { name: x, upstream: o, filters: { request_headers: { set: { x-scheme: "${scheme}" } } } } ] }
upstreams: { o: { endpoints: [ { address: "127.0.0.1:80" } ] } }
""")
    for host, name in (("b.example.com", "second"), ("A.example.com", "first"), ("c.example.com", "first")):
        got = explain(str(path), f"https://{host}/")
        assert f"  certificate  {name}" in got and "               X-Forwarded-Proto: https" in got
        assert "               x-scheme: https" in got
        assert "  spliced      none: shunt ends or begins TLS on it" in got


def test_a_clients_certificate_and_protocol_have_their_reasons(tmp_path):
    path = tmp_path / "subject.yaml"
    path.write_text("""vips: [ { name: v, addresses: [127.0.0.1], listeners: [ { port: 80, protocol: http, routes: r } ] } ]
node: { tunnel_address: 127.0.0.1 }
routes:
  r:
    - { name: staff, match: { client_subject: { prefix: "CN=a," } }, respond: { status: 200 } }
    - { name: agreed, match: { alpn: http/1.1 }, respond: { status: 200 } }
    - { name: rest, respond: { status: 404 } }
""")
    routes = [line.split(maxsplit=1)[1] for line in explain(str(path), "GET http://h/") if "  route " in line]
    assert routes[:2] == ["""staff (line 5): client certificate's subject does not begin with "CN=a,\"""",
                          'agreed (line 6): TLS ALPN is not "http/1.1"']
    routes = [line.split(maxsplit=1)[1] for line in explain(str(path), "GET http://h/", "--subject", "CN=a,O=b")
              if "  route " in line]
    assert routes[0].split(maxsplit=1)[1] == "staff (line 5): it matches, and nothing more specific does"


SESSIONS = """vips: [ { name: v, addresses: [127.0.0.1], listeners: [ { port: 80, protocol: http, routes: r },
  { port: 443, protocol: https, routes: r, certificates: [c] }, { port: 8443, protocol: tls-passthrough, sni: { default: u } } ] } ]
certificates: { c: { chain: c.pem, key: c.key } }
node: { tunnel_address: 127.0.0.1 }
upstreams: { u: { persistence: { hash_on: tls-session }, endpoints: [ { address: 10.0.0.1:80 }, { address: 10.0.0.2:80 } ] } }
routes:
  r:
    - { name: visit, match: { path: /x, session_id: { prefix: "01" } }, respond: { status: 200 } }
    - { name: again, match: { path: /x, session_resumed: true }, respond: { status: 200 } }
    - { name: anew, match: { path: /x, session_resumed: false }, respond: { status: 200 } }
    - { name: rest, upstream: u }
"""


def test_a_session_of_tls_has_its_reasons_and_its_endpoint(tmp_path):
    path = tmp_path / "session.yaml"
    path.write_text(SESSIONS)

    def routes(*words):
        text = explain(str(path), "GET https://h/x", *words)
        return [line.split(maxsplit=1)[1].split("): ")[1] for line in text if re.search(r"\(line \d+\): ", line)]

    it = "it matches, and nothing more specific does"
    assert routes()[:3] == ['TLS session id does not begin with "01"', "no TLS session was resumed", it]
    assert routes("--session-id", "0123456789abcdef", "--session-resumed")[:3] == [
        it, 'it matches, but "visit" is as specific and written first', "a TLS session was resumed"]
    assert routes("--session-id", "1123456789abcdef", "--session-resumed")[1] == it
    assert "  persistence  by the TLS session, which it has not" in explain(str(path), "GET http://h/", "--session-id", "f" * 16)
    assert "  persistence  by the TLS session, which it has not" in explain(str(path), "https://h:8443/", "--session-id", "f" * 16)
    ends = {number: {line for line in explain(str(path), "GET https://h/", "--session-id", f"{number:016x}")
                     if line.startswith("  endpoint *")} for number in range(1, 9)}
    assert all(len(end) == 1 for end in ends.values()), ends
    assert len(set.union(*ends.values())) == 2, "sessions are spread"
    for wrong in ("0123", "0123456789ABCDEF", ""):
        got = run(SHUNTCTL, "explain", "GET https://h/x", "--config", str(path), "--session-id", wrong, check=False)
        assert got.returncode == 1 and f'16 digits of 0-9 and a-f for the TLS session, found "{wrong}"' in got.stderr
