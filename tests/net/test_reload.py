"""A new configuration under load, and a wrong one."""
import json
import signal
import subprocess

from tests.harness import config
from tests.harness.lab import PYTHON, WEB_VIP, wait_until

LOAD = """
import http.client, threading, time, json
end = time.monotonic() + 4
done, bad = [], []
def work():
    while time.monotonic() < end:
        c = http.client.HTTPConnection('%s', timeout=8)
        try:
            for i in range(20):
                c.request('GET', '/%%d' %% i, headers={'Host': 'b.example.com'})
                r = c.getresponse(); body = r.read()
                (done if r.status == 200 and b'web_' in body else bad).append(r.status)
                if r.will_close: c.close()
        except Exception as e:
            bad.append(repr(e))
        c.close()
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps([len(done), bad[:5]]))
""" % WEB_VIP


def test_reloads_under_load_fail_no_request(shunt):
    load = shunt.start("client", PYTHON, "-c", LOAD, stdout=subprocess.PIPE, text=True)
    turn = 0
    while load.poll() is None:
        turn += 1
        shunt.reload(config.full(web_b="10.0.2.2:8000" if turn % 2 else "10.0.1.2:8000"))
    done, bad = json.loads(load.stdout.read())
    assert turn >= 3 and done > 200
    assert bad == []


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
