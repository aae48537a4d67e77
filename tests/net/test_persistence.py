"""Clients that are led back to the endpoint that they had, on loopback."""
import os
import shutil
import socket
import ssl
import subprocess

import pytest

from tests.harness import plain, scripted
from tests.harness.certificates import Authority
from tests.harness.run import BUILD
from tests.net.test_balancing import Several


class Kept(Several):
    """Several endpoints, or another node's; keys: of persistence. Without keys of the node's one is made."""

    def __init__(self, count=3, keys="cookie: SHUNT", shared=None, node_keys=None, endpoint=lambda number: ""):
        super().__init__(0 if shared else count, f"    persistence: {{ {keys} }}\n", endpoint)
        if shared:
            self.origin.close()
            self.origin, self.origins = shared.origin, shared.origins
        self.order = range(len(self.origins))
        self.more = ["--workers", "1", "--state", self.path("state")]
        self.node = ""
        if node_keys:
            self.node = "persistence_keys: keys, "
            with open(self.path("keys"), "wb") as out:
                out.write(node_keys)

    def configuration(self):
        text = super().configuration().replace("node: {", "node: { " + self.node)
        head, endpoints = text.split("    endpoints:\n")
        endpoints = endpoints.splitlines(True)
        return head + "    endpoints:\n" + "".join(endpoints[number] for number in self.order)

    def change(self):
        """What configuration() says now is in effect."""
        before = self.log().count(" is in effect")
        with open(self.path("new"), "w", encoding="utf-8") as out:
            out.write(self.configuration())
        os.rename(self.path("new"), self.path("plain.yaml"))
        plain.wait_until(lambda: self.log().count(" is in effect") > before, "the reload")

    def cookie(self, answer, name=b"SHUNT"):
        """What is set, or None."""
        found = [value for value in answer.all(b"set-cookie") if value.startswith(name + b"=")]
        assert len(found) <= 1, answer
        return found[0].split(b";")[0] if found else None

    def arrived(self, fields):
        """The number of the endpoint that got a request with these, and what it got."""
        name = scripted.token()
        assert self.get(fields, b"/" + name).status == 200
        return [(n, origin.whole(name)[0]) for n, origin in enumerate(self.origins) if origin.whole(name)][0]

    def who(self, cookie=None, more=b""):
        """The number of the endpoint that answered, and the answer."""
        before = self.served()
        answer = self.get((b"Cookie: " + cookie + b"\r\n" if cookie else b"") + more)
        assert answer.status == 200, answer
        return [now - then for now, then in zip(self.served(), before)].index(1), answer

    def asked_by(self, fields, address):
        """The number of the endpoint that serves who comes from there with these."""
        client = self.client()
        client.sock.close()
        client.sock = socket.create_connection(("127.0.0.1", self.port), plain.PATIENCE, (address, 0))
        before = self.served()
        assert self.get(fields, client=client).status == 200
        client.sock.close()
        return [now - then for now, then in zip(self.served(), before)].index(1)

    def restart(self):
        self.daemon.terminate()
        assert self.daemon.wait(plain.PATIENCE) == 0
        self.start()


def first_users(shunt):
    """A cookie for each endpoint, by its number."""
    users = {}
    for _ in range(3 * len(shunt.origins)):
        number, answer = shunt.who()
        users[number] = shunt.cookie(answer)
    assert sorted(users) == list(range(len(shunt.origins)))
    assert len(set(users.values())) == len(users)
    return users


def moved(shunt, users):
    """Users that get another endpoint."""
    now = {number: shunt.who(cookie)[0] for number, cookie in users.items()}
    return {number: who for number, who in now.items() if who != number}


def test_a_cookie_leads_back_through_reload_and_restart():
    shunt = Kept()
    shunt.more[1] = "2"
    with shunt:
        users = first_users(shunt)
        for number, cookie in users.items():
            for _ in range(4):
                who, answer = shunt.who(b"a=1; " + cookie + b"; b=2")
                assert who == number
                assert shunt.cookie(answer) is None and answer.one(b"cache-control") is None
        shunt.order = [2, 0, 1]
        shunt.change()
        assert not moved(shunt, users), "the order of writing is no matter"
        shunt.restart()
        assert not moved(shunt, users)
        stats = shunt.stats()
        assert stats["persistence_kept"] == 3 and stats["persistence_foreign"] == 0


def test_the_endpoint_sees_nothing_of_it_and_a_client_learns_nothing():
    with Kept() as shunt:
        _, answer = shunt.who()
        value = answer.one(b"set-cookie")
        cookie = shunt.cookie(answer)
        assert value == cookie + b"; Path=/; HttpOnly; SameSite=Lax"
        assert answer.one(b"cache-control") == b"private"
        for origin in shunt.origins:
            assert str(origin.port).encode() not in value
        for sent, want in ((cookie, None), (b"a=1; " + cookie, b"a=1"), (cookie + b"; a=1;b=2", b"a=1;b=2"),
                           (b"SHUNT=x; " + cookie + b"; c=3", b"c=3"), (b"a=1", b"a=1")):
            _, got = shunt.arrived(b"Cookie: " + sent + b"\r\n")
            assert got.one(b"cookie") == want, (sent, got.raw)
        _, got = shunt.arrived(b"Cookie: a=1\r\nCookie: " + cookie + b"\r\nCookie: b=2\r\n")
        assert got.all(b"cookie") == [b"a=1", b"b=2"]


def test_what_nobody_gave_is_ignored_and_counted():
    with Kept(2) as shunt:
        good = shunt.cookie(shunt.who()[1])
        forged = [b"SHUNT=" + b"A" * 22, b"SHUNT=", b"SHUNT=0", b"SHUNT=" + b"B" * 4000,
                  good[:-1] + (b"A" if good[-1:] != b"A" else b"Q"), b"SHUNT=127.0.0.1:80", good + b"x"]
        for number, cookie in enumerate(forged):
            _, answer = shunt.who(cookie)
            assert shunt.cookie(answer), "it gets one of ours"
            assert shunt.stats()["persistence_foreign"] == number + 1
        assert shunt.who(good)[0] == shunt.who(good)[0]
        assert shunt.stats()["persistence_foreign"] == len(forged)


def test_a_second_node_with_the_same_key_agrees_and_an_older_key_is_understood():
    old, new = b"k" * 32, b"n" * 32
    with Kept(node_keys=old) as one:
        users = first_users(one)
        with Kept(shared=one, node_keys=old) as two:
            two.order = [1, 2, 0]
            two.change()
            assert not moved(two, users)
            with open(two.path("keys"), "wb") as out:
                out.write(new + old)
            two.reload()
            plain.wait_until(lambda: two.cookie(two.who(users[0])[1]) not in (None, users[0]), "the new key")
            for number, cookie in users.items():
                who, answer = two.who(cookie)
                assert who == number and two.cookie(answer) not in (None, cookie), "by the new key"
                assert two.who(two.cookie(answer))[0] == number
                assert one.cookie(one.who(two.cookie(answer))[1]), "which one does not know yet"


def test_where_the_endpoint_is_gone_another_takes_over():
    with Kept(3) as shunt:
        users = first_users(shunt)
        shunt.origins[1].close()
        number, answer = shunt.who(users[1])
        assert number != 1 and shunt.cookie(answer) == users[number], "it is told of the new one"
        assert shunt.who(users[number])[0] == number
        shunt.order = [0, 2]
        shunt.change()
        plain.wait_until(lambda: shunt.cookie(shunt.who(users[1])[1]) and shunt.stats()["persistence_foreign"],
                         "the endpoint is gone")
        before = shunt.stats()["persistence_foreign"]
        assert shunt.cookie(shunt.who(users[1])[1]) in (users[0], users[2])
        assert shunt.stats()["persistence_foreign"] == before + 1
        assert shunt.who(users[2])[0] == 2


def test_weight_0_gets_nothing_new_but_keeps_its_users():
    with Kept(2) as shunt:
        users = first_users(shunt)
        shunt.endpoint = lambda number: ", weight: 0" if number == 1 else ""
        shunt.change()
        plain.wait_until(lambda: shunt.who()[0] == shunt.who()[0] == 0, "the weight is gone")
        assert [shunt.who()[0] for _ in range(6)] == [0] * 6
        assert [shunt.who(users[1])[0] for _ in range(6)] == [1] * 6


def test_an_applications_own_cookie_carries_the_endpoints_name_along():
    with Kept(3, "application_cookie: JSESSIONID") as shunt:
        for origin in shunt.origins:
            origin.answers = SetsCookie(origin)
        users = {}
        for _ in range(9):
            number, answer = shunt.who()
            cookies = answer.all(b"set-cookie")
            assert cookies[1] == b"other=1"
            pair, attributes = cookies[0].split(b"; ", 1)
            assert attributes == b"Path=/app; HttpOnly"
            assert pair[len(b"JSESSIONID=") + 22:] == b"~s%d" % shunt.origins[number].port
            users[number] = pair
        assert sorted(users) == [0, 1, 2]
        shunt.restart()
        for number, cookie in users.items():
            for _ in range(3):
                who, got = shunt.arrived(b"Cookie: a=1; " + cookie + b"; b=2\r\n")
                assert who == number
                assert got.one(b"cookie") == b"a=1; JSESSIONID=s%d; b=2" % shunt.origins[number].port
        foreign = shunt.stats()["persistence_foreign"]
        _, got = shunt.arrived(b"Cookie: JSESSIONID=" + b"A" * 22 + b"~x; JSESSIONID=y\r\n")
        assert got.one(b"cookie") == b"JSESSIONID=x; JSESSIONID=y"
        assert shunt.stats()["persistence_foreign"] == foreign + 1


@pytest.mark.parametrize("key,field", [("header:X-User", b"X-User: %s\r\n"), ("cookie:sid", b"Cookie: sid=%s\r\n")])
def test_a_key_leads_to_one_endpoint_and_the_rest_is_balanced(key, field):
    with Kept(3, f'hash_on: "{key}"') as shunt:
        users = {user: shunt.who(more=field % b"u%d" % user)[0] for user in range(24)}
        assert set(users.values()) == {0, 1, 2}
        shunt.restart()
        for user, number in users.items():
            assert shunt.who(more=field % b"u%d" % user)[0] == number
        assert sorted(shunt.who()[0] for _ in range(30)) == sorted([0, 1, 2] * 10), "in turn"


@pytest.mark.parametrize("keys,user_of", [
    ("application_cookie: JSESSIONID", None),
    ('hash_on: "header:X-User"', lambda user: (b"X-User: %d\r\n" % user, "127.0.0.1")),
    ('hash_on: "cookie:sid"', lambda user: (b"Cookie: sid=%d\r\n" % user, "127.0.0.1")),
    ("hash_on: client-address", lambda user: (b"", f"127.0.0.{user + 2}")),
])
def test_each_kind_holds_through_reload_restart_and_on_a_second_node(keys, user_of):
    key = b"k" * 32
    with Kept(3, keys, node_keys=key) as one:
        if user_of:
            users = [user_of(user) for user in range(20)]
        else:
            for origin in one.origins:
                origin.answers = SetsCookie(origin)
            given = [one.who()[1].all(b"set-cookie")[0].split(b";")[0] for _ in range(9)]
            users = [(b"Cookie: %s\r\n" % cookie, "127.0.0.1") for cookie in given]
        had = [one.asked_by(*user) for user in users]
        assert set(had) == {0, 1, 2}
        one.order = [2, 0, 1]
        one.change()
        assert [one.asked_by(*user) for user in users] == had, "another order of writing"
        one.restart()
        assert [one.asked_by(*user) for user in users] == had, "restarted"
        with Kept(0, keys, shared=one, node_keys=key) as two:
            two.order = [1, 2, 0]
            two.change()
            assert [two.asked_by(*user) for user in users] == had, "another node"


def test_without_a_place_to_keep_it_the_key_is_of_this_process_and_shuntd_says_so():
    with Kept(2) as shunt:
        assert "warning" not in shunt.log()
        shunt.more = ["--workers", "1"]
        shunt.restart()
        assert "upstream origin: cookies lead to endpoints until shuntd ends; --state, or" in shunt.log()
        users = first_users(shunt)
        shunt.reload()
        assert not moved(shunt, users)


class Secured(Kept):
    """With TLS on the second port, and keys for tickets that outlive it."""

    def __init__(self, shared=None):
        super().__init__(3, "hash_on: tls-session", shared)
        self.ca = shared.ca if shared else Authority(self.dir)
        if shared:
            for name in ("a.pem", "a.key", "tickets"):
                shutil.copy(shared.path(name), self.path(name))
        else:
            self.ca.sign("a", ["a.example.com"])
            with open(self.path("tickets"), "wb") as out:
                out.write(os.urandom(80))
        self.node = "ticket_keys: tickets, "

    def configuration(self):
        text = super().configuration().replace(
            f"port: {self.hasty}, protocol: http,", f"port: {self.hasty}, protocol: https, certificates: [a],")
        return text + "certificates: { a: { chain: a.pem, key: a.key } }\n"

    def visit(self, context, session=None):
        """Three requests on one connection: who answered them, and what resumes its session."""
        who = set()
        with socket.create_connection(("127.0.0.1", self.hasty), timeout=plain.PATIENCE) as sock:
            with context.wrap_socket(sock, server_hostname="a.example.com", session=session) as secure:
                for _ in range(3):
                    before = self.served()
                    secure.sendall(b"GET /%s HTTP/1.1\r\nHost: a.example.com\r\n\r\n" % scripted.token())
                    assert secure.recv(4096).startswith(b"HTTP/1.1 200")
                    who.add([now - then for now, then in zip(self.served(), before)].index(1))
                assert secure.session_reused == (session is not None)
                return who, secure.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_tls_leads_to_one_endpoint_as_long_as_it_is_resumed(version):
    with Secured() as shunt:
        context = ssl.create_default_context(cafile=shunt.ca.pem)
        context.minimum_version = context.maximum_version = version
        visits = [shunt.visit(context) for _ in range(16)]
        assert all(len(who) == 1 for who, _ in visits), visits
        assert len(set.union(*(who for who, _ in visits))) > 1, "sessions are spread"
        again = [shunt.visit(context, session) for _, session in visits]
        shunt.restart()
        third = [shunt.visit(context, session) for _, session in again]
        with Secured(shunt) as node:
            fourth = [node.visit(context, session) for _, session in third]
        assert [who for who, _ in fourth] == [who for who, _ in third], "another node"
        assert [who for who, _ in again] == [who for who, _ in visits] == [who for who, _ in third]


class SetsCookie(dict):
    """Every answer begins a session of its endpoint's."""

    def __init__(self, origin):
        super().__init__()
        self.port = origin.port

    def get(self, *_):
        return scripted.Answer((b"HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=s%d; Path=/app; HttpOnly\r\n"
                                b"Set-Cookie: other=1\r\nContent-Length: 0\r\n\r\n" % self.port,))


class Failing(dict):
    """Answers all requests with 503."""

    def get(self, *_):
        return scripted.Answer((b"HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n",))


def test_a_retry_leads_elsewhere_and_the_client_is_told():
    shunt = Kept(2)
    shunt.route = ", retry: { on: [503] }"
    with shunt:
        users = first_users(shunt)
        shunt.origins[1].answers = Failing()
        answer = shunt.get(b"Cookie: " + users[1] + b"\r\n")
        assert answer.status == 200 and shunt.cookie(answer) == users[0]
        stats = shunt.stats()
        assert stats["persistence_kept"] == 1 and stats["retries"] == 1


def test_who_is_full_or_gone_leaves_its_users_to_others():
    with Kept(2, endpoint=lambda number: ", max_requests: 1" if number == 1 else "") as shunt:
        users = first_users(shunt)
        name = scripted.token()
        shunt.origins[1].answers[name] = scripted.Answer(())
        waiting = shunt.client()
        waiting.send(b"GET /%s HTTP/1.1\r\nHost: a.example\r\nCookie: %s\r\n\r\n" % (name, users[1]))
        plain.wait_until(lambda: shunt.origins[1].whole(name), "the one that waits")
        who, answer = shunt.who(users[1])
        assert who == 0 and shunt.cookie(answer) == users[0]
        assert shunt.stats()["persistence_moved"] == 1
        waiting.reset()
        plain.wait_until(lambda: shunt.who(users[1])[0] == 1, "room again")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_the_key_is_read_again_by_whom_shuntd_has_become():
    shunt = Kept(2)
    os.chmod(shunt.dir, 0o755)
    shunt.more += ["--user", "nobody"]
    with shunt:
        users = first_users(shunt)
        assert os.stat(shunt.path("state")).st_uid == os.stat(shunt.path("state/persistence.key")).st_uid != 0
        shunt.reload()
        assert not moved(shunt, users)
        asked = subprocess.run([os.path.join(BUILD, "shuntctl"), "endpoint", "set", "origin",
                                f"127.0.0.1:{shunt.origins[1].port}", "disable", "--admin", shunt.path("admin.sock")],
                               capture_output=True, text=True, check=True)
        assert asked.stderr == ""
        shunt.restart()
        assert [shunt.who()[0] for _ in range(4)] == [0] * 4
