"""Without devices and without privileges: a plain proxy that says what is lost."""
import os
import subprocess

from tests.harness.lab import BUILD, HARNESS, PYTHON, wait_until
from tests.harness.run import PATIENCE

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners:
      - { port: 8080, protocol: http, routes: all }
      - { port: 7000, protocol: tcp-proxy, upstream: origin }
      - { port: 5300, protocol: udp, upstream: dns, forward: vxlan }
node: { tunnel_address: 127.0.0.1 }
routes: { all: [ { name: all, upstream: origin } ] }
upstreams:
  origin: { endpoints: [ { address: "127.0.0.1:8000" } ] }
  dns: { endpoints: [ { address: "127.0.0.1:5300" } ] }
"""


def test_an_ordinary_user_can_try_it(lab):
    os.chmod(lab.dir, 0o755)
    path = lab.file("plain.yaml", CONFIG)
    lab.start("client", PYTHON, os.path.join(HARNESS, "origin.py"), "local", "8000")
    wait_until(lambda: ":8000" in lab.sh("client", "ss", "-ltn").stdout, "the origin")
    log = os.path.join(lab.dir, "plain.log")
    with open(log, "w", encoding="utf-8") as out:
        daemon = lab.start("client", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           os.path.join(BUILD, "shuntd"), "-c", path, "--access-log", "/dev/null",
                           stderr=out, stdout=subprocess.DEVNULL)

    def logged():
        with open(log, encoding="utf-8") as lines:
            return lines.read()

    wait_until(lambda: "ready" in logged() or daemon.poll() is not None, "shuntd is ready")
    assert daemon.poll() is None, logged()
    assert "plain proxy" in logged() and "5300" in logged()
    assert lab.curl("http://127.0.0.1:8080/x").stdout == "local 127.0.0.1:8080 /x\n"
    assert lab.curl("http://127.0.0.1:7000/y").stdout.startswith("local ")
    daemon.terminate()
    assert daemon.wait(PATIENCE) == 0
