"""Files of answers: what a part defines takes the place of what the reference defines."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_course import assignment_of, make_course

from dlcourse.grading.assignments.answers import merge, read_answers, with_answers
from dlcourse.grading.assignments.assignment import grade_id

FIRST = 'def first(x):\n    """Of two lines."""\n    return x'
SECOND = "second = 2"
THIRD = "class Third:\n    pass"


def cell(*parts: str) -> str:
    return "\n\n\n".join(parts)


REFERENCE = cell(FIRST, SECOND, THIRD)
FILE = '''\
"""A sentence
of two lines."""

LOSES = {"a/b"}


# %% square-answer
def square(x):
    return 0


# %% cube-answer
cube = None
'''


@pytest.mark.parametrize(
    ("part", "merged"),
    [
        ("second = 3", cell(FIRST, THIRD, "second = 3")),
        ("def first():\n    pass\n", cell(SECOND, THIRD, "def first():\n    pass")),
        ("Third = second = first = None", "Third = second = first = None"),
        ("fourth = 4", cell(REFERENCE, "fourth = 4")),
    ],
)
def test_a_part_replaces_what_it_defines_and_the_rest_stays(part: str, merged: str) -> None:
    assert merge(REFERENCE, part) == merged


def test_a_file_has_a_sentence_what_it_loses_and_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "slips.py"
    path.write_text(FILE)
    answers = read_answers(path)
    assert (answers.name, answers.description) == ("slips", "A sentence of two lines.")
    assert (answers.loses, answers.attack) == ({"a/b"}, False)
    assert answers.parts == {
        "square-answer": "def square(x):\n    return 0\n\n\n",
        "cube-answer": "cube = None\n",
    }
    path.write_text(FILE.replace("LOSES", "ATTACK = True\nLOSES"))
    assert read_answers(path).attack


def test_the_parts_stand_in_their_cells_and_the_source_is_as_it_was(tmp_path: Path) -> None:
    source = assignment_of(make_course(tmp_path)).source
    before = [cell.source for cell in source.cells]
    changed = with_answers(source, {"cube-answer": "def cube(x):\n    return 0\n"})
    texts = {grade_id(cell): cell.source for cell in changed.cells}
    assert texts["cube-answer"] == "def cube(x):\n    return 0"
    assert "return x * x" in texts["square-answer"]
    assert [cell.source for cell in source.cells] == before
    for name in ("cube", "nowhere"):
        with pytest.raises(ValueError, match=f"no answer cell with the grade_id '{name}'"):
            with_answers(source, {name: "x = 1"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"""A sentence."""\n', "no part is headed"),
        ("# %% square-answer\nx = 1\n", "a docstring should say"),
        ('"""A sentence."""\nimport os\n# %% a\nx = 1\n', "line 2: expected only LOSES"),
        ('"""A sentence."""\nOTHER = 1\n# %% a\nx = 1\n', "line 2: expected only LOSES"),
    ],
)
def test_a_file_of_another_form_is_a_clear_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_answers(path)
