"""The table of each assignment says of today's sources that its checks notice every change."""

from __future__ import annotations

import mutate_assignment
import pytest
from exercise_grader import ROOT

NAMES = sorted(path.parent.name for path in ROOT.glob("solutions/*/checks.py"))


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_of_these_sources(name, capsys):
    assert mutate_assignment.main([name, "--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_of_the_changes_is_noticed(name, capsys):
    """All of them are tried once a week, and by whoever edits the assignment."""
    assert mutate_assignment.main([name, "--count", "30"]) == 0, capsys.readouterr().out
