"""`shuntctl explain --request-id`: what became of requests to endpoints that fail, of those that are not over yet,
and of those that nobody knows."""
import collections
import contextlib
import json
import os
import random
import socket
import ssl

import pytest

from tests.harness import plain, scripted
from tests.harness.certificates import Authority
from tests.harness.explaining import SHUNTCTL, post
from tests.harness.run import run, wait_until
from tests.net.test_balancing import Several
from tests.net.test_queue import Lined
from tests.net.test_retries import RESET, Says, retry

SILENT, CLOSED = Says(scripted.Answer(())), Says(scripted.Answer((), "close"))
PHASES = ["head_us", "queue_us", "connect_us", "response_us", "transfer_us", "total_us"]
REMEMBERED, TURNED_AWAY = 8192, 1024  # by a worker
FAILS = scripted.Answer((b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",))
# As many as tests/net/test_explain_request.py has; make soak has more of them.
FAULTS = 25 * int(os.environ.get("SHUNT_EXPLAIN_TABLES", 12))
SEED = int(os.environ.get("SHUNT_EXPLAIN_SEED", 1))
ANY = "request_id: { take: any }"


class Told(Several):
    """All that it was asked can be told by the names that requests had."""

    def configuration(self):
        return super().configuration().replace("routes: all,", f"routes: all, {ANY},")

    def reload(self):
        """Until the worker goes by it, too."""
        before = self.asked("reload")[1]["snapshot"]
        super().reload()
        wait_until(lambda: self.asked("reload")[1]["snapshot"] > before, "the worker has it")

    def told(self, name):
        status, answer = post(self.path("admin.sock"), "/request", name)
        assert status == 200, answer
        return answer

    def shown(self, name):
        """The lines that people see, without their indent."""
        got = run(SHUNTCTL, "explain", "--request-id", name, "--admin", self.path("admin.sock"))
        return [" ".join(line.split()) for line in got.stdout.splitlines()]

    def refused(self, name):
        got = run(SHUNTCTL, "explain", "--request-id", name, "--admin", self.path("admin.sock"), check=False)
        assert got.returncode == 1 and got.stdout == ""
        return got.stderr.strip()

    def asked(self, name, more=b"", **how):
        """The status, and what is told of it afterwards."""
        answer = self.get(b"X-Request-ID: %s\r\n" % name.encode() + more, **how)
        return answer.status, self.told(name)

    def address(self, number):
        return f"127.0.0.1:{self.origins[number].port}"


def attempts(told):
    return [(one["endpoint"], one["end"], one["status"], one["why"]) for one in told["attempts"]]


@pytest.mark.parametrize("rules,answers,first", [
    ("on: [reset]", Says(RESET), ("endpoint_closed", 0, "the endpoint closed without an answer")),
    ("on: [timeout]", SILENT, ("response_timeout", 0, "the endpoint did not answer in time")),
    ("on: [503]", Says(scripted.Answer((b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",))),
     ("done", 503, "answered 503, on which its route tries another one")),
    ("on: [connect]", None, ("unreachable", 0, "could not be reached: Connection refused")),
])
def test_each_attempt_is_told_with_what_came_of_it(rules, answers, first):
    with Told(2, route=(", timeout: 1s" if answers is SILENT else "") + retry(rules)) as shunt:
        if answers is None:
            shunt.origins[0].close()
        else:
            shunt.origins[0].answers = answers
        status, told = shunt.asked("one")
        assert (status, told["status"], told["end"]) == (200, 200, "done")
        assert attempts(told) == [(shunt.address(0), *first), (shunt.address(1), "done", 200, "answered 200")]
        assert told["endpoint"] == shunt.address(1) and "others were asked before" in told["endpoint_why"]
        assert told["attempts"][1]["after_ms"] >= (500 if answers is SILENT else 0)
        assert "not_retried" not in told
        assert f"attempt {shunt.address(1)} after {told['attempts'][1]['after_ms']} ms: answered 200" in shunt.shown("one")


def test_what_is_told_of_attempts_is_what_endpoints_saw():
    """Each endpoint has an answer of its own for each request; some fail so often that they are ejected."""
    source, seen, ejected = random.Random(SEED), collections.Counter(), 0
    answers = [(None, ("done", 200)), (FAILS, ("done", 500)), (RESET, ("endpoint_closed", 0))]
    with Told(4, "    eject: { failures: 2, time: 1s, most: 50 }\n",
              route=retry("on: [reset, 500], attempts: 3, budget: 100")) as shunt:
        for number in range(FAULTS):
            name = scripted.token()
            script = {shunt.address(i): source.choices(answers, [2, 1, 1])[0] for i in range(4)}
            for origin, (answer, _) in zip(shunt.origins, script.values()):
                if answer:
                    origin.answers[name] = answer
            client = shunt.client()
            client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: f%d\r\n\r\n" % (name, number))
            status = client.read_answer().status
            client.sock.close()
            told = shunt.told(f"f{number}")
            asked = [one[0] for one in attempts(told)]
            assert told["status"] == status and told["endpoint"] == asked[-1], told
            assert set(asked) == {shunt.address(i) for i in range(4) if shunt.origins[i].whole(name)}, told
            assert [(end, got) for _, end, got, _ in attempts(told)] == [script[to][1] for to in asked], (told, script)
            assert told["endpoints_asked"] == len(asked) == len(set(asked)), told
            unfit = {one["endpoint"] for one in told["endpoints"]}
            assert all(one["state"].startswith("ejected") for one in told["endpoints"]), told
            assert status == 200 or "not_retried" in told or len(asked) == 4, told
            seen[len(asked)] += 1
            ejected += bool(unfit)
    assert set(seen) >= {1, 2} and ejected > FAULTS / 50, (seen, ejected)


@pytest.mark.parametrize("rules,method,body,why", [
    ("on: [reset]", b"POST", b"", "its method is none that may be sent twice"),
    ("on: [reset], methods: any, body: 4", b"POST", b"Content-Length: 5\r\n", "more of its body had gone than is kept for that"),
    ("on: [reset], attempts: 1", b"GET", b"", "it has had all the attempts that its route gives it"),
    ("on: [reset], attempts: 5", b"GET", b"", "nobody else of the upstream was fit and free"),
])
def test_why_there_was_no_further_attempt_is_told(rules, method, body, why):
    with Told(2, route=retry(rules)) as shunt:
        for origin in shunt.origins:
            origin.answers = Says(RESET)
        client = shunt.client()
        client.send(b"%s /id00000bad HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: one\r\n%s\r\n%s" % (
            method, body, b"12345" if body else b""))
        assert client.read_answer(method).status == 502
        client.sock.close()
        told = shunt.told("one")
        assert told["not_retried"] == why and told["end"] == "endpoint_closed"
        assert [one[1] for one in attempts(told)] == ["endpoint_closed"] * (1 if method == b"POST" else 2)


def test_of_many_attempts_the_first_and_the_last_are_told():
    with Told(6, route=retry("on: [503], attempts: 6")) as shunt:
        for origin in shunt.origins[:5]:
            origin.answers = Says(scripted.Answer((b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",)))
        status, told = shunt.asked("one")
        assert (status, told["endpoints_asked"]) == (200, 6)
        assert [one[0] for one in attempts(told)] == [shunt.address(i) for i in (0, 1, 2, 5)]
        assert "attempts 6; of them the first, and the last" in shunt.shown("one")


def test_who_was_not_fit_is_told():
    """One is ejected, one drained, one has all that it may; the fourth serves."""
    with Told(4, "    eject: { failures: 1, time: 1m, most: 100 }\n",
              lambda number: ", max_requests: 1" if number == 2 else "") as shunt:
        run(SHUNTCTL, "endpoint", "set", "origin", shunt.address(1), "drain", "--admin", shunt.path("admin.sock"))
        shunt.origins[0].answers = CLOSED
        assert shunt.get().status == 502
        shunt.origins[2].answers = SILENT
        held = shunt.client()
        held.send(b"GET /id00000bad HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: held\r\n\r\n")
        wait_until(lambda: shunt.origins[2].whole(b"id00000bad"), "it is there")
        status, told = shunt.asked("one")
        assert status == 200
        assert {one["endpoint"]: one["state"].split(":")[0] for one in told["endpoints"]} == {
            shunt.address(0): "ejected", shunt.address(1): "got nothing new", shunt.address(2): "full"}
        assert (told["endpoint"], told["more_unfit"]) == (shunt.address(3), False)
        held.reset()


def test_a_cookie_that_leads_to_nobody_fit_is_told():
    with Told(2, "    persistence: { cookie: KEEP }\n    eject: { failures: 1, time: 1m, most: 100 }\n") as shunt:
        keep = shunt.get().one(b"set-cookie").split(b";")[0]
        (kept,) = [i for i, count in enumerate(shunt.served()) if count]
        cookie = b"Cookie: %s\r\n" % keep
        _, told = shunt.asked("good", cookie)
        assert (told["persistence"], told["endpoint_why"]) == ("the cookie KEEP names this endpoint", "it had the client before")
        shunt.origins[kept].answers = CLOSED
        status, told = shunt.asked("bad", cookie)
        assert status == 502 and told["endpoint"] == shunt.address(kept)
        status, told = shunt.asked("moved", cookie)
        assert status == 200 and told["endpoint"] == shunt.address(1 - kept)
        assert told["persistence"] == f"the cookie KEEP names {shunt.address(kept)}, which is not fit or has no room"
        _, told = shunt.asked("foreign", b"Cookie: KEEP=%s\r\n" % (b"A" * (len(keep) - 5)))
        assert told["persistence"] == "the cookie KEEP names nobody here"


def test_a_share_of_a_split_is_told_with_what_decided_it():
    with Told(1) as shunt:
        text = shunt.configuration().replace(
            "upstream: origin  }", "split: [ { upstream: origin, weight: 3 }, { upstream: other, weight: 1 } ], "
            "sticky: { cookie: sid }, match: { path: /s/* } },\n  { name: rest, upstream: origin }")
        text += f'  other: {{ endpoints: [ {{ address: "{shunt.address(0)}" }} ] }}\n'
        with open(shunt.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(text)
        shunt.reload()
        seen = set()
        for user in range(24):
            _, told = shunt.asked(f"u{user}", b"Cookie: sid=%d\r\n" % user, target=b"/s/")
            (share,) = [one for one in told["split"] if one["taken"]]
            assert told["split_by"] == "the cookie sid" and told["upstream"] == share["upstream"]
            seen.add(share["upstream"])
        assert seen == {"origin", "other"}
        _, told = shunt.asked("nobody", target=b"/s/")
        assert told["split_by"] == "the client's address, since it has not the cookie sid"


def test_who_stands_in_for_an_upstream_is_told_before_and_afterwards():
    with Told(2) as shunt:
        (port,) = shunt.free_ports(1)
        text = shunt.configuration().replace("node:", f"""\
      - {{ port: {port}, protocol: tcp-proxy, upstream: origin }}
node:""").replace("  origin:\n", "  origin:\n    failover: other\n")
        with open(shunt.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(text + f'  other: {{ endpoints: [ {{ address: "{shunt.address(0)}" }} ] }}\n')
        shunt.reload()
        for number in range(2):
            run(SHUNTCTL, "endpoint", "set", "origin", shunt.address(number), "disable", "--admin",
                shunt.path("admin.sock"))
        wait_until(lambda: shunt.asked("one")[1]["upstream"] == "other", "the worker has it")
        client = plain.Client(port)
        client.finish()
        client.read_all()
        line = [line for line in shunt.accesses() if line.get("port") == port][-1]
        for at, name in ((shunt.port, "one"), (port, line["request_id"])):
            status, told = post(shunt.path("admin.sock"), "/explain", {"request": f"GET http://a.example:{at}/"})
            assert status == 200, told
            ended = shunt.told(name)
            for one in (told, ended):
                assert (one["stands_in_for"], one["upstream"], one["endpoint"]) == ("origin", "other", shunt.address(0))


def test_a_request_without_what_is_hashed_is_told_to_go_by_chance():
    with Told(2, "    balance: maglev\n    hash_on: header:x-user\n") as shunt:
        for more, how in (("X-User: one", "its slots of the ring have the hash"),
                          ("X-Other: one", "chance, since it has not what is hashed")):
            _, told = shunt.asked("one", f"{more}\r\n".encode())
            assert told["endpoint_why"] == how
            status, told = post(shunt.path("admin.sock"), "/explain", {
                "request": f"GET http://a.example:{shunt.port}/", "headers": [more]})
            assert (status, told["endpoint_why"]) == (200, how)


def test_time_in_a_line_and_a_request_under_way_are_told():
    class Waiting(Told, Lined):
        """With a line."""
    with Waiting("size: 10, timeout: 1m") as shunt:
        held = shunt.client()
        shunt.origin.answers = SILENT
        held.send(b"GET /id00000bad HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: held\r\n\r\n")
        wait_until(lambda: shunt.origin.whole(b"id00000bad"), "it is there")
        shunt.origin.answers = {}
        late = shunt.client()
        late.send(b"GET /id00000fed HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: late\r\n\r\n")
        wait_until(lambda: shunt.stats()["queued"] == 1, "it waits")
        told = shunt.told("held")
        assert told["under_way"] == "the endpoint has it, and is to answer" and "ended" not in told
        assert attempts(told) == [(shunt.address(0), "done", 0, "under way")]
        told = shunt.told("late")
        assert told["under_way"] == "it waits in line for room at an endpoint" and told["endpoint"] is None
        assert 0 < told["times"]["total_us"] < 600000000, told
        assert [one["state"].split(":")[0] for one in told["endpoints"]] == ["full"]
        assert "under way it waits in line for room at an endpoint" in shunt.shown("late")
        held.reset()
        assert late.read_answer().status == 200
        told, line = shunt.told("late"), shunt.accesses()[-1]
        assert told["times"]["exact"] and told["times"]["queue_us"] == line["queue_us"] > 0
        assert {key: value for key, value in line.items() if key in PHASES} == {
            key: value for key, value in told["times"].items() if key != "exact"}
        assert shunt.told("held")["end"] == "client_gone"


def test_a_configuration_that_is_over_still_gives_the_names_and_reasons():
    def text(header):
        return (f'upstream: origin, match: {{ headers: {{ x-one: "{header}" }} }} }},\n'
                f"  {{ name: {header}, upstream: origin }}")
    with Told(1) as shunt:
        def set_routes(header):
            with open(shunt.path("plain.yaml"), "w", encoding="utf-8") as out:
                out.write(shunt.configuration().replace("upstream: origin  }", text(header)))
            shunt.reload()
        set_routes("before")
        _, told = shunt.asked("one", b"X-One: secret\r\n")
        lines = [one["line"] for one in told["candidates"]]
        lost = [(one["route"], one["why"]) for one in told["candidates"]]
        assert lost == [("all", 'header x-one is not "before"'),
                        ("before", "it matches, and nothing more specific does")]
        assert "secret" not in json.dumps(told)
        set_routes("after")
        told = shunt.told("one")
        assert told["configuration_known"] is False and told["route"] == "before"
        shown = shunt.shown("one")
        assert f'route all (line {lines[0]}): header x-one is not "before"' in shown, shown
        for turn in range(16):  # as many as are kept
            set_routes(f"later{turn}")
        shown = shunt.shown("one")
        assert "route one that lost: one of its headers is not met" in shown, shown
        assert f"route * before (line {lines[1]})" in shown, shown


def test_tunnels_are_told_while_they_last_and_afterwards():
    with Told(1) as shunt:
        (port,) = shunt.free_ports(1)
        with open(shunt.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(shunt.configuration().replace("node:", f"""      - {{ port: {port}, protocol: tcp-proxy, upstream: origin }}
node:"""))
        shunt.reload()
        client = shunt.client()
        client.send(b"GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                    b"X-Request-ID: chat\r\n\r\n")
        while b"\r\n\r\n" not in client.got:
            assert client.read_some()
        told = shunt.told("chat")
        assert (told["under_way"], told["status"]) == ("bytes go both ways, as a tunnel", 101)
        client.finish()
        client.read_all()
        wait_until(lambda: "ended" in shunt.told("chat"), "its end")
        told = shunt.told("chat")
        assert (told["end"], told["status"], told["spliced"]) == ("done", 101, "none")
        assert told["spliced_why"] == "no device has the fast path"
        raw = plain.Client(port)
        raw.send(b"GET /raw HTTP/1.1\r\nHost: a.example\r\n\r\n")
        while b"raw" not in raw.got:
            assert raw.read_some()
        raw.finish()
        raw.read_all()
        line = next(line for line in shunt.accesses() if line.get("port") == port)
        told = shunt.told(line["request_id"])
        assert (told["protocol"], told["request"], told["endpoint"]) == ("tcp-proxy", "a connection", shunt.address(0))
        assert attempts(told) == [(shunt.address(0), "done", 0, "the tunnel's bytes went there")]
        assert shunt.shown(line["request_id"])[0] == f"a connection from {line['client']}"


def hello(name):
    """What a client of TLS says first."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


def test_tls_that_passes_is_told_by_its_server_name():
    with Told(1) as shunt:
        (port,) = shunt.free_ports(1)
        with open(shunt.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(shunt.configuration().replace("node:", f"""\
      - {{ port: {port}, protocol: tls-passthrough, sni: {{ "*.example.com": origin }} }}
node:"""))
        shunt.reload()
        for name in ("db.example.com", "db.example.org"):
            client = plain.Client(port)
            client.send(hello(name))
            client.finish()
            client.read_all()
        good, bad = [line for line in shunt.accesses() if line.get("port") == port]
        told = shunt.told(good["request_id"])
        assert (told["request"], told["route"]) == ("a connection for db.example.com", "*.example.com")
        assert [one["taken"] for one in told["candidates"]] == [True]
        assert (told["upstream"], told["endpoint"]) == ("origin", shunt.address(0))
        told = shunt.told(bad["request_id"])
        assert (told["end"], told["route"], told["action"]) == ("no_name", None, "refused")
        assert "end no_name: no upstream for this server name" in shunt.shown(bad["request_id"])


def test_the_name_that_tls_asked_for_and_its_certificate_are_told(tmp_path):
    authority = Authority(str(tmp_path))
    for name in ("a", "b"):
        authority.sign(name, [f"{name}.example.com"])
    with Told(1) as shunt:
        (port,) = shunt.free_ports(1)
        files = "".join(f"  {name}: {{ chain: {tmp_path}/{name}.pem, key: {tmp_path}/{name}.key }}\n" for name in "ab")
        with open(shunt.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(f"certificates:\n{files}" + shunt.configuration().replace("node:", f"""\
      - {{ port: {port}, protocol: https, routes: all, certificates: [a, b], {ANY} }}
node:"""))
        shunt.reload()
        context = ssl.create_default_context(cafile=authority.pem)
        for host, asked, name in (("b.example.com", "b.example.com", "b"), ("c.example.com", "b.example.com", "b"),
                                  ("A.example.com", "a.example.com", "a")):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", port), plain.PATIENCE),
                                     server_hostname=f"{name}.example.com") as client:
                client.sendall(b"GET /x HTTP/1.1\r\nHost: %s\r\nX-Request-ID: one\r\n\r\n" % host.encode())
                assert client.recv(65536).startswith(b"HTTP/1.1 200")
            told = shunt.told("one")
            assert told["request"] == f"GET https://{host}:{port}/x" and told["protocol"] == "https"
            assert (told["server_name"].lower(), told["certificate"]) == (asked, name)
            assert told["spliced"] == "none"


def test_what_nobody_knows_has_one_clear_sentence():
    with Told(1) as shunt:
        assert shunt.refused("0" * 32) == (
            "shuntctl explain: no request of that name is under way or has ended here, on node shunt, since shuntd was "
            "started: it may have been another node's, or of before that")
        for wrong in ("", "two words", "x" * 65, 'quo"te'):
            assert shunt.refused(wrong) == (
                "shuntctl explain: that is no request's name: these have 1 to 64 visible characters, no quotes, no "
                "backslashes")


def test_what_went_wrong_outlives_a_flood_of_good_ones_and_what_is_forgotten_is_said_to_be():
    with Told(1) as shunt:
        with open(shunt.path("plain.yaml"), "w", encoding="utf-8") as out:
            out.write(shunt.configuration().replace("upstream: origin  }", "respond: { status: 204 } }"))
        shunt.reload()
        assert shunt.asked("good")[0] == 204 and shunt.asked("bad", target=b"/%00")[0] == 400
        shunt.client().pipeline(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", REMEMBERED)
        assert shunt.told("bad")["end"] == "bad_path"
        sentence = shunt.refused("good")
        assert sentence.startswith("shuntctl explain: no request of that name is under way or remembered here, on node "
                                   "shunt: it may have been another node's, or it is forgotten, as only those are known")
        assert sentence.endswith("Z, since the start where they were turned away, or since the start where they went wrong")


def test_what_went_wrong_outlives_a_flood_that_is_turned_away():
    with Told(1, route=", limits: { rate_per_source: 1/h }") as shunt:
        shunt.origins[0].answers = Says(FAILS)
        assert shunt.asked("failed")[0] == 500 and shunt.asked("first")[0] == 429
        client = shunt.client()
        for _ in range(2 * TURNED_AWAY // 64 + 1):  # more than are known of those that went wrong
            client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n" * 64)
            client.got = b""
            while client.got.count(b"HTTP/1.1 429") < 64:
                assert client.read_some()
        assert shunt.told("failed")["status"] == 500
        assert "Z where they were turned away, or since the start where they went wrong" in shunt.refused("first")


def test_an_endpoint_with_all_its_connections_is_not_full_to_who_has_an_idle_one():
    with Told(1, endpoint=lambda number: ", max_connections: 1") as shunt:
        def explained():
            status, told = post(shunt.path("admin.sock"), "/explain", {"request": f"GET http://a.example:{shunt.port}/"})
            assert status == 200, told
            return told["endpoints"][0]["state"].split(",")[0], told["end"]
        assert explained() == ("fit", "done")
        assert shunt.asked("one")[0] == 200
        assert explained() == ("fit: it has all connections that it may have", "done")
        shunt.origin.answers = SILENT
        held = shunt.client()
        held.send(b"GET /id00000bad HTTP/1.1\r\nHost: a.example\r\nX-Request-ID: held\r\n\r\n")
        wait_until(lambda: shunt.origin.whole(b"id00000bad"), "it is there")
        wait_until(lambda: shunt.told("held")["reused"], "it has the connection")
        assert explained() == ("full: it has all requests or connections that it may have", "endpoints_full")
        status, told = shunt.asked("two")
        assert (status, told["end"]) == (503, "endpoints_full")
        held.reset()
