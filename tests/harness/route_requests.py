"""Random requests as clients write them, near the routes of a table: names in any case, paths in any
spelling, with dot segments, escapes, and what is refused."""
from tests.harness.route_tables import (CLIENTS, FIELDS, HOSTS, LABELS, METHODS, NAMES, SESSIONS, VALUES,
                                        path)

ODD = ["/.", "/..", "/./", "/../", "//", "/%2e%2E", "/.%2e/a", "/..;x", "/.;/", "%2f", "/a%2F..", "%5c", "%00",
       "%zz", "%4", "/...", "/*", "/a%2fb", "%2e", "@", ":"]


def host(random, routes):
    """What the field Host says; None: there is none."""
    hosts = [r["match"]["host"] for r in routes if "host" in r["match"]]
    name = random.choice(hosts or HOSTS)
    if random.random() < 0.1:
        name = ".".join(random.choice(LABELS) for _ in range(random.randint(0, 4)))
    if name.startswith("*."):
        name = random.choice(LABELS) + name[1:]
    if random.random() < 0.1:
        name = random.choice(["x" * 300 + ".", "x" * 245 + ".", "y.", "y.", "a."]) + name
    if random.random() < 0.2:
        name = name.upper()
    name += "." if random.random() < 0.1 else ""
    if not name:
        return None
    return name + (random.choice([":80", ":8080", ":443", ":80", ":", ":0", ":x"]) if random.random() < 0.2 else "")


def spelled(random, text):
    """The same path in another spelling, mostly."""
    out = ""
    for char in text:
        coded = char not in "/%*" and random.random() < 0.2
        out += random.choice(["%%%02x", "%%%02X"]) % ord(char) if coded else char
        if char == "/" and random.random() < 0.1:
            out += random.choice(["./", "x/../", "%2e/", "a/%2E./", "x/y/../../"])
    return out


def target_path(random, routes):
    paths = [r["match"]["path"] for r in routes if isinstance(r["match"].get("path"), str)]
    near = random.choice(paths) if paths and random.random() < 0.7 else path(random)
    if near.endswith("/*"):
        near = near[:-2] + random.choice(["", "/", path(random)])
    if random.random() < 0.2:
        near += random.choice(["x", "/", path(random)])
    if random.random() < 0.1:
        at = random.choice([random.randint(0, len(near)), len(near)])
        near = near[:at] + random.choice(ODD) + near[at:]
    return spelled(random, near) if random.random() < 0.3 else near


def query(random):
    def written(text):
        return random.choice([text.replace(" ", "+"), "".join(f"%{ord(c):02x}" for c in text)])
    pairs = [written(random.choice(NAMES)) + random.choice(["", "=" + written(random.choice(VALUES))])
             for _ in range(random.choice([0, 0, 1, 2, 3]))]
    if random.random() < 0.05:
        pairs.append(random.choice(["a=%zz", "b=%", "", "=", "a==1", "a=1=2"]))
    return "&".join(pairs)


def target(random, routes, authority):
    """In the forms of RFC 9112, 3.2: of a path, sometimes with the host, or the asterisk."""
    if random.random() < 0.01:
        return "*"
    place = target_path(random, routes)
    asked = query(random)
    text = place + (f"?{asked}" if asked or random.random() < 0.02 else "")
    if authority and random.random() < 0.05:
        other = random.choice([authority, authority, authority.lower(), authority.split(":")[0] + ":80", "b.test"])
        return random.choice(["http://", "HTTP://", "https://"]) + other + text
    return text


def cased(random, name):
    return random.choice([name, name, name.upper(), name.title()])


def fields(random):
    out = [[cased(random, random.choice(FIELDS)), random.choice(VALUES)]
           for _ in range(random.choice([0, 0, 1, 2, 4]))]
    while random.random() < 0.35:
        pairs = [f"{random.choice(NAMES[:3])}={random.choice(VALUES)}" for _ in range(random.randint(0, 3))]
        out.append([cased(random, "cookie"), random.choice(["; ", ";"]).join(pairs)])
    return out


def request(random, routes):
    """host: what the field says, or None, as of HTTP/1.0."""
    said = host(random, routes)
    return {"method": random.choice(METHODS), "target": target(random, routes, said), "host": said,
            "headers": fields(random), "sni": random.choice(["", "a.test", "x.a.test", "B.TEST"]),
            "alpn": random.choice(["http/1.1", None]), "subject": random.choice([*VALUES, None, None]),
            "session_id": random.choice([*SESSIONS, None]), "session_resumed": random.choice([True, False]),
            "listener": random.choice([0, 1]), "from": random.choice(CLIENTS)}


def head(one):
    """The bytes of a request, as text."""
    lines = [f"{one['method']} {one['target']} HTTP/1.{0 if one['host'] is None else 1}"]
    lines += [] if one["host"] is None else [f"Host: {one['host']}"]
    lines += [f"{name}: {value}" for name, value in one["headers"]]
    return "\r\n".join(lines) + "\r\n\r\n"
