"""From the bytes of a request to its route, against a slow, obvious matcher: random tables, random
requests, no disagreement.
SHUNT_ROUTE_TABLES says how many tables, SHUNT_ROUTE_SEED which."""
import collections
import json
import os
import random
import re
import subprocess

import pytest

from tests.harness import mmdb
from tests.harness.route_reference import choose
from tests.harness.route_requests import head, request
from tests.harness.route_tables import PLACES, rules, table

TABLES = int(os.environ.get("SHUNT_ROUTE_TABLES", 2000))
SEED = int(os.environ.get("SHUNT_ROUTE_SEED", 1))
REQUESTS = 25
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/routes/route_lookup")


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    mmdb.write(folder / "places.mmdb", PLACES)
    with subprocess.Popen([PROGRAM], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()
        assert process.wait(60) == 0


def ask(router, routes, made, requests):
    listeners = [{"port": port, "protocol": "http", "routes": "t", "requests": of}
                 for port, of in zip((80, 81), made, strict=True)]
    config = {"node": {"countries": "places.mmdb"}, "upstreams": {"u": {"endpoints": []}}, "routes": {"t": routes},
              "vips": [{"name": "v", "addresses": ["192.0.2.1"], "listeners": listeners}]}
    asked = [one | {"head": head(one)} for one in requests]
    router.stdin.write(json.dumps({"config": config, "requests": asked}) + "\n")
    router.stdin.flush()
    return json.loads(router.stdout.readline())


def without_hidden(router, routes, made, requests):
    """A table with routes that can never match is refused; none of them may ever have been chosen."""
    left, answer = routes, ask(router, routes, made, requests)
    while "findings" in answer:
        named = set()
        for finding in answer["findings"]:
            name = re.search(r'the route "(\w+)" can never match', finding)
            assert name, f"a table is refused: {finding}\n{json.dumps(left)}"
            named.add(name[1])
        for one in requests:
            assert choose(routes, one, made)[0] not in named, f"{named} can match\n{one}\n{json.dumps(left)}"
        left = [route for route in left if route["name"] not in named]
        answer = ask(router, left, made, requests)
    return left, answer["routes"]


def test_the_router_agrees_with_the_reference(router):
    source = random.Random(SEED)
    count = collections.Counter()
    for number in range(TABLES):
        routes, made = table(source), [rules(source), rules(source)]
        requests = [request(source, routes) for _ in range(REQUESTS)]
        routes, got = without_hidden(router, routes, made, requests)
        for one, told in zip(requests, got, strict=True):
            want = choose(routes, one, made)
            count["routed" if want[0] else want[1]] += 1
            assert tuple(told) == want, (f"table {number} of seed {SEED}: got {told}, want {want}\n"
                                         f"{one}\n{made}\n{json.dumps(routes)}")
    print(f"seed {SEED}: {TABLES} tables, {sum(count.values())} requests, {dict(count)}, no disagreement")
    # Of both there are many, or nothing was compared.
    assert count["routed"] > TABLES * REQUESTS / 4 and count[400] > TABLES * REQUESTS / 50
