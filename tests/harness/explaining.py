"""Requests that shuntd is first asked about, and that then are made: both have to agree."""
import http.client
import json
import os
import re
import socket
import subprocess
import threading

from tests.harness import mmdb, route_requests, route_tables
from tests.harness.plain import Plain
from tests.harness.run import BUILD, PATIENCE

SHUNTCTL = os.path.join(BUILD, "shuntctl")

ENDPOINTS = 6
CLIENTS = ["127.0.0.1", "127.0.0.2", "127.0.1.7", "127.0.2.9"]
NETWORKS = {"10.0.0.0/8": "127.0.0.0/23", "10.1.0.0/16": "127.0.1.0/24", "192.0.2.7": "127.0.2.9"}
PLACES = {"127.0.0.1/32": "DE", "127.0.1.0/24": "FR", "127.0.2.9/32": "JP"}
BALANCES = [{"balance": "round_robin"}, {"balance": "least_request"}, {"balance": "random"},
            {"balance": "maglev"}, {"balance": "maglev", "hash_on": "cookie:a"},
            {"balance": "maglev", "hash_on": "path"}, {"balance": "maglev", "hash_on": "header:x-one"}]
PERSISTENCE = [{}, {}, {"persistence": {"cookie": "KEEP"}}, {"persistence": {"hash_on": "cookie:session"}},
               {"persistence": {"hash_on": "client-address"}}]
STICKY = [{}, {"sticky": {"client": True}}, {"sticky": {"cookie": "session"}}, {"sticky": {"header": "x-two"}}]


class Endpoints:
    """Listens on several ports; heads: what came, as (port, bytes). Answers all with 200 and nothing."""

    def __init__(self):
        self.heads = []
        self.socks = [self.listen() for _ in range(ENDPOINTS)]
        self.ports = [sock.getsockname()[1] for sock in self.socks]
        for sock in self.socks:
            threading.Thread(target=self.accept, args=(sock,), daemon=True).start()

    @staticmethod
    def listen():
        sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        return sock

    def accept(self, sock):
        while True:
            try:
                conn = sock.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        port, got = conn.getsockname()[1], b""
        with conn:
            while True:
                while b"\r\n\r\n" in got:
                    head, got = got.split(b"\r\n\r\n", 1)
                    self.heads.append((port, head))
                    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                more = conn.recv(65536)
                if not more:
                    return
                got += more

    def close(self):
        for sock in self.socks:
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()


class AdminConnection(http.client.HTTPConnection):
    """To the admin socket at that path."""

    def __init__(self, path):
        super().__init__("shunt")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def post(path, target, body):
    """The status and the JSON of the answer."""
    conn = AdminConnection(path)
    conn.request("POST", target, body=body if isinstance(body, str) else json.dumps(body))
    answer = conn.getresponse()
    got = answer.status, json.loads(answer.read())
    conn.close()
    return got


def action(source):
    """What a route does."""
    kind = source.random()
    filters = {}
    if source.random() < 0.3:
        filters["request_headers"] = {"set": {"x-a": "${client} ${host}${path}?${query} ${route} ${upstream}"},
                                      "remove": ["x-one"]}
    if source.random() < 0.3:
        filters["rewrite"] = {"path": "/new"}
    more = {"filters": filters} if filters else {}
    if kind < 0.1:
        return {"redirect": {"status": 301, "scheme": "https"}}
    if kind < 0.15:
        return {"respond": {"status": 404, "body": "no"}}
    if kind < 0.45:
        shares = [{"upstream": f"u{i}", "weight": source.choice([0, 1, 5])} for i in source.sample(range(4), 2)]
        shares[0]["weight"] += 1
        return {"split": shares} | source.choice(STICKY) | more
    return {"upstream": f"u{source.randrange(5)}"} | more


def endpoint(source, port):
    return {"address": f"127.0.0.1:{port}", "weight": source.choice([0, 1, 1, 2, 3]),
            "priority": source.choice([0, 0, 0, 1])}


class Explaining(Plain):
    """A table of routes after the other."""

    def __init__(self, source):
        self.source = source
        self.endpoints = Endpoints()
        self.text, self.given = None, []
        super().__init__()

    def close(self):
        super().close()
        self.endpoints.close()

    def table(self, routes):
        """With actions of many kinds, and networks that clients here are in; often one for the rest."""
        if self.source.random() < 0.6:
            routes.append({"name": "rest", "match": {}, "upstream": "u"})
        for route in routes:
            del route["upstream"]
            route |= action(self.source)
            match = route["match"]
            match.pop("sni", None)
            match.pop("listeners", None)
            if "clients" in match:
                match["clients"] = [NETWORKS.get(one, one) for one in match["clients"]]
        return routes

    def render(self, routes):
        upstreams = {f"u{i}": {"endpoints": [endpoint(self.source, port) for port in
                                             self.source.sample(self.endpoints.ports, 3)]}
                     | self.source.choice(BALANCES) | self.source.choice(PERSISTENCE) for i in range(4)}
        listener = {"port": self.port, "protocol": "http", "routes": "t",
                    "forwarded": {"trusted": ["127.0.1.0/24"]}, "request_id": {"take": "any"},
                    "requests": route_tables.rules(self.source)}
        return json.dumps({"upstreams": upstreams | {"u4": {"endpoints": []}}, "routes": {"t": routes},
                           "vips": [{"name": "v", "addresses": ["127.0.0.1"], "listeners": [listener]}],
                           "node": {"tunnel_address": "127.0.0.1", "countries": "places.mmdb"}})

    def configuration(self):
        return self.text

    def write(self):
        with open(self.path("next.yaml"), "w", encoding="utf-8") as out:
            out.write(self.text)

    def settle(self, routes):
        """A file of them, without those that shuntd refuses since they can never match."""
        while True:
            self.text = self.render(routes)
            self.write()
            got = subprocess.run([SHUNTCTL, "check", "--json", self.path("next.yaml")], capture_output=True,
                                 check=False)
            findings = json.loads(got.stdout)["findings"]
            if not findings:
                os.rename(self.path("next.yaml"), self.path("plain.yaml"))
                return
            named = {name[1] for name in (re.search(r'the route "(\w+)" can never', one) for one in findings)
                     if name}
            assert named, findings
            routes = [route for route in routes if route["name"] not in named]

    def start(self):
        mmdb.write(self.path("places.mmdb"), PLACES)
        self.settle(self.table(route_tables.table(self.source)))
        super().start()

    def renew(self):
        self.settle(self.table(route_tables.table(self.source)))
        self.reload()

    def explain(self, query):
        status, answer = post(self.path("admin.sock"), "/explain", query)
        assert status == 200, (query, answer)
        return answer

    def ended(self, name):
        """What became of the request of that name."""
        status, answer = post(self.path("admin.sock"), "/request", name)
        assert status == 200, (name, answer)
        return answer

    def request(self):
        """Of the present table: what explain is asked, and the bytes that a client sends."""
        routes = json.loads(self.text)["routes"]["t"]
        one = route_requests.request(self.source, routes)
        # What is no host and no path of a URL cannot be asked about, nor the port of another listener.
        host = one["host"] or "a.test"
        host = re.match(r"\[::1\]|[^:[]*", host)[0] or "a.test"
        target = one["target"] if one["target"].startswith("/") else "/" + one["target"]
        # Of several fields of one name a client sends several lines.
        headers = [f"{name}: {value}" for name, value in one["headers"]]
        if self.given and self.source.random() < 0.3:
            headers.append(f"Cookie: {self.source.choice(self.given[-10:])}")
        client = self.source.choice(CLIENTS)
        query = {"request": f"{one['method']} http://{host}:{self.port}{target}", "headers": headers,
                 "from": client}
        head = "\r\n".join([f"{one['method']} {target} HTTP/1.1", f"Host: {host}:{self.port}", *headers])
        return query, client, head.encode() + b"\r\n\r\n"

    def make(self, client, head, name=None):
        """The head of the answer, and what an endpoint got of it as (port, head), or None."""
        before = len(self.endpoints.heads)
        if name:
            head = head[:-2] + f"X-Request-ID: {name}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE, (client, 0)) as sock:
            sock.sendall(head)
            got = b""
            while b"\r\n\r\n" not in got:
                more = sock.recv(65536)
                assert more, got
                got += more
        self.given += [cookie.decode() for cookie in re.findall(rb"\r\nSet-Cookie: (KEEP=[^;\r]+)", got)]
        heads = self.endpoints.heads[before:]
        assert len(heads) <= 1, heads
        return got, heads[0] if heads else None
