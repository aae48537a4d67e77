"""Fault drills: load that goes on while something breaks, what is known of it, and a row of figures."""
import collections
import time

from tests.harness import faulty, plain

CLIENTS = 12
BLOCK = 100  # requests, in order of their answers


class Drilled(plain.Plain):
    """Load goes on all the time. Whoever inherits has the configuration. Each drill has its own: who was ejected
    before is so for longer."""

    def __init__(self):
        super().__init__()
        self.endpoints = self.make_endpoints()
        self.clients, self.more = None, ["--workers", "2"]

    def make_endpoints(self):
        raise NotImplementedError

    def start(self):
        super().start()
        self.clients = faulty.Clients(self.port, CLIENTS)

    def close(self):
        if self.clients:
            self.clients.stop()
        super().close()
        for endpoint in self.endpoints:
            endpoint.close()

    def share(self, endpoint):
        """Its part of what came to all lately."""
        since = time.monotonic() - 0.3
        counts = [sum(hit > since for hit in e.hits[-500:]) for e in self.endpoints]
        return counts[self.endpoints.index(endpoint)] / max(1, sum(counts))

    def found(self):
        """How often something was found to be wrong."""
        stats = self.stats()
        return stats["endpoints_ejected"] + stats["breaker_opened"] + self.log().count(" is down (")

    def errors(self, since):
        return collections.Counter(status for when, status, _ in list(self.clients.results)
                                   if when >= since and status != 200)

    def goes_well(self):
        """Nothing but good answers of late, and all endpoints have their share of them."""
        last = list(self.clients.results)[-BLOCK:]
        return (len(last) == BLOCK and all(status == 200 for _, status, _ in last) and
                all(self.share(e) > 0.2 for e in self.endpoints))

    def worst_share(self, endpoint, since):
        """The greatest part that it had of any so many requests in order, from then on."""
        hits = sorted((hit, e is endpoint) for e in self.endpoints for hit in list(e.hits) if hit >= since)
        blocks = [hits[at:at + BLOCK] for at in range(0, max(1, len(hits) - BLOCK), BLOCK // 4)]
        return max(sum(own for _, own in block) / BLOCK for block in blocks)


def refused(stats):
    return sum(count for name, count in stats.items() if name.startswith("retries_refused_"))


def report(drill, figures):
    """A row of the table in docs/resilience.md."""
    print("\n| " + drill + " | " + " | ".join(str(figure) for figure in figures) + " |")
