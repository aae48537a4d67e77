"""A shunt node of the lab: shuntd in one host, its files, and what it says of itself."""
import json
import os
import signal

from tests.harness import successor
from tests.harness.run import BUILD, PATIENCE, SHUNTD, run, wait_until


class Node:
    def __init__(self, lab, host):
        self.lab, self.host = lab, host
        self.dir = os.path.join(lab.dir, host)
        self.daemon = None
        self.program = SHUNTD
        os.mkdir(self.dir)
        open(os.path.join(self.dir, "shuntd.log"), "w", encoding="utf-8").close()

    @property
    def pins(self):
        return os.path.join(self.lab.dir, "bpf", self.host)

    @property
    def admin(self):
        return os.path.join(self.dir, "admin.sock")

    @property
    def config(self):
        return os.path.join(self.dir, "shunt.yaml")

    def write(self, text):
        """As an editor does: a new file over the old one."""
        with open(self.config + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(self.config + ".new", self.config)

    def log(self):
        with open(os.path.join(self.dir, "shuntd.log"), encoding="utf-8") as log:
            return log.read()

    def access_log(self):
        """All lines of what has ended by now; they come a moment later than what they tell of."""
        path = os.path.join(self.dir, "access.log")
        asked = self.ctl("status", "--admin", self.admin, "--json", check=False)
        ended = json.loads(asked.stdout)["stats"]["exchanges"] if asked.returncode == 0 else 0
        wait_until(lambda: self.lines_of(path) >= ended, "all lines of the access log")
        with open(path, encoding="utf-8") as log:
            return [json.loads(line) for line in log]

    def not_done(self):
        """What the access log says of those that ended badly: why a client was cut."""
        return [line for line in self.access_log() if line["end"] != "done"][-5:]

    @staticmethod
    def lines_of(path):
        with open(path, "rb") as lines:
            return sum(b'"splice":"ended"' not in line for line in lines.read().split(b"\n")[:-1])

    def shunt(self, config, ready=True, more=("--workers", "2")):
        """Starts shuntd with this configuration, and more arguments."""
        self.write(config)
        with open(os.path.join(self.dir, "shuntd.log"), "a", encoding="utf-8") as log:
            before = len(self.log())
            self.daemon = self.lab.start(
                self.host, self.program, "-c", self.config, "--pin-dir", self.pins,
                "--cgroup", self.lab.cgroup, "--admin", self.admin, "--access-log",
                os.path.join(self.dir, "access.log"), *more, stderr=log,
                stdout=log)
        if ready:
            wait_until(lambda: "ready" in self.log()[before:] or self.daemon.poll() is not None,
                       "shuntd is ready")
            assert self.daemon.poll() is None, self.log()
        return self.daemon

    def reload(self, config):
        before = self.status()["snapshot"]
        self.write(config)
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: self.status()["snapshot"] > before, f"a new snapshot: {self.log()}")

    def upgrade(self):
        """A new shuntd in the place of this one, which is returned, and ends."""
        old, self.daemon = self.daemon, successor.upgrade(self.daemon, self.log)
        self.lab.processes.append(self.daemon)
        return old

    def stop(self, sig=signal.SIGTERM):
        self.daemon.send_signal(sig)
        return self.daemon.wait(PATIENCE)

    def ctl(self, *words, check=True):
        return run(os.path.join(BUILD, "shuntctl"), *words, check=check)

    def status(self):
        return json.loads(self.ctl("status", "--admin", self.admin, "--json").stdout)

    def health(self, upstream):
        """State and layer of each endpoint that is checked, by its vpc, or its address without one."""
        status = self.status()
        return {one["vpc"] or one["endpoint"]: (one["state"], one["layer"]) for one in status["health"]
                if one["upstream"] == upstream}

    def flows(self):
        return json.loads(self.ctl("flows", "--pin-dir", self.pins, "--json").stdout)

    def only(self, counter):
        return self.status()["counters"][counter]

    def detach(self, check=True):
        """Whatever is attached and pinned goes."""
        return self.lab.sh(self.host, os.path.join(BUILD, "shunt-loader"), "detach", "--pin-dir",
                           self.pins, check=check)
