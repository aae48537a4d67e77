"""A short soak; `make soak` runs the long one."""
import os

import pytest

from tests.harness.run import PYTHON, TOP, run
from tests.harness.soak_judge import Judge


def test_a_short_soak_fails_nothing_but_what_killed_endpoints_owe():
    done = run(PYTHON, os.path.join(TOP, "tools/soak/soak"), "20000", check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20000 requests" in done.stdout


GOOD, POSTED = bytes((1, 1, 1, 0)), 1
ROWS = [  # what, fate (seen, answered, done, posted), failed line's times and status, whether that is excused
    ("nothing failed", (1, 1, 1, 0), None, True),
    ("an answer that was whole", (1, 1, 2, 0), "100 200 0", False),
    ("an endpoint had it and died", (1, 0, 2, 0), "100 200 502", True),
    ("the same while none died", (1, 0, 2, 0), "400 500 502", False),
    ("a GET that came nowhere could have gone elsewhere", (0, 0, 2, 0), "100 200 502", False),
    ("an upload could not", (0, 0, 2, POSTED), "100 200 502", True),
    ("an upload that was cut without an answer", (0, 0, 2, POSTED), "100 200 0", False),
    ("an upload that came twice", (2, 1, 1, POSTED), None, False),
    ("a request that nobody asked", (0, 0, 0, 0), None, False),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_judge_excuses_only_what_a_killed_endpoint_owes(row):
    _, fate, failed, excused = row
    judge = Judge(GOOD + bytes(fate))
    judge.down, judge.quiet = [(150, 300)], [(9, 9), (1000, 10), (1000, 10)]
    judge.failed = [f"1 {failed} for some reason"] if failed else []
    assert judge.verdict([], "", 100)[0] == excused


@pytest.mark.parametrize("told, log, quiet, good", [
    ([], "notice: ready", (1100, 10), True), (["a wrong body"], "", (1000, 10), False),
    ([], "error: no", (1000, 10), False), ([], "", (1101, 10), False), ([], "", (1000, 11), False)])
def test_the_judge_hears_complaints_and_sees_what_grew(told, log, quiet, good):
    judge = Judge(GOOD)
    judge.quiet = [(9, 9), (1000, 10), quiet]
    assert judge.verdict(told, log, 100)[0] == good
