"""What the tests of the exercises share: a grader for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from exercise_grader import Grader


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    with ThreadPoolExecutor(2) as pool:
        yield Grader(pool)
        pool.shutdown(cancel_futures=True)
