"""A plugin of pytest that notes for each test the lines that it runs (`tools/mutate.py`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage

SETTINGS = Path(os.environ["COVERAGE_SETTINGS"])
NAME = os.environ.get("PYTEST_XDIST_WORKER", "main")

# From the start, so that what is imported before the first test is not measured as uncovered.
_coverage = Coverage(
    config_file=str(SETTINGS), data_file=str(SETTINGS.with_name(f"{SETTINGS.stem}.{NAME}.data"))
)
_coverage.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _coverage.switch_context(item.nodeid)
    try:
        return (yield)
    finally:
        _coverage.switch_context("")


def pytest_unconfigure() -> None:
    _coverage.stop()
    _coverage.save()
