"""A shuntd that another shuntd started in its own place: no child of ours, watched by its pidfd."""
import os
import re
import select
import signal
import subprocess

from tests.harness.run import PATIENCE, wait_until

PLACE = re.compile(r"process (\d+) serves in the place of this one")


class Successor:
    """As much of subprocess.Popen as labs need. How it ended, nobody but its parent learns."""

    def __init__(self, pid):
        self.pid = pid
        self.fd = os.pidfd_open(pid)
        self.returncode = None

    def poll(self):
        if self.fd >= 0 and select.select([self.fd], [], [], 0)[0]:
            self.forget()
        return self.returncode

    def wait(self, timeout=None):
        if self.fd >= 0 and not select.select([self.fd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("shuntd", timeout)
        if self.fd >= 0:
            self.forget()
        return self.returncode

    def forget(self):
        os.close(self.fd)
        self.fd, self.returncode = -1, 0

    def send_signal(self, number):
        if self.poll() is None:
            signal.pidfd_send_signal(self.fd, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def upgrade(daemon, log, seconds=PATIENCE):
    """Tells the daemon to start a new one in its place; that one, once it serves. log(): its lines."""
    before = len(log())
    daemon.send_signal(signal.SIGUSR2)
    wait_until(lambda: PLACE.search(log()[before:]) or "upgrade failed" in log()[before:] or
               "no upgrade" in log()[before:], "the upgrade", seconds)
    found = PLACE.search(log()[before:])
    assert found, log()[before:]
    successor = Successor(int(found[1]))
    wait_until(lambda: "notice: ready" in log()[before:], "the new one is ready", seconds)
    return successor
