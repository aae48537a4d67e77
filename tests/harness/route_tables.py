"""Random tables of routes, and requests that come near them. Few names, so that much collides."""

HOSTS = ["a.test", "b.test", "x.a.test", "y.x.a.test", "*.a.test", "*.x.a.test", "*.test", "*.b.test",
         "ab.test", "[::1]", "192.0.2.1"]
LABELS = ["a", "b", "x", "y", "ab", "", "test"]
SEGMENTS = ["a", "b", "ab", "v1", "", "c.d", "A", "a%20b", "...", "a-very-long-segment-that-is-longer-than-sixty-four-"
            "bytes-of-text"]
METHODS = ["GET", "POST", "PUT", "get", "OPTIONS"]
FIELDS = ["x-one", "x-two", "X-Three", "x_four"]
PROTOCOLS = ["http/1.1", {"prefix": "http/"}, {"exact": "h2", "not": True}, {"present": False}]
SESSIONS = ["0123456789abcdef", "0123000000000000", "f000000000000001"]
SESSION_MATCHES = [*SESSIONS, {"prefix": "0123"}, {"prefix": "f"}, {"prefix": "0123", "not": True}, {"regex": "[0-7].*"},
                   {"regex": ".*[0-9]"}, {"present": True}, {"present": False}, {"exact": SESSIONS[0], "not": True}]
VALUES = ["1", "2", "true", "", "abc"]
NAMES = ["a", "b", "session", "a b"]
NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "0.0.0.0/0"]
PLACES = {"10.1.0.0/16": "DE", "192.0.2.7/32": "FR", "2001:db8::/32": "DE", "2001:db9::/32": "JP"}
COUNTRIES = ["DE", "fr", "JP", "US", "unknown"]
CLIENTS = [None, "10.0.0.1", "10.1.2.3", "192.0.2.7", "192.0.2.8", "2001:db8::1", "2001:db9::1"]
PATH_EXPRESSIONS = ["/.*", "/a/.*", "/a/b", "/(a|b)/[^/]*", "/v[0-9]+(/.*)?", "/a+b?", ".*/c\\.d", "/a|/b",
                    "/(?:a|ab)/.*", "^/a$", "/[ab]/v1", "/a{1,2}b.*", "(?i)/A", "/\\w+/b.*", "(/a)?/b", "/ab?"]
VALUE_EXPRESSIONS = ["[0-9]+", "t.*", "true|1", "", "a?b*c", ".*b.*", "(?i)ABC"]


def some(random, what, most):
    return random.sample(what, random.randint(1, most))


def path(random):
    """May not end in what would be a star, nor have anything that is normalised."""
    return "/" + "/".join(random.choice(SEGMENTS) for _ in range(random.choice([0, 1, 1, 2, 2, 3, 5])))


def value(random):
    kind = random.choice(["text", "text", "exact", "prefix", "regex", "present"])
    if kind == "text":
        return random.choice(VALUES)
    out = {kind: random.choice({"regex": VALUE_EXPRESSIONS, "present": [True, False],
                                "prefix": ["1", "t", "ab"]}.get(kind, VALUES))}
    if random.random() < 0.3:
        out["not"] = True
    return out


def rare(random):
    out = {}
    for key, names in (("cookies", NAMES[:3]), ("query", NAMES)):
        if random.random() < 0.15:
            out[key] = {name: value(random) for name in some(random, names, 3)}
    if random.random() < 0.1:
        out["clients"] = some(random, NETWORKS, 2)
    if random.random() < 0.05:
        out["countries"] = some(random, COUNTRIES, 3)
    if random.random() < 0.1:
        out["sni"] = some(random, HOSTS[:9], 3)
    if random.random() < 0.1:
        out["alpn"] = random.choice(PROTOCOLS)
    if random.random() < 0.1:
        out["client_subject"] = value(random)
    if random.random() < 0.1:
        out["session_id"] = random.choice(SESSION_MATCHES)
    if random.random() < 0.1:
        out["session_resumed"] = random.choice([True, False])
    if random.random() < 0.1:
        out["listeners"] = some(random, ["v:80", "v:81"], 2)
    return out


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
        out["headers"] = {name: value(random) for name in some(random, FIELDS, 3)}
    if "path" in out and random.random() < 0.2:
        out["path"] = {"regex": random.choice(PATH_EXPRESSIONS)}
    return out | rare(random)


def table(random):
    return [{"name": f"r{i}", "match": match(random), "upstream": "u"}
            for i in range(random.choice([0, 1, 2, 5, 10, 20, 60]))]


def rules(random):
    """What a listener makes of requests."""
    return {"dot_segments": random.choice(["resolve", "resolve", "resolve", "refuse", "keep"]),
            "encoded_slashes": random.choice(["refuse", "keep", "decode"]),
            "underscores": random.choice(["drop", "drop", "drop", "keep", "keep", "refuse"])}
