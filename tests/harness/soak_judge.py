"""What a soak's requests came to: each failure has to be owed to an endpoint that was killed."""
import json
import os

DEEDS_KIB = 6400  # of each worker's memory, once it remembers as many requests as it may (proxy/deed_ring.h)


def memory_kib(pid):
    """Anonymous memory: what was allocated."""
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))


def descriptors(pid, endpoint_ports):
    """But for connections to endpoints: those are kept, up to a known number."""
    with open("/proc/net/tcp", encoding="ascii") as lines:
        rows = [line.split() for line in lines][1:]
    kept = {row[9] for row in rows if int(row[2].split(":")[1], 16) in endpoint_ports}
    count = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            name = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        count += not (name.startswith("socket:[") and name[8:-1] in kept)
    return count


class Judge:
    """fates: four bytes a request, as in soak.h."""

    def __init__(self, fates):
        self.fates = fates
        self.failed = []  # as the load tells them
        self.down = []  # when an endpoint was down: from, to, its port
        self.quiet = []  # memory and descriptors of the present process at quiet moments

    def done(self):
        """How many have an end."""
        done = self.fates[2::4]
        return len(done) - done.count(0)

    @staticmethod
    def ends(access_log):
        """Of requests that endpoints did not answer: which endpoint, and the word for why."""
        ends = {}
        for line in access_log:
            if '"status":50' in line.replace(" ", ""):
                entry = json.loads(line)
                ends[int(entry["path"].rsplit("/", 1)[1])] = (
                    int(entry["endpoint"].rsplit(":", 1)[1]) if entry.get("endpoint") else 0, entry["end"])
        return ends

    def owed(self, number, began, ended, end):
        """To what death of which endpoint a failure is owed; None where to none. An endpoint's kernel
        takes connections until the very end, so what was lost there was not seen by the endpoint: then
        shuntd must have been sent away by that same endpoint, and not have failed to reach it."""
        seen, answered = self.fates[4 * number], self.fates[4 * number + 1]
        down = {port for start, back, port in self.down if began <= back and start <= ended}
        if down and seen and answered < seen:
            return "an endpoint had it and was killed"
        if end and end[0] in down and not seen and end[1] == "endpoint_closed":
            return "an endpoint that was killed had its connection"
        return None

    def verdict(self, told, log, access_log, more_kib):
        """Whether all is well, and lines that say so."""
        lines, good = [], True

        def must(holds, line):
            nonlocal good
            good = good and holds
            lines.append(("  " if holds else "BAD ") + line)

        reasons, ends = {}, self.ends(access_log)
        for line in self.failed:
            number, began, ended, _ = line.split(" ", 3)
            why = self.owed(int(number), int(began), int(ended), ends.get(int(number)))
            if why:
                reasons[why] = reasons.get(why, 0) + 1
            else:
                must(False, f"failed: {line}, seen {self.fates[4 * int(number)]}, answered "
                            f"{self.fates[4 * int(number) + 1]}, by the log {ends.get(int(number))}")
        lines += [f"  {count} failed, since {why}" for why, count in reasons.items()]
        twice = [number for number in range(len(self.fates) // 4)
                 if self.fates[4 * number + 3] and self.fates[4 * number] > 1]
        must(not twice, f"{len(twice)} uploads came to endpoints twice {twice[:3]}")
        again = sum(seen > 1 for seen in self.fates[0::4])
        lines.append(f"  {again} others were asked again on another connection")
        good_ones = self.fates[2::4].count(1)
        must(good_ones + len(self.failed) == len(self.fates) // 4,
             f"{good_ones} good and {len(self.failed)} failed are all")
        must(not told, f"endpoints complain of {len(told)} requests {told[:3]}")
        # A build with sanitizers (SHUNTD) tells of leaks when it ends.
        alarms = [line for line in log.splitlines()
                  if line.startswith("error:") or "Sanitizer" in line or "runtime error" in line]
        must(not alarms, f"shuntd complains {len(alarms)} times {alarms[:3]}")
        # At the first one its pools had not been filled yet.
        (first, fds), (last, last_fds) = self.quiet[1], self.quiet[-1]
        must(last <= first + more_kib, f"memory: {first} KiB, and {last} KiB at the end")
        must(last_fds <= fds, f"descriptors: {fds}, and {last_fds} at the end")
        return good, lines
