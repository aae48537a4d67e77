"""Rows of lying endpoints: what one says, what the client may see of it, and the judgement.

A client gets the message as it was meant (pass), an error of shunt's own (own), or the visible end of
something unfinished (abort). Behind every row stands a good request on the same connection.
"""
import dataclasses

from tests.harness import http1

GET = b"GET /{id} HTTP/1.1\r\nHost: a.example.com\r\n\r\n"


@dataclasses.dataclass
class AnswerRow:
    """One row. behind: bytes of answer behind the message's end; open_end: the close ends it."""
    name: str
    rfc: str
    answer: bytes
    want: frozenset
    status: int = 200
    body: bytes = b"hello"
    has: dict = dataclasses.field(default_factory=dict)
    no: tuple = ()
    trailers: tuple = ()
    interims: tuple = ()
    end: str = "keep"
    request: bytes = GET
    behind: int = 0
    open_end: bool = False
    silent: bool = False  # falls silent: only a time-out can end it
    wrong: str = ""       # shunt does it wrong until this is mended
    wrong_cut: str = ""   # the same, where the endpoint ends early


def passed(name, rfc, answer, **more):
    """Arrives as it was meant."""
    return AnswerRow(name, rfc, answer, frozenset({"pass"}), **more)


def answered(name, rfc, answer, **more):
    """An error of shunt's own in its place."""
    return AnswerRow(name, rfc, answer, frozenset({"own"}), **more)


def aborted(name, rfc, answer, **more):
    """What has begun ends so that nobody takes it for whole."""
    return AnswerRow(name, rfc, answer, frozenset({"abort"}), **more)


def method_of(row):
    return row.request.split(b" ")[0]


def kind_of(client, finals):
    """What a client saw in place of the first answer."""
    if not finals:
        return "abort" if client.ending in ("eof", "reset") else client.ending
    own = finals[0].status in (502, 504) and finals[0].one(b"x-origin") is None
    return "own" if own else "pass"


def message_problems(row, message, interims, short):
    """How a message differs from what was meant. short: it may have been cut."""
    bodies = [row.body[:i] for i in range(len(row.body) + 1)] if short else [row.body]
    out = []
    if message.status != row.status or message.body not in bodies:
        out.append(f"got {message.status} {message.body[:80]!r}")
    if tuple(message.trailers) != row.trailers:
        out.append(f"trailers {message.trailers}")
    if interims != row.interims:
        out.append(f"interim answers {interims}")
    for name, value in [*row.has.items(), *[(name, None) for name in row.no]]:
        if message.one(name) != value:
            out.append(f"{name} is {message.one(name)!r}")
    return out


def wanted_kinds(row, cut, end):
    """What may be seen of a row of which so many bytes were sent before that end."""
    if cut is None and row.end == "reset":
        # What was not read before a reset came is lost (RFC 9293, 3.10.7.4), maybe the whole head.
        return set(row.want) | {"own"}
    if cut is None:
        return set(row.want)
    if end == "close" and cut >= len(row.answer) - row.behind and not row.open_end:
        return set(row.want)
    whole = cut >= len(row.answer) - row.behind and "pass" in row.want
    may_pass = end == "close" if row.open_end else whole
    return {"own", "abort"} | ({"pass"} if may_pass else set())


def judge_answer(row, client, after, cut=None, end="keep"):
    """Problems with what a client saw. cut: how many bytes of the answer were sent before end, if
    that was not the row's own."""
    try:
        methods = [method_of(row), b"GET"]
        messages, rest = http1.take_all(client.got, methods, client.ending == "eof")
    except http1.Broken as why:
        return [f"{why} in {client.got!r}"]
    finals = [m for m in messages if m.status >= 200 or m.status == 101]
    interims = tuple(m.status for m in messages if m not in finals)
    kind, want = kind_of(client, finals), wanted_kinds(row, cut, end)
    short = cut is not None and row.open_end
    out = [] if kind in want else [f"{kind}, wanted {want}: {client.got[:300]!r} {client.ending}"]
    if kind == "pass" and kind in want:
        out += message_problems(row, finals[0], interims, short)
    if kind == "own" and cut is None and interims != row.interims:
        out.append(f"interim answers {interims}")
    if kind in ("own", "pass") and finals[0].status != 101:
        closes = finals[0].one(b"connection") == b"close"
        good = finals[1:] and (finals[1].status, finals[1].body) == (200, b"GET /" + after)
        if not closes and not good:
            out.append(f"the next request did not get its own answer: {client.got[:400]!r}")
        if rest or (closes and finals[1:]) or len(finals) > 2:
            out.append(f"more than the answers: {client.got[:400]!r}")
    return out
