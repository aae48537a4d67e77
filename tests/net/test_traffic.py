"""Very many keep-alive connections whose large bodies the kernel carries: no byte is lost, nothing stalls.

TRAFFIC=N plays N times as many connections."""
import os

import pytest

from tests.harness import config, traffic

pytestmark = config.BOTH_HOOKS
TIMES = int(os.environ.get("TRAFFIC", "1"))


@pytest.fixture(scope="module")
def origins(lab):
    traffic.start_origins(lab)
    lab.shunt(traffic.configuration())
    return lab


def spliced(lab):
    return lab.status()["stats"]["bodies_spliced"]


def test_a_thousand_connections_with_random_bodies_both_ways_lose_no_byte(origins, hook):
    before = spliced(origins)
    # Where packets are large, much of a body is there before anybody can decide.
    print(traffic.play(origins, 1000 * TIMES, 4, 1, ("-l", "300000" if hook == "xdp" else "2000000")))
    assert spliced(origins) > before + (1000 * TIMES if hook == "xdp" else 50)


def test_where_ends_stop_reading_for_a_while_nothing_stalls(origins):
    before = spliced(origins)
    print(traffic.play(origins, 30 * TIMES, 8, 2, ("-l", "8000000", "-z")))
    assert spliced(origins) > before + 30 * TIMES


def test_numbers_that_wrap_within_a_body_lose_no_byte(origins):
    before = spliced(origins)
    print(traffic.play(origins, 50 * TIMES, 10, 3, ("-l", "1000000", "-w", "2000000")))
    assert spliced(origins) > before + 20 * TIMES
