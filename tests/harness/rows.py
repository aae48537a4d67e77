"""Rows of hostile bytes: what is sent, what may follow, and the judgement over what did.

In all bytes of a row {id} stands for the token of its exchange (scripted.py).
"""
import dataclasses

from tests.harness import http1


@dataclasses.dataclass
class Got:
    """A request as the endpoint must have got it. None: not looked at."""
    method: bytes = b"GET"
    target: bytes = b"/{id}"
    host: bytes = b"a.example.com"
    has: dict = dataclasses.field(default_factory=dict)  # name: value, or list of all values
    no: tuple = ()
    body: bytes = b""
    trailers: tuple = ()


@dataclasses.dataclass
class Row:
    """One row. statuses: of the final answers in order, each a set; closes: after the last one."""
    name: str
    rfc: str
    sent: bytes
    statuses: tuple
    got: tuple = ()
    closes: bool = False  # None: may go on, since where the next request begins is beyond doubt
    interims: tuple = ()
    asked: tuple = ()
    tunnel: bool = False  # what follows is no HTTP any more
    wrong: str = ""  # shunt does it wrong until this is mended
    wrong_cut: str = ""  # the same, where the row is cut and the client half-closes


def refused(name, rfc, sent, *status, got=(), **more):
    """An error, the end, and nothing at the endpoint (but what stood before, in got)."""
    statuses = ({200},) * len(got) + (set(status or (400,)),)
    return Row(name, rfc, sent, statuses, tuple(got), True, **more)


def declined(name, rfc, sent, *status, **more):
    """An error and nothing at the endpoint; but the framing is clear, so the connection may stay."""
    row = refused(name, rfc, sent, *status, **more)
    row.closes = None
    return row


def served(name, rfc, sent, *got, **more):
    """Arrives as meant, is answered, and the connection goes on unless closes is set."""
    got = got or (Got(),)
    statuses = ({101},) if more.get("tunnel") else ({200},) * len(got)
    return Row(name, rfc, sent, statuses, got, **more)


def filled(data, name):
    """data with the exchange's token."""
    return data.replace(b"{id}", name)


def differs(got, want, name):
    """In words how a request differs from what it should be; None where it does not."""
    pairs = [("method", got.method, want.method), ("target", got.target, filled(want.target, name)),
             ("host", got.one(b"host"), want.host), ("body", got.body, filled(want.body, name)),
             ("trailers", tuple(got.trailers), want.trailers)]
    for key, value in want.has.items():
        values = value if isinstance(value, list) else [value]
        pairs.append((key, got.all(key), values))
    pairs += [(key, got.all(key), []) for key in want.no]
    wrong = [f"{what}: got {one!r}, wanted {other!r}" for what, one, other in pairs if one != other]
    return "; ".join(wrong) or None


def arrived_problems(row, arrived, name, whole):
    """What is wrong with the requests that reached the endpoint. whole: all of them must have."""
    out = []
    if len(arrived) > len(row.got) or (whole and len(arrived) != len(row.got)):
        out.append(f"{len(arrived)} requests arrived, wanted {len(row.got)}: "
                   f"{[message.raw for message in arrived]!r}")
    for message, want in zip(arrived, row.got):
        wrong = differs(message, want, name)
        if wrong:
            out.append(f"{wrong} in {message.raw!r}")
    return out


def answers_of(row, client):
    """The final answers that a client got, the statuses before them, and what is no answer."""
    methods = list(row.asked) or [want.method for want in row.got] + [b"GET"]
    try:
        messages, rest = http1.take_all(client.got, methods, client.ending == "eof")
    except http1.Broken as why:
        return [], (), b"%s in %s" % (str(why).encode(), client.got)
    finals = [m for m in messages if m.status >= 200 or m.status == 101]
    return finals, tuple(m.status for m in messages if m not in finals), rest


def judge_whole(row, client, arrived, after, name):
    """Problems with a row after which a good request was sent. after: it reached the endpoint."""
    finals, interims, rest = answers_of(row, client)
    closes = row.closes if row.closes is not None else not after
    wanted = list(row.statuses) + ([] if closes or row.tunnel else [{200}])
    out = arrived_problems(row, arrived, name, True)
    if len(finals) != len(wanted) or any(m.status not in w for m, w in zip(finals, wanted)):
        out.append(f"answered {[m.status for m in finals]}, wanted {wanted}: {client.got!r}")
    if row.interims is not None and interims != row.interims:
        out.append(f"interim answers {interims}, wanted {row.interims}")
    if not row.tunnel and (rest or client.ending != "eof"):
        out.append(f"ended with {client.ending} and {rest!r}")
    if closes and after:
        out.append("what stood behind it was taken for a request")
    if not row.tunnel and finals and finals[-1].one(b"connection") != b"close":
        out.append(f"does not say that it closes: {finals[-1].raw!r}")
    for message, want in zip(finals, row.got):
        own = want.method + b" " + filled(want.target, name)
        if message.status == 200 and want.method != b"HEAD" and message.body != own:
            out.append(f"the answer to another request: {message.body!r}")
    return out


def judge_cut(row, client, arrived, name, whole):
    """Problems with a row that ended early. whole: it did not, but nothing followed."""
    out = arrived_problems(row, arrived, name, whole)
    if client is None:
        return out
    finals, _, rest = answers_of(row, client)
    if client.ending == "silence" or any(message.status == 408 for message in finals):
        out.append("was waited for, though no more could come")
    if rest and client.ending == "eof" and not row.tunnel:
        out.append(f"a part of an answer and an orderly end: {rest!r}")
    for i, message in enumerate(finals):
        expected = i < len(row.statuses) and message.status in row.statuses[i]
        if not expected and not (message.status >= 400 and i == len(finals) - 1):
            out.append(f"answered {[m.status for m in finals]}, wanted {row.statuses}")
    # What is refused may be so only for what follows; here nothing does.
    refusal = not row.statuses[-1] & {200, 101}
    if whole and not refusal and len(finals) != len(row.statuses):
        out.append(f"whole, but answered {[m.status for m in finals]}, wanted {row.statuses}")
    return out
