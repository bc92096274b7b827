from pathlib import Path

import pytest
from small_course import CHECKS, NAME, NOTEBOOK, assignment_of, make_course

from dlcourse.grading.assignments.assignment import find_assignment, grade_id
from dlcourse.grading.errors import AssignmentError, UsageError


def test_questions_have_their_points_and_their_checks(tmp_path: Path) -> None:
    assignment = assignment_of(make_course(tmp_path))
    assert [(q.grade_id, q.points, len(q.checks)) for q in assignment.questions] == [
        ("square", 3, 2),
        ("cube", 2, 1),
        ("essay", 5, 0),
    ]
    assert [check.name for check in assignment.checks] == [
        "square/numbers",
        "square/arrays",
        "cube/cubes",
    ]


def test_the_release_has_stubs_and_the_source_has_the_solution(tmp_path: Path) -> None:
    assignment = assignment_of(make_course(tmp_path))
    texts = {grade_id(cell): cell.source for cell in assignment.release.cells}
    assert texts["square-answer"] == (
        "def square(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    )
    assert texts["essay"] == "YOUR ANSWER HERE"
    assert any("return x * x" in cell.source for cell in assignment.source.cells)


def test_an_assignment_is_found_by_its_name_or_a_suffix_of_its_own(tmp_path: Path) -> None:
    solutions = make_course(tmp_path) / "solutions"
    assert find_assignment(NAME, solutions).name == NAME
    assert find_assignment("squares", solutions).name == NAME
    with pytest.raises(UsageError, match=r"no assignment is called 'cubes'.*01-squares"):
        find_assignment("cubes", solutions)
    with pytest.raises(UsageError, match="no assignment"):
        find_assignment("quares", solutions)
    (solutions / "02-squares").mkdir()
    (solutions / "02-squares" / "02-squares.md").write_text(NOTEBOOK)
    with pytest.raises(
        UsageError, match=r"2 assignments end in 'squares'.*: 01-squares, 02-squares"
    ):
        find_assignment("squares", solutions)


def test_all_checks_without_a_test_cell_are_named(tmp_path: Path) -> None:
    checks = CHECKS.replace("CHECKS = [", "CHECKS = [('b', cubes, 1, 'B.'), ('a', cubes, 1, 'A.'),")
    with pytest.raises(AssignmentError, match=r"no test cell for the checks of a, b$"):
        assignment_of(make_course(tmp_path, checks=checks))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("numbers, 2,", "numbers, 1,", "square is worth 3 points, but its checks .* add up to 2"),
        ('("square", numbers', '("squarex", numbers', "square is worth 3|no test cell"),
        ('("square", numbers', '("essay", numbers', "essay is marked by hand|square is worth"),
        ("arrays, 1", "numbers, 1", "name of its own"),
        ("numbers, 2", "lambda ns, rng: 1, 2", "must be a function at the top"),
        ("numbers, 2", "numbers", "a row of CHECKS is"),
        ("numbers, 2", "numbers, -2", "more than 0"),
        ("def numbers(", "def numbers)", "SyntaxError"),
        ("CHECKS = [", "RTOL = 2\nCHECKS = [", "RTOL must be a number"),
        ("CHECKS = [", "IMPORTS = ['flax']\nCHECKS = [", "IMPORTS names flax, which is not"),
        ("CHECKS = [", "IMPORTS = 'torch'\nCHECKS = [", "IMPORTS must be a list of names"),
        ("CHECKS = [", "LIMITS = {'seconds': 1}\nCHECKS = [", "found 'seconds'"),
        ("CHECKS = [", "LIMITS = {'probe_seconds': 0}\nCHECKS = [", "must be a number above 0"),
        ("CHECKS = [", "LIMITS = {'probe_seconds': True}\nCHECKS = [", "must be a number above 0"),
        ("CHECKS = [", "LIMITS = {'probe_seconds': '1'}\nCHECKS = [", "must be a number above 0"),
    ],
)
def test_checks_that_do_not_fit_are_a_clear_error(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in CHECKS
    course = make_course(tmp_path, checks=CHECKS.replace(old, new))
    with pytest.raises(AssignmentError, match=message):
        assignment_of(course)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("grade_id: cube,", "grade_id: square,", "must be unique|Duplicate"),
        (
            "nbgrader: {grade: false, grade_id: imports, locked: true, schema_version: 3, "
            "solution: false, task: false}",
            "tags: []",
            "has no grade_id",
        ),
        ("points: 3, ", "", "points"),
    ],
)
def test_cells_that_do_not_fit_are_a_clear_error(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in NOTEBOOK
    course = make_course(tmp_path, notebook=NOTEBOOK.replace(old, new))
    with pytest.raises(AssignmentError, match=message):
        assignment_of(course)


def test_the_digest_changes_with_every_source(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    folder = course / "solutions" / NAME
    digests = [assignment_of(course).digest]
    for change in (
        lambda: (folder / "checks.py").write_text(CHECKS + "# note\n"),
        lambda: (folder / f"{NAME}.md").write_text(NOTEBOOK.replace("# Squares", "# Powers")),
        lambda: ((folder / "files").mkdir(), (folder / "files" / "data.csv").write_text("1")),
        lambda: (folder / "files" / "data.csv").write_text("2"),
    ):
        change()
        digests.append(assignment_of(course).digest)
    assert len(set(digests)) == 5
