"""Hostile requests of HTTP/1.1: whole, byte by byte, and cut at every position.

The rows are in tests/harness/requests_table.py. What the endpoint got is what was meant, or nothing.
"""
import pytest

from tests.harness import rows, scripted
from tests.harness.plain import Plain
from tests.harness.requests_table import ROWS
from tests.harness.run import wait_until

EDGE = 200  # of longer rows only so many positions at both ends, and SPREAD between, are cut at
SPREAD = 16


def by_row(why):
    """The rows; why(row) says what is wrong with shunt there, if anything is."""
    marks = [[pytest.mark.xfail(strict=True, reason=why(row))] if why(row) else [] for row in ROWS]
    cases = [pytest.param(row, id=row.name, marks=mark) for row, mark in zip(ROWS, marks)]
    return pytest.mark.parametrize("row", cases)


@pytest.fixture(scope="module", name="plain")
def fixture_plain():
    with Plain() as built:
        yield built


def good(name):
    return b"GET /%s HTTP/1.1\r\nHost: good.example.com\r\nConnection: close\r\n\r\n" % name


def run_whole(plain, some, split):
    """Problems of each row, all sent at once on connections of their own, then a good request."""
    names = [(scripted.token(), scripted.token()) for _ in some]
    jobs = [(split(rows.filled(row.sent, name) + (b"" if row.tunnel else good(after))),
             "finish" if row.tunnel else "keep")
            for row, (name, after) in zip(some, names)]
    clients = plain.together(jobs)
    plain.ask()
    return {row.name: rows.judge_whole(row, client, plain.origin.whole(name),
                                       plain.origin.whole(after), name)
            for row, client, (name, after) in zip(some, clients, names)}


def positions(length):
    """Where a row is cut; its own length (whole, with nothing behind it) is the last."""
    if length <= 2 * EDGE:
        return range(1, length + 1)
    between = range(EDGE, length - EDGE, max(1, (length - 2 * EDGE) // SPREAD))
    return [*range(1, EDGE), *between, *range(length - EDGE, length + 1)]


def run_cut(plain, some, end):
    """Problems of each row, cut at every position there."""
    length = len(scripted.token())
    cuts = [(row, at, scripted.token()) for row in some
            for at in positions(len(rows.filled(row.sent, b"x" * length)))]
    cuts = [(row, at, name, rows.filled(row.sent, name)) for row, at, name in cuts]
    clients = plain.together([([sent[:at]], end) for _, at, _, sent in cuts])
    plain.ask()
    wait_until(lambda: not plain.origin.unfinished(), "no half request stays with the endpoint")
    out = {row.name: [] for row in some}
    for (row, at, name, sent), client in zip(cuts, clients):
        found = rows.judge_cut(row, client if end == "finish" else None,
                               plain.origin.whole(name), name,
                               end == "finish" and at == len(sent))
        out[row.name] += [f"cut at {at}: {problem}" for problem in found]
    return out


@pytest.fixture(scope="module", name="bytewise")
def fixture_bytewise(plain):
    return run_whole(plain, ROWS, lambda data: [data[i:i + 1] for i in range(len(data))])


@pytest.fixture(scope="module", name="finished")
def fixture_finished(plain):
    return run_cut(plain, ROWS, "finish")


@pytest.fixture(scope="module", name="reset")
def fixture_reset(plain):
    return run_cut(plain, ROWS, "reset")


def test_there_are_enough_rows():
    assert len({row.name for row in ROWS}) == len(ROWS) >= 300


@by_row(lambda row: row.wrong)
def test_a_request_sent_whole_is_understood_or_refused(plain, row):
    problems = run_whole(plain, [row], lambda data: [data])[row.name]
    assert not problems, "\n".join(problems)


@by_row(lambda row: row.wrong)
def test_a_request_sent_byte_by_byte_means_the_same(bytewise, row):
    assert not bytewise[row.name], "\n".join(bytewise[row.name])


@by_row(lambda row: row.wrong_cut)
def test_a_request_that_ends_early_is_never_taken_for_another(finished, row):
    assert not finished[row.name], "\n".join(finished[row.name][:5])


@by_row(lambda row: "")
def test_a_client_that_vanishes_leaves_nothing_behind(reset, row):
    assert not reset[row.name], "\n".join(reset[row.name][:5])


def test_shunt_wrote_no_request_that_a_strict_reader_refuses(plain):
    assert not plain.origin.faults, plain.origin.faults[:5]
    assert plain.daemon.poll() is None
