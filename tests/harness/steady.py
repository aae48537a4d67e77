"""Clients that never stop asking: /usr/bin/python3 steady.py ADDRESS PORT HOST KEPT NEW.

KEPT of them ask on one connection for as long as the other side keeps it, NEW on one a request. Any
answer but 200 with the path in it, and any broken or refused connection, is a failure. Each line of standard input is
answered by {"done": N, "bad": [..]}, its end ends all.
"""
import http.client
import json
import subprocess
import sys
import threading


class Asker(threading.Thread):
    def __init__(self, where, host, keep, stop):
        super().__init__(daemon=True)
        self.where, self.keep, self.stop = where, keep, stop
        self.headers = {"Host": host} | ({} if keep else {"Connection": "close"})
        self.done, self.bad = 0, []

    def run(self):
        connection = None
        while not self.stop.is_set():
            connection = connection or http.client.HTTPConnection(*self.where, timeout=90)
            try:
                connection.request("GET", f"/{self.done}", headers=self.headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or b"/%d" % self.done not in body:
                    self.bad.append(f"after {self.done}: {answer.status} {body[:80]!r}")
                self.done += 1
                ends = answer.will_close
            except Exception as error:  # counted
                self.bad.append(f"after {self.done}: {error!r}")
                ends = True
            if ends:
                connection.close()
                connection = None


class Load:
    """The process, for a test. start: Popen, or the like."""

    def __init__(self, start, address, port, host, kept=6, new=4):
        self.process = start(
            ["/usr/bin/python3", __file__, address, str(port), host, str(kept), str(new)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def done(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        got = json.loads(self.process.stdout.readline())
        assert got["bad"] == []
        return got["done"]

    def goes_on(self, turns=20):
        """The slowest gets so many more answers."""
        from tests.harness.run import wait_until  # not where this runs by itself
        before = self.done()
        wait_until(lambda: self.done() >= before + turns, "all get answers")

    def end(self):
        return json.loads(self.process.communicate(timeout=120)[0])


def main():
    where, host = (sys.argv[1], int(sys.argv[2])), sys.argv[3]
    stop = threading.Event()
    askers = [Asker(where, host, keep, stop)
              for keep, count in ((True, int(sys.argv[4])), (False, int(sys.argv[5])))
              for _ in range(count)]
    for asker in askers:
        asker.start()
    for _ in sys.stdin:
        print(json.dumps({"done": min(asker.done for asker in askers),
                          "bad": [bad for asker in askers for bad in asker.bad][:5]}), flush=True)
    stop.set()
    for asker in askers:
        asker.join(90)
    print(json.dumps({"done": sum(asker.done for asker in askers),
                      "bad": [bad for asker in askers for bad in asker.bad][:5]}))


if __name__ == "__main__":
    main()
