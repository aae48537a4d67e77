"""Conversations in varnishtest's own language: who says what, and what is heard before the next word."""
import glob
import os
import re

import pytest

from tests.harness.plain import Plain
from tests.harness.run import TOP, run

CONFIG = """
vips:
  - name: web
    addresses: [127.0.0.1]
    listeners: [ {{ port: {port}, protocol: http, routes: all }} ]
node: {{ tunnel_address: 127.0.0.1 }}
routes: {{ all: [ {{ name: all, upstream: origin }} ] }}
upstreams: {{ origin: {{ endpoints: [ {{ address: "127.0.0.1:{endpoint}" }} ] }} }}
"""


class Proxy(Plain):
    """shuntd before the endpoint that a script plays."""

    def __init__(self):
        super().__init__()
        self.endpoint, = self.free_ports(1)

    def configuration(self):
        return CONFIG.format(port=self.port, endpoint=self.endpoint)


@pytest.mark.parametrize("path", sorted(glob.glob(os.path.join(TOP, "tests/vtc/*.vtc"))),
                         ids=lambda path: os.path.basename(path)[:-4])
def test_the_conversation_is_as_written(path):
    """A line "# log TEXT" is to be found in what was heard: recv compares nothing."""
    with open(path, encoding="utf-8") as lines:
        heard = re.findall(r"^# log (.*)$", lines.read(), re.M)
    with Proxy() as shunt:
        done = run("varnishtest", "-v", "-t", "180", "-D", f"port={shunt.port}", "-D",
                   f"endpoint={shunt.endpoint}", path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [text for text in heard if not re.search(rf"recv\|.*{re.escape(text)}", done.stdout)] == [], done.stdout
