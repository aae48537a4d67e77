"""Live splices and bodies while what carries them changes: neighbours, routes, devices, workers, programs."""
import signal

import pytest

from tests.harness import alive as drill
from tests.harness import config
from tests.harness.run import wait_until

pytestmark = config.BOTH_HOOKS


@pytest.fixture(scope="module")
def node(lab):
    drill.prepare(lab)
    lab.shunt(drill.configuration(), more=())
    return lab


@pytest.fixture(scope="module")
def alive(node):
    """One for all: what survives one change has to survive the next."""
    return drill.Alive(node)


def test_a_next_hop_with_another_mac_is_followed(alive, node):
    """Nobody announces it: the kernel is made to ask."""
    drill.other_mac(node)
    alive.goes_on()
    alive.more_bodies()


def test_another_route_is_followed_also_where_the_old_one_leads_nowhere(alive, node):
    drill.by_eth1(node)
    alive.goes_on()
    drill.eth1_down(node)
    alive.goes_on()
    alive.more_bodies()
    drill.eth1_up(node)
    drill.by_eth1(node)
    alive.goes_on()
    drill.not_by_eth1(node)
    alive.goes_on()


def test_a_device_that_goes_down_and_comes_back_stalls_nothing(alive, node):
    drill.eth0_down_and_up(node)
    alive.goes_on()
    alive.more_bodies()


def test_programs_are_replaced_in_the_midst_of_splices_and_bodies(alive, node):
    for _ in range(2):
        drill.replace_programs(node)
        alive.goes_on()
    alive.more_bodies()
    alive.no_connection_is_new()  # so far


def test_reloads_that_change_the_workers_break_neither_splices_nor_bodies(alive, node):
    for count in (4, 1, 2):
        node.reload(drill.configuration(count))
        alive.goes_on()


def test_streams_that_end_in_every_way_hinder_no_later_ones(alive, node):
    """Finished, reset, or vanished; the next often has the same port at once."""
    before = node.status()["splices"]
    churns = [drill.Churn(node, address, 4, 1) for address in (drill.V4, drill.V6)]
    wait_until(lambda: node.status()["splices"]["begun"] >= before["begun"] + 60, "60 splices")
    wait_until(lambda: node.status()["splices"]["reused"] > before["reused"], "a port is used again")
    for churn in churns:
        got = churn.end()
        assert got["ok"] and not got["errors"] and not got["stalled"], got
    alive.goes_on()


def test_an_upgrade_waits_for_bodies_and_keeps_splices(alive, node):
    drill.replace_daemon(node, alive.goes_on)
    alive.more_bodies()


def test_a_killed_daemon_takes_bodies_along_cleanly_and_no_splice(alive, node):
    """Whose body was cut hears so at once: nothing hangs."""
    node.stop(signal.SIGKILL)
    for talk in alive.bodies:
        wait_until(lambda t=talk: t.ask()["all"], "all bodies are cut")
    for talk in alive.streams:
        talk.goes_on()
    node.shunt(drill.configuration(), more=())
    for talk in alive.streams:
        talk.goes_on()
    fresh = drill.Alive(node)
    fresh.goes_on()
    alive.end(alive.streams)
    fresh.end()
    # Those whose clients vanished have an hour.
    node.ctl("flows", "kill", "--admin", node.admin, "--all")
    wait_until(lambda: node.status()["splices"]["active"] == 0, "all splices have ended")
