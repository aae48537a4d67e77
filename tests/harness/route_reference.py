"""Which route takes a request: slow and obvious, from docs/routing.md alone. Shares no code with
the router, and looks at every route of the table for every request."""


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
    if pattern.endswith("/*"):
        prefix = pattern[:-2]
        return path == prefix or path.startswith(prefix + "/")
    return path == pattern


def headers_match(wanted, headers):
    for name, value in wanted.items():
        found = [v for n, v in headers if n.lower() == name.lower()]
        if not found or found[0] != value:
            return False
    return True


def matches(route, request):
    match = route.get("match", {})
    return (host_matches(match.get("host"), request["host"])
            and path_matches(match.get("path"), request["path"])
            and ("methods" not in match or request["method"] in match["methods"])
            and headers_match(match.get("headers", {}), request["headers"]))


def host_rank(pattern):
    if pattern is None:
        return (0, 0)
    return (1 if pattern.startswith("*.") else 2, len(pattern))


def path_rank(pattern):
    if pattern is None:
        return (1, 0)
    if pattern.endswith("/*"):
        return (1, len(pattern) - 2)
    return (2, 0)


def rank(route):
    """The greatest wins; of equal ones, the first written."""
    match = route.get("match", {})
    return (host_rank(match.get("host")), path_rank(match.get("path")),
            "methods" in match, len(match.get("headers", {})))


def choose(routes, request):
    """The name of the route, or None."""
    fitting = [route for route in routes if matches(route, request)]
    return max(fitting, key=rank)["name"] if fitting else None
