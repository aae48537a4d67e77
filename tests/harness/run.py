"""Commands to their end, and waiting for conditions."""
import os
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
# Another binary, such as one with sanitizers; see "Races and memory" in docs/testing.md.
SHUNTD = os.path.abspath(os.environ.get("SHUNTD", os.path.join(BUILD, "shuntd")))
HARNESS = os.path.join(TOP, "tests", "harness")
PYTHON = "/usr/bin/python3"
# Seconds until what should have come long ago is a failure: no busy machine takes that long.
PATIENCE = 90


def run(*words, check=True, **more):
    """A command to its end; its words on failure."""
    done = subprocess.run(words, capture_output=True, text=True, **more)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done


def wait_until(condition, what, seconds=PATIENCE):
    """Until condition() is true; its value. Fails with `what` after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)
