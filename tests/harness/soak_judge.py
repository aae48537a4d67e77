"""What a soak's requests came to: each failure has to be owed to an endpoint that was killed."""
import os


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
        self.down = []  # when an endpoint was down: from, to
        self.quiet = []  # memory and descriptors of the present process at quiet moments

    def done(self):
        """How many have an end."""
        done = self.fates[2::4]
        return len(done) - done.count(0)

    def owed(self, number, began, ended, status):
        """To which endpoint's death a failure is owed; None where to none."""
        seen, answered = self.fates[4 * number], self.fates[4 * number + 1]
        if not any(began <= end and start <= ended for start, end in self.down):
            return None
        if seen and answered < seen:
            return "an endpoint had it and was killed"
        if not seen and status in (502, 503) and self.fates[4 * number + 3]:
            return "what may not be sent twice never reached an endpoint that was killed"
        return None

    def verdict(self, told, log, more_kib):
        """Whether all is well, and lines that say so."""
        lines, good = [], True

        def must(holds, line):
            nonlocal good
            good = good and holds
            lines.append(("  " if holds else "BAD ") + line)

        reasons = {}
        for line in self.failed:
            number, began, ended, status, _ = line.split(" ", 4)
            why = self.owed(int(number), int(began), int(ended), int(status))
            if why:
                reasons[why] = reasons.get(why, 0) + 1
            else:
                must(False, f"failed: {line}, seen {self.fates[4 * int(number)]}, answered "
                            f"{self.fates[4 * int(number) + 1]}")
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
        alarms = [line for line in log.splitlines() if line.startswith("error:")]
        must(not alarms, f"shuntd complains {len(alarms)} times {alarms[:3]}")
        # At the first one its pools had not been filled yet.
        (first, fds), (last, last_fds) = self.quiet[1], self.quiet[-1]
        must(last <= first + more_kib, f"memory: {first} KiB, and {last} KiB at the end")
        must(last_fds <= fds, f"descriptors: {fds}, and {last_fds} at the end")
        return good, lines
