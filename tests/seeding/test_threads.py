import subprocess
import sys

import pytest

from seeding.threads import in_parts
from tests.helpers import REPOSITORY


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_parts_follow_one_another_and_are_all(threads, even, n):
    parts = in_parts(lambda first, last: list(range(first, last)), n, threads, even)
    assert [row for part in parts for row in part] == list(range(n))


CHILD = """
import multiprocessing, sys
from seeding.threads import in_parts

def work():
    return sum(in_parts(lambda first, last: last - first, 1000, 2))

def child():
    assert work() == 1000

if __name__ == "__main__":
    assert work() == 1000
    forked = multiprocessing.get_context("fork").Process(target=child, daemon=True)
    forked.start()
    forked.join(20)
    print("hangs" if forked.is_alive() else forked.exitcode, work())
"""


def test_a_forked_child_starts_threads_of_its_own():
    """As workers of a data loader are, after the chain has run with threads in the process that forks
    them.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", CHILD],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == ["0", "1000"], done.stderr
