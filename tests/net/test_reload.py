"""A new configuration under load, and a wrong one."""
import signal

from tests.harness import config, steady
from tests.harness.lab import WEB_VIP, wait_until


def test_reloads_under_load_fail_no_request(shunt):
    load = steady.Load(lambda words, **more: shunt.start("client", *words, **more), WEB_VIP, 80,
                       "b.example.com")
    for turn in range(8):
        load.goes_on()
        shunt.reload(config.full(web_b="10.0.1.2:8000" if turn % 2 else "10.0.2.2:8000"))
    load.goes_on()
    assert load.end()["bad"] == []


def test_a_wrong_configuration_changes_nothing_and_is_named(shunt):
    snapshot, seen = shunt.status()["snapshot"], len(shunt.log())
    shunt.write(config.full() + "nonsense: 1\n")
    shunt.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: 'unknown key "nonsense"' in shunt.log()[seen:], "the finding")
    assert "shunt.yaml:" in shunt.log()[seen:]
    assert shunt.status()["snapshot"] == snapshot
    assert shunt.curl(f"http://{WEB_VIP}/", "-H", "Host: b.example.com").stdout.startswith("web_")


def test_a_changed_file_is_found_without_a_signal(shunt):
    shunt.reload(config.full())
    before = shunt.status()["snapshot"]
    shunt.write(config.full(
        extra_routes='- { name: new, match: { path: /new }, respond: { status: 200, body: "new" } }'))
    wait_until(lambda: shunt.status()["snapshot"] > before, "the reload")
    assert shunt.curl(f"http://{WEB_VIP}/new").stdout == "new"
