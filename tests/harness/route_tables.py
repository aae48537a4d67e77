"""Random tables of routes, and requests that come near them. Few names, so that much collides."""

HOSTS = ["a.test", "b.test", "x.a.test", "y.x.a.test", "*.a.test", "*.x.a.test", "*.test", "*.b.test",
         "ab.test", "[::1]", "192.0.2.1"]
LABELS = ["a", "b", "x", "y", "ab", "", "test"]
SEGMENTS = ["a", "b", "ab", "v1", "", "c.d", "A", "a-very-long-segment-that-is-longer-than-sixty-four-"
            "bytes-of-text"]
METHODS = ["GET", "POST", "PUT", "get"]
FIELDS = ["x-one", "x-two", "X-Three"]
VALUES = ["1", "2", "true", "", "abc"]


def some(random, what, most):
    return random.sample(what, random.randint(1, most))


def path(random):
    """May not end in what would be a star, nor have anything that is normalised."""
    return "/" + "/".join(random.choice(SEGMENTS) for _ in range(random.choice([0, 1, 1, 2, 2, 3, 5])))


def match(random):
    out = {}
    if random.random() < 0.7:
        out["host"] = random.choice(HOSTS)
    if random.random() < 0.8:
        out["path"] = path(random)
        if random.random() < 0.5:
            out["path"] = out["path"].rstrip("/") + "/*"
    if random.random() < 0.25:
        out["methods"] = some(random, METHODS, 2)
    if random.random() < 0.25:
        out["headers"] = {name: random.choice(VALUES) for name in some(random, FIELDS, 3)}
    return out


def table(random):
    return [{"name": f"r{i}", "match": match(random), "upstream": "u"}
            for i in range(random.choice([0, 1, 2, 5, 10, 20, 60]))]


def request_host(random, routes):
    hosts = [r["match"]["host"] for r in routes if "host" in r["match"]]
    host = random.choice(hosts or HOSTS)
    if random.random() < 0.2:
        host = ".".join(random.choice(LABELS) for _ in range(random.randint(0, 4)))
    if host.startswith("*."):
        host = random.choice(LABELS) + host[1:]
    if random.random() < 0.1:
        host = random.choice(["x" * 300 + ".", "y."]) + host
    if random.random() < 0.2:
        host = host.upper()
    return host + ("." if random.random() < 0.1 else "")


def request_path(random, routes):
    paths = [r["match"]["path"] for r in routes if "path" in r["match"]]
    near = random.choice(paths) if paths and random.random() < 0.7 else path(random)
    if near.endswith("/*"):
        near = near[:-2] + random.choice(["", "/", path(random)])
    if random.random() < 0.2:
        near += random.choice(["x", "/", path(random)])
    return near if near else random.choice(["/", "*"])


def request(random, routes):
    """A request that a listener could have made of what came in: its path is normalised."""
    return {"host": request_host(random, routes), "path": request_path(random, routes),
            "method": random.choice(METHODS),
            "headers": [[random.choice(FIELDS).lower(), random.choice(VALUES)]
                        for _ in range(random.choice([0, 0, 1, 2, 4]))]}
