"""Endpoints that fail, and what clients see of it: on loopback, no devices, no namespaces."""
import pytest

from tests.harness import plain, scripted
from tests.net.test_balancing import Failing, Several

RESET = scripted.Answer((), "reset")


class Says(dict):
    """Gives that answer to all requests."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def get(self, *_):
        return self.answer


def retry(rules):
    return f", retry: {{ backoff: 1ms, {rules} }}"


def refused(shunt):
    """What was refused, by reason."""
    return {name[len("retries_refused_"):]: count for name, count in shunt.stats().items()
            if name.startswith("retries_refused_") and count}


def asked(shunt, times, **how):
    return [shunt.get(**how).status for _ in range(times)]


@pytest.mark.parametrize("rules,answers,statuses,spent", [
    ("on: [reset]", Says(RESET), [200] * 10, 5),
    ("on: [connect]", Says(RESET), [502, 200] * 5, 0),
    ("on: [500]", Failing(), [200] * 10, 5),
    ('on: ["501-504"]', Failing(), [500, 200] * 5, 0),
])
def test_what_is_listed_is_tried_elsewhere(rules, answers, statuses, spent):
    with Several(2, route=retry(rules)) as shunt:
        shunt.origins[0].answers = answers
        assert asked(shunt, 10) == statuses
        assert shunt.stats()["retries"] == spent and not refused(shunt)


def test_an_endpoint_that_is_gone_costs_no_client_anything():
    with Several(3, route=retry("on: [connect, reset], attempts: 2")) as shunt:
        assert asked(shunt, 6) == [200] * 6
        shunt.origins[1].close()
        assert asked(shunt, 30) == [200] * 30
        assert shunt.stats()["retries"] == 10


def test_a_stalled_endpoint_costs_its_time_and_no_error():
    with Several(2, route=", timeout: 100ms" + retry("on: [timeout]")) as shunt:
        shunt.origins[0].answers = Says(scripted.Answer(()))
        assert shunt.daemon_status()["amplification"] is None
        assert asked(shunt, 6) == [200] * 6
        assert shunt.stats()["retries"] == 3
        assert shunt.daemon_status()["amplification"] == 1.5 and shunt.stats()["asked"] == 6


@pytest.mark.parametrize("rules,method,length,status,why", [
    ("on: [reset]", b"POST", 5, 502, {"method": 1}),
    ("on: [reset], methods: any", b"POST", 5, 502, {"body": 1}),
    ("on: [reset], methods: any, body: 4", b"POST", 5, 502, {"body": 1}),
    ("on: [reset], methods: any, body: 5", b"POST", 5, 200, {}),
    ("on: [reset], body: 32768", b"PUT", 32768, 200, {}),
    ("on: [reset], body: 32768", b"PUT", 32769, 502, {"body": 1}),
    ("on: [reset], body: 32768", b"PUT", 200000, 502, {"body": 1}),
])
def test_a_body_is_sent_again_only_where_that_is_safe(rules, method, length, status, why):
    body = b"x" * length
    with Several(2, route=retry(rules)) as shunt:
        shunt.origins[0].answers = Says(RESET)
        for chunked in (False, True):
            name = scripted.token()
            client = shunt.client()
            framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(body)
            sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
            client.send(b"%s /%s HTTP/1.1\r\nHost: a.example\r\n%s\r\n" % (method, name, framing) + sent)
            answer = client.read_answer(method)
            client.sock.close()
            assert answer.status == status, (chunked, answer)
            if status == 200:
                assert [seen.body for seen in shunt.origins[1].whole(name)] == [body]
            assert shunt.get().status == 200, "puts the turn back"
        doubled = {reason: 2 * count for reason, count in why.items()}
        assert refused(shunt) == doubled


def test_attempts_and_endpoints_come_to_an_end():
    with Several(3, route=retry("on: [500], attempts: 1")) as shunt:
        for origin in shunt.origins:
            origin.answers = Failing()
        assert asked(shunt, 2) == [500, 500]
        assert refused(shunt) == {"attempts": 2} and sum(shunt.served()) == 4
    with Several(2, route=retry("on: [500], attempts: 5")) as shunt:
        for origin in shunt.origins:
            origin.answers = Failing()
        assert asked(shunt, 2) == [500, 500]
        assert refused(shunt) == {"nobody": 2} and sum(shunt.served()) == 4


def test_what_fails_at_once_is_an_attempt_too():
    """connect() refuses broadcast addresses by itself: three attempts before anything could be a retry."""
    dead = "".join(f' }}\n      - {{ address: "127.255.255.255:{port}"' for port in (1, 2))
    with Several(8, endpoint=lambda number: ", priority: 1" + dead * (number == 0),
                 route=retry("on: [500], attempts: 7")) as shunt:
        for origin in shunt.origins:
            origin.answers = Failing()
        assert asked(shunt, 1) == [500]
        assert refused(shunt) == {"attempts": 1} and sum(shunt.served()) == 6
        assert all(count <= 1 for count in shunt.served())


def test_the_budget_bounds_what_an_outage_costs():
    with Several(2, route=retry("on: [500], budget: 10, budget_least: 2")) as shunt:
        shunt.origins[0].answers = Failing()
        shunt.origins[1].answers = Says(scripted.Answer(()))
        # Two whose retry waits at the other endpoint spend all there is.
        waiting = []
        while shunt.stats()["retries"] < 2:
            client = shunt.client()
            client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % scripted.token())
            waiting.append(client)
            plain.wait_until(lambda: sum(shunt.served()) >= len(waiting) + shunt.stats()["retries"],
                             "all are there")
        more = [shunt.client() for _ in range(4)]
        for client in more:
            client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % scripted.token())
        plain.wait_until(lambda: refused(shunt) == {"budget": 2}, "two of four are refused")
        assert shunt.stats()["retries"] == 2
        for client in waiting + more:
            client.reset()


def test_flapping_endpoints_are_ejected_and_clients_see_nothing_of_it():
    rules = "    eject: { failures: 3, time: 1h, most: 50 }\n"
    with Several(3, rules, route=retry('on: [connect, reset, "500-504"], attempts: 2')) as shunt:
        shunt.origins[2].answers = Says(RESET)
        assert asked(shunt, 60) == [200] * 60
        stats = shunt.stats()
        assert stats["endpoints_ejected"] == 1 and stats["retries"] == 3, stats


def test_a_reload_in_the_middle_of_exchanges_loses_no_count():
    """Under memcheck this also shows that nobody reads a snapshot that has gone."""
    with Several(2, endpoint=lambda number: ", max_requests: 1", route=retry("on: [500]")) as shunt:
        names = [scripted.token() for _ in shunt.origins]
        clients = [shunt.client() for _ in names]
        for client, name in zip(clients, names):
            for origin in shunt.origins:
                origin.answers[name] = scripted.Answer(())
            client.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n" % name)
        plain.wait_until(lambda: sum(shunt.served()) == 2, "both are there")
        for _ in range(3):
            shunt.reload()
            assert shunt.get().status == 503
        for client in clients:
            client.reset()
        plain.wait_until(lambda: asked(shunt, 2) == [200, 200], "room for both")
