"""A short soak; `make soak` runs the long one."""
import json
import os

import pytest

from tests.harness.run import PYTHON, TOP, run
from tests.harness.soak_judge import Judge


def test_a_short_soak_fails_nothing_but_what_killed_endpoints_owe():
    done = run(PYTHON, os.path.join(TOP, "tools/soak/soak"), "20000", check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20000 requests" in done.stdout


GOOD, POSTED = bytes((1, 1, 1, 0)), 1
CLOSED, MISSED = (9, "endpoint_closed"), (9, "unreachable")
ROWS = [  # what, fate (seen, answered, done, posted), when it failed, by the access log, whether it is excused
    ("nothing failed", (1, 1, 1, 0), None, None, True),
    ("an answer that was whole", (1, 1, 2, 0), "100 200 0", None, False),
    ("an endpoint had it and died", (1, 0, 2, 0), "100 200 502", CLOSED, True),
    ("it was cut by that", (1, 0, 2, 0), "100 200 0", None, True),
    ("the same while none died", (1, 0, 2, 0), "400 500 502", CLOSED, False),
    ("the endpoint's kernel had it", (0, 0, 2, 0), "100 200 502", CLOSED, True),
    ("the kernel of one that lived had it", (0, 0, 2, 0), "100 200 502", (8, "endpoint_closed"), False),
    ("one that is not reached has a neighbour", (0, 0, 2, 0), "100 200 502", MISSED, False),
    ("an upload that was cut without an answer", (0, 0, 2, POSTED), "100 200 0", None, False),
    ("an upload that came twice", (2, 1, 1, POSTED), None, None, False),
    ("a request that nobody asked", (0, 0, 0, 0), None, None, False),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_judge_excuses_only_what_a_killed_endpoint_owes(row):
    _, fate, failed, end, excused = row
    judge = Judge(GOOD + bytes(fate))
    judge.down, judge.quiet = [(150, 300, 9)], [(9, 9), (1000, 10), (1000, 10)]
    judge.failed = [f"1 {failed} for some reason"] if failed else []
    logged = [json.dumps({"path": "/k1/0", "status": 200, "end": "done"})]
    if end:
        logged.append(json.dumps({"path": "/k1/1", "status": 502, "endpoint": f"127.0.0.1:{end[0]}",
                                  "end": end[1]}))
    assert judge.verdict([], "", logged, 100)[0] == excused


@pytest.mark.parametrize("told, log, quiet, good", [
    ([], "notice: ready", (1100, 10), True), (["a wrong body"], "", (1000, 10), False),
    ([], "error: no", (1000, 10), False), ([], "==1==ERROR: LeakSanitizer: x", (1000, 10), False), ([], "", (1101, 10), False), ([], "", (1000, 11), False)])
def test_the_judge_hears_complaints_and_sees_what_grew(told, log, quiet, good):
    judge = Judge(GOOD)
    judge.quiet = [(9, 9), (1000, 10), quiet]
    assert judge.verdict(told, log, [], 100)[0] == good
