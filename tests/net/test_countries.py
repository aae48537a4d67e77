"""Routes by the country of the client, by a database that changes, breaks and goes."""
import json
import os
import signal

import pytest

from tests.harness import mmdb
from tests.harness.explaining import SHUNTCTL
from tests.harness.plain import Plain
from tests.harness.run import SHUNTD, run, wait_until

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - {{ port: {port}, protocol: http, routes: all, proxy_protocol_from: [127.0.0.1] }}
      - {{ port: {hasty}, protocol: http, routes: all, proxy_protocol_from: [192.0.2.0/24] }}
node: {{ tunnel_address: 127.0.0.1, countries: places.mmdb }}
routes:
  all:
    - {{ name: near, match: {{ countries: [de, Fr] }}, respond: {{ status: 200, body: near }} }}
    - {{ name: narrow, match: {{ countries: [JP], clients: ["2001:db8:1::/48"] }},
         respond: {{ status: 200, body: narrow }} }}
    - {{ name: japan, match: {{ countries: [JP] }}, respond: {{ status: 200, body: japan }} }}
    - {{ name: nobody, match: {{ countries: [UNKNOWN] }}, respond: {{ status: 200, body: nobody }} }}
    - {{ name: far, respond: {{ status: 200, body: far }} }}
tests:
  - {{ request: "GET http://a.example.com:{port}/", from: 198.51.100.1, route: near }}
"""

ENTRIES = {"198.51.100.0/25": "DE", "198.51.100.128/26": "FR", "198.51.100.192/26": "US", "203.0.113.5/32": "JP",
           "203.0.113.6/32": "ZZ", "203.0.113.7/32": {"continent": {"code": "EU"}},
           "203.0.113.8/32": {"country": "DE"}, "203.0.113.9/32": {"country": {"iso_code": ["DE"]}},
           "203.0.113.10/32": {"country": {"iso_code": "DEU"}}, "2001:db8::/48": "JP", "2001:db8:1::/48": "JP",
           "2001:db8:2::/48": "FR", "2001:db8:3::/48": "US"}
CLIENTS = [("198.51.100.1", "near"), ("198.51.100.127", "near"), ("198.51.100.130", "near"),
           ("198.51.100.200", "far"), ("203.0.113.4", "nobody"), ("203.0.113.5", "japan"), ("203.0.113.6", "nobody"),
           ("203.0.113.7", "nobody"), ("203.0.113.8", "nobody"), ("203.0.113.9", "nobody"),
           ("203.0.113.10", "nobody"), ("10.0.0.1", "nobody"), ("2001:db8::1", "japan"),
           ("2001:db8:1::1", "narrow"), ("2001:db8:2::ffff", "near"), ("2001:db8:3::1", "far"), ("::1", "nobody"),
           ("2001:db9::1", "nobody")]


class Countries(Plain):
    def start(self):
        mmdb.write(self.path("places.mmdb"), ENTRIES)
        super().start()

    def configuration(self):
        return CONFIG.format(port=self.port, hasty=self.hasty)

    def taken(self, address, hasty=False, introduced=True):
        """Whose route a client has, by a PROXY header or by what it is."""
        client = self.client(hasty)
        family = "TCP6" if ":" in address else "TCP4"
        to = "2001:db8::9" if ":" in address else "192.0.2.9"
        if introduced:
            client.send(f"PROXY {family} {address} {to} 4000 80\r\n".encode())
        client.send(b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")
        answer = client.read_answer()
        client.sock.close()
        return answer.body.decode()

    def explained(self, *words):
        return run(SHUNTCTL, "explain", f"GET http://127.0.0.1:{self.port}/", "--admin", self.path("admin.sock"),
                   *words, check=False).stdout


@pytest.fixture(scope="module", name="shunt")
def fixture_shunt():
    with Countries() as made:
        yield made


@pytest.mark.parametrize("address,route", CLIENTS, ids=[address for address, _ in CLIENTS])
def test_a_client_is_where_the_database_has_it(shunt, address, route):
    assert shunt.taken(address) == route


def test_explain_knows_it_too(shunt):
    for address, route in CLIENTS:
        assert json.loads(shunt.explained("--json", "--from", address))["route"] == route, address
    assert "the client's country is another, US" in shunt.explained("--from", "198.51.100.200")
    assert "nobody knows the client's country" in shunt.explained("--from", "10.0.0.1")


def test_who_introduces_nobody_is_where_its_own_address_is(shunt):
    assert shunt.taken("", hasty=True, introduced=False) == "nobody"


def refused(shunt, why):
    """A reload by signal that says so."""
    shunt.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: why in shunt.log(), "the log says why")


def test_a_database_that_changes_is_read_again_and_a_broken_one_is_not_taken(shunt):
    """However it changes: by another file in its place, or by writing over what it has."""
    place, whole = shunt.path("places.mmdb"), mmdb.database(ENTRIES)
    mmdb.write(place, ENTRIES | {"203.0.113.5/32": "FR"})
    wait_until(lambda: shunt.taken("203.0.113.5") == "near", "the new database")
    with open(place, "wb") as out:
        out.write(whole[:200])
    # Whether or not that is noticed yet, what is in effect has no part in it.
    assert [shunt.taken(address) for address in ("203.0.113.5", "2001:db8:2::1")] == ["near", "near"]
    wait_until(lambda: "is no MaxMind DB, or a broken one" in shunt.log(), "the log says why")
    assert [shunt.taken(address) for address in ("203.0.113.5", "2001:db8:2::1")] == ["near", "near"]
    os.unlink(place)
    refused(shunt, "cannot read the database")
    assert shunt.taken("198.51.100.1") == "near" and shunt.taken("198.51.100.200") == "far"
    # Its test would no longer hold.
    mmdb.write(place, ENTRIES | {"198.51.100.0/25": "US"})
    refused(shunt, 'expected route "near"')
    assert shunt.taken("198.51.100.1") == "near"
    mmdb.write(place, ENTRIES)
    shunt.reload()
    wait_until(lambda: shunt.taken("203.0.113.5") == "japan", "the last database")


def check(folder, node, match):
    """What is said of a configuration, one finding a line."""
    file = folder / "x.yaml"
    file.write_text(f"node: {{ {node} }}\nroutes:\n  all:\n"
                    f"    - {{ name: a, match: {{ {match} }}, respond: {{ status: 204 }} }}\n")
    got = run(SHUNTD, "-c", file, "--check", check=False)
    return got.returncode, [line for line in got.stderr.splitlines() if "x.yaml:" in line]


@pytest.mark.parametrize("node,match,where,why", [
    ("countries: good.mmdb", "countries: [XX]", "4:", "expected a country by ISO 3166-1 such as DE, or unknown"),
    ("countries: good.mmdb", "countries: [UK]", "4:", "expected a country by ISO 3166-1 such as DE, or unknown"),
    ("countries: good.mmdb", "countries: [DEU]", "4:", "expected a country by ISO 3166-1 such as DE, or unknown"),
    ("countries: good.mmdb", 'countries: ["D "]', "4:", "expected a country by ISO 3166-1 such as DE, or unknown"),
    ("countries: good.mmdb", 'countries: [""]', "4:", "expected a country by ISO 3166-1 such as DE, or unknown"),
    ("countries: good.mmdb", "countries: [[DE]]", "4:", "expected a country by ISO 3166-1 such as DE, or unknown"),
    ("countries: good.mmdb", "countries: DE", "4:", "a list of countries such as [DE, FR, unknown]"),
    ("countries: good.mmdb", f"countries: [{', '.join(['DE'] * 65)}]", "4:", "expected at most 64 countries, found 65"),
    ("countries: good.mmdb", "countries: []", "4:", 'nothing is in "countries"'),
    ("name: n", "countries: [DE]", "4:", '"countries" of routes need a database'),
    ("countries: none.mmdb", "countries: [DE]", "1:", "none.mmdb: No such file or directory"),
    ("countries: none.mmdb", "path: /x", "1:", "none.mmdb: No such file or directory"),
    ("countries: /dev/zero", "countries: [DE]", "1:", "/dev/zero: it is not a file"),
    ("countries: text.mmdb", "countries: [DE]", "1:", "text.mmdb is no MaxMind DB, or a broken one"),
    ("countries: short.mmdb", "countries: [DE]", "1:", "short.mmdb is no MaxMind DB, or a broken one"),
    ("countries: empty.mmdb", "countries: [DE]", "1:", "empty.mmdb is no MaxMind DB, or a broken one"),
    ("countries: [good.mmdb]", "countries: [DE]", "1:", "expected text, found a list"),
])
def test_what_cannot_be_is_told_with_its_place(tmp_path, node, match, where, why):
    good = mmdb.database(ENTRIES)
    mmdb.write(tmp_path / "good.mmdb", good)
    mmdb.write(tmp_path / "short.mmdb", good[:-40])
    mmdb.write(tmp_path / "text.mmdb", b"no database\n" * 100)
    mmdb.write(tmp_path / "empty.mmdb", b"")
    status, findings = check(tmp_path, node, match)
    assert status == 1
    assert len(findings) == 1 and f"x.yaml:{where}" in findings[0] and why in findings[0], findings


@pytest.mark.parametrize("match", ["countries: [DE]", "countries: [de, unknown]",
                                   f"countries: [{', '.join(['DE'] * 64)}]", "path: /x"])
def test_what_can_be_is_taken(tmp_path, match):
    mmdb.write(tmp_path / "good.mmdb", ENTRIES)
    assert check(tmp_path, "countries: good.mmdb", match) == (0, [])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_it_is_read_again_by_who_has_given_up_its_identity():
    shunt = Countries()
    shunt.more += ["--user", "nobody"]
    os.chmod(shunt.dir, 0o755)
    with shunt:
        assert shunt.taken("203.0.113.5") == "japan"
        mmdb.write(shunt.path("places.mmdb"), ENTRIES | {"203.0.113.5/32": "DE"})
        shunt.reload()
        wait_until(lambda: shunt.taken("203.0.113.5") == "near", "the new database")
