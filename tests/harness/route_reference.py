"""Which route takes a request: slow and obvious, from docs/routing.md alone. Shares no code with
the router, and looks at every route of the table for every request."""
import ipaddress
import re
import string
import urllib.parse

from tests.harness.route_tables import PLACES


def host_matches(pattern, host):
    host = host.lower()
    if host.endswith("."):
        host = host[:-1]
    if pattern is None:
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def path_matches(pattern, path):
    if pattern is None:
        return True
    if isinstance(pattern, dict):
        return re.fullmatch(pattern["regex"], path) is not None
    if pattern.endswith("/*"):
        prefix = pattern[:-2]
        return path == prefix or path.startswith(prefix + "/")
    return path == pattern


def value_matches(wanted, value):
    """value: None where there is none."""
    if isinstance(wanted, str):
        wanted = {"exact": wanted}
    if "present" in wanted:
        holds = (value is not None) == wanted["present"]
    elif value is None:
        holds = False
    elif "exact" in wanted:
        holds = value == wanted["exact"]
    elif "prefix" in wanted:
        holds = value.startswith(wanted["prefix"])
    else:
        holds = re.fullmatch(wanted["regex"], value) is not None
    return not holds if wanted.get("not") else holds


def first(pairs, name):
    return next((value for other, value in pairs if other == name), None)


def values_match(wanted, pairs):
    return all(value_matches(value, first(pairs, name)) for name, value in wanted.items())


def cookies_of(headers):
    line = first(headers, "cookie") or ""
    return [piece.strip().split("=", 1) for piece in line.split(";") if "=" in piece]


def query_of(query):
    decode = urllib.parse.unquote_plus
    pieces = [piece.partition("=") for piece in (query or "").split("&")]
    return [(decode(name), decode(value)) for name, _, value in pieces] if query else []


def client_matches(networks, client):
    return client is not None and any(
        ipaddress.ip_address(client) in ipaddress.ip_network(network) for network in networks)


def country_matches(countries, client):
    found = [code for network, code in PLACES.items() if client_matches([network], client)]
    return (found[0] if found else "UNKNOWN") in [code.upper() for code in countries]


class Refused(Exception):
    """With 400: it can be read in more than one way."""


def unescaped(path, rules):
    """Each byte in its one spelling."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise Refused(path)

    def one(escape):
        char = chr(int(escape[0][1:], 16))
        if char in "\\\0" or (char == "/" and rules["encoded_slashes"] == "refuse"):
            raise Refused(path)
        plain = char in string.ascii_letters + string.digits + "-._~"
        return char if plain or (char == "/" and rules["encoded_slashes"] == "decode") else escape[0].upper()
    return re.sub("%..", one, path)


def normalised(path, rules):
    """As "requests" of docs/configuration.md says."""
    if path == "*":
        return path
    path = unescaped(path, rules)
    if rules["dot_segments"] == "keep":
        return path
    kept, segments = [], path.split("/")[1:]
    for segment in segments:
        pieces = segment.split("%2F")
        if any(re.match(r"\.\.?(;|$)", piece) for piece in pieces) and segment not in (".", ".."):
            raise Refused(path)
        if segment not in (".", ".."):
            kept.append(segment)
        elif rules["dot_segments"] == "refuse" or (segment == ".." and not kept):
            raise Refused(path)
        elif segment == "..":
            kept.pop()
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def split_host(authority):
    """Host and port, 0 where none is given."""
    got = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,255})(:[0-9]{0,5})?", authority)
    if not got or got[2] and got[2] != ":" and not 1 <= int(got[2][1:]) <= 65535:
        raise Refused(authority)
    return got[1].lower(), int((got[2] or "")[1:] or 0)


def place_of(request):
    """Host without port, path and query as written."""
    target = request["target"]
    if target == "*" and request["method"] != "OPTIONS":
        raise Refused(target)
    host, port = split_host(request["host"]) if request["host"] is not None else ("", 0)
    whole = re.match(r"(?i)http(s?)://([^/?]*)", target)
    if whole:
        usual = 443 if whole[1] else 80
        named, number = split_host(whole[2])
        if (named, number or usual) != (host, port or usual):
            raise Refused(target)
        target = target[whole.end():]
        if not target and request["method"] == "OPTIONS":
            target = "*"
    path, _, query = target.partition("?")
    if not path.startswith("/") and not (whole and not path) and path != "*":
        raise Refused(path)
    return host, path or "/", query


def read(request, rules):
    """As routes see it, by the rules of its listener."""
    host, path, query = place_of(request)
    path = normalised(path, rules)
    headers = [(name.lower(), value) for name, value in request["headers"]]
    if rules["underscores"] == "refuse" and any("_" in name for name, _ in headers):
        raise Refused(headers)
    if rules["underscores"] == "drop":
        headers = [pair for pair in headers if "_" not in pair[0]]
    return request | {"host": host, "path": path, "query": query, "headers": headers}


def matches(route, request):
    match, headers = route.get("match", {}), request["headers"]
    wanted = {name.lower(): value for name, value in match.get("headers", {}).items()}
    return (host_matches(match.get("host"), request["host"])
            and path_matches(match.get("path"), request["path"])
            and ("methods" not in match or request["method"] in match["methods"])
            and values_match(wanted, headers)
            and values_match(match.get("cookies", {}), cookies_of(headers))
            and values_match(match.get("query", {}), query_of(request["query"]))
            and ("clients" not in match or client_matches(match["clients"], request.get("from")))
            and ("countries" not in match or country_matches(match["countries"], request.get("from")))
            and ("sni" not in match or any(host_matches(s, request["sni"]) for s in match["sni"]
                                           if request["sni"]))
            and ("alpn" not in match or value_matches(match["alpn"], request["alpn"]))
            and ("client_subject" not in match or value_matches(match["client_subject"], request["subject"]))
            and ("session_id" not in match or value_matches(match["session_id"], request["session_id"]))
            and match.get("session_resumed") in (None, request["session_resumed"])
            and ("listeners" not in match or f"v:{80 + request['listener']}" in match["listeners"]))


def host_rank(pattern):
    if pattern is None:
        return (0, 0)
    return (1 if pattern.startswith("*.") else 2, len(pattern))


def path_rank(pattern):
    if pattern is None:
        return (1, 0)
    if isinstance(pattern, dict):
        return (0, 0)
    if pattern.endswith("/*"):
        return (1, len(pattern) - 2)
    return (2, 0)


def rank(route):
    """The greatest wins; of equal ones, the first written."""
    match = route.get("match", {})
    return (host_rank(match.get("host")), path_rank(match.get("path")),
            "methods" in match, len(match.get("headers", {})) + len(match.get("cookies", {})),
            len(match.get("query", {})))


def choose(routes, request, rules):
    """The name of the route and the path that it sees; None and the status of a refusal."""
    try:
        request = read(request, rules[request["listener"]])
    except Refused:
        return None, 400
    fitting = [route for route in routes if matches(route, request)]
    return (max(fitting, key=rank)["name"], request["path"]) if fitting else (None, 404)
