"""Which route takes a request: slow and obvious, from docs/routing.md alone. Shares no code with
the router, and looks at every route of the table for every request."""
import ipaddress
import re
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


def matches(route, request):
    match = route.get("match", {})
    headers = [(name.lower(), value) for name, value in request["headers"]]
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


def choose(routes, request):
    """The name of the route, or None."""
    fitting = [route for route in routes if matches(route, request)]
    return max(fitting, key=rank)["name"] if fitting else None
