"""Endpoints that lie: whole, byte by byte, and ended at every position by a FIN or a reset.

The rows are in tests/harness/responses_table.py. A client never gets bytes of another's answer.
"""
import pytest

from tests.harness import answer_rows, scripted
from tests.harness.plain import Plain
from tests.harness.responses_table import ROWS
from tests.harness.rows import filled
from tests.harness.scripted import Answer

EDGE = 150  # as in test_hostile_requests.py
SPREAD = 10
LATE = ("body_timeout", "response_timeout", "endpoint_stalled", "client_stalled")


def by_row(why):
    """The rows; why(row) says what is wrong with shunt there, if anything is."""
    marks = [[pytest.mark.xfail(strict=True, reason=why(row))] if why(row) else [] for row in ROWS]
    cases = [pytest.param(row, id=row.name, marks=mark) for row, mark in zip(ROWS, marks)]
    return pytest.mark.parametrize("row", cases)


@pytest.fixture(scope="module", name="plain")
def fixture_plain():
    with Plain() as built:
        yield built


def waited_for(plain, names):
    """The exchanges that only a time-out ended."""
    late = set()
    for line in plain.accesses():
        name = line.get("path", "").encode()[1:]
        if name in names and any(value in LATE for value in line.values()):
            late.add(name)
    return late


def run(plain, jobs):
    """jobs: row, Answer, and how many bytes of the row's answer it has (None: all). Problems by row."""
    silent = [job for job in jobs if job[0].silent and job[1].end == "keep"]
    return run_on(plain, [job for job in jobs if job not in silent], False) | run_on(plain, silent, True)


def run_on(plain, jobs, hasty):
    """On the listener that ends what is silent soon, or on the one that waits for ever."""
    names = [(scripted.token(), scripted.token()) for _ in jobs]
    for (_, answer, _), (name, _) in zip(jobs, names):
        plain.origin.answers[name] = answer
    good = b"GET /%s HTTP/1.1\r\nHost: good.example.com\r\nConnection: close\r\n\r\n"
    clients = plain.together([([filled(row.request, name) + good % after], "keep")
                              for (row, _, _), (name, after) in zip(jobs, names)], hasty)
    plain.ask()
    late = waited_for(plain, {name for name, _ in names})
    out = {row.name: [] for row, _, _ in jobs}
    for (row, answer, cut), (name, after), client in zip(jobs, names, clients):
        found = answer_rows.judge_answer(row, client, after, cut, answer.end)
        if name in late and not row.silent:
            found.append("was waited for, though no more could come")
        out[row.name] += [f"{problem} (after {cut} bytes)" for problem in found]
    return out


def positions(length):
    """How many bytes are sent before the end."""
    if length <= 2 * EDGE:
        return range(length + 1)
    between = range(EDGE, length - EDGE, max(1, (length - 2 * EDGE) // SPREAD))
    return [*range(EDGE), *between, *range(length - EDGE, length + 1)]


def run_cut(plain, end):
    return run(plain, [(row, Answer((row.answer[:at],), end), at)
                       for row in ROWS for at in positions(len(row.answer))])


@pytest.fixture(scope="module", name="whole")
def fixture_whole(plain):
    return run(plain, [(row, Answer((row.answer,), row.end), None) for row in ROWS])


@pytest.fixture(scope="module", name="bytewise")
def fixture_bytewise(plain):
    # Bytes that come after the connection was given to the next exchange cannot be told from its
    # answer, so what is behind the message's end comes together with its last byte.
    jobs = []
    for row in ROWS:
        at = [*positions(max(0, len(row.answer) - row.behind - 1)), len(row.answer)]
        pieces = tuple(row.answer[start:end] for start, end in zip(at, at[1:]))
        jobs.append((row, Answer(pieces, row.end), None))
    return run(plain, jobs)


@pytest.fixture(scope="module", name="closed")
def fixture_closed(plain):
    return run_cut(plain, "close")


@pytest.fixture(scope="module", name="reset")
def fixture_reset(plain):
    return run_cut(plain, "reset")


def test_there_are_enough_rows():
    assert len({row.name for row in ROWS}) == len(ROWS) >= 100


@by_row(lambda row: row.wrong)
def test_an_answer_is_passed_on_or_replaced(whole, row):
    assert not whole[row.name], "\n".join(whole[row.name])


@by_row(lambda row: row.wrong)
def test_an_answer_byte_by_byte_means_the_same(bytewise, row):
    assert not bytewise[row.name], "\n".join(bytewise[row.name])


@by_row(lambda row: row.wrong_cut)
def test_an_answer_that_ends_early_is_never_taken_for_whole(closed, row):
    assert not closed[row.name], "\n".join(closed[row.name][:5])


@by_row(lambda row: row.wrong_cut)
def test_an_answer_that_is_reset_is_never_taken_for_whole(reset, row):
    assert not reset[row.name], "\n".join(reset[row.name][:5])


def test_shunt_wrote_no_request_that_a_strict_reader_refuses(plain):
    assert not plain.origin.faults, plain.origin.faults[:5]
    assert plain.daemon.poll() is None
