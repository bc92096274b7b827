"""A student is told the misconception of the wrong solution that the answer behaves like."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_course import NAME, RIGHT, answered, assignment_of, hand_in, make_course

from dlcourse.grading.assignments.submission import read_submission
from dlcourse.grading.errors import AssignmentError
from dlcourse.grading.feedback.report import report
from dlcourse.grading.marking import misconceptions
from dlcourse.grading.marking.marks import CheckMark, Marks, QuestionMark
from dlcourse.grading.marking.misconceptions import behaves_like
from dlcourse.grading.pipeline import Graded, grade_submission
from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.runs import Runs

DOUBLES = '''\
"""The square of x is taken for x + x."""

LOSES = {"square/numbers", "square/arrays"}


# %% square-answer
def square(x):
    return x + x
'''
REFUSES_ARRAYS = '''\
"""Whether x is positive is asked of a whole array."""

LOSES = {"square/arrays"}


# %% square-answer
def square(x):
    if x > 0:
        return x * x
    return x * x
'''
CHEATS = DOUBLES.replace("The square", "As a cheat, the square").replace(
    "LOSES", "ATTACK = True\nLOSES"
)


@pytest.fixture
def runs() -> Runs:
    return Runs()


def course_with(folder: Path, wrong: Mapping[str, str]) -> Path:
    course = make_course(folder)
    place = course / "solutions" / NAME / "wrong"
    place.mkdir()
    for name, text in wrong.items():
        (place / f"{name}.py").write_text(text)
    return course


def graded(course: Path, runs: Runs, answers: Mapping[str, str]) -> Graded:
    assignment = assignment_of(course)
    path = hand_in(course / "submitted", "ada", answered(assignment, RIGHT | dict(answers)))
    return grade_submission(assignment, read_submission("ada", path.parent, NAME), runs)


def told(graded: Graded) -> dict[str, str]:
    return {q.grade_id: q.behaves_like for q in graded.marks.questions if q.behaves_like}


def test_an_answer_that_behaves_like_a_wrong_solution_is_told_so(
    tmp_path: Path, runs: Runs
) -> None:
    course = course_with(tmp_path, {"cheats": CHEATS, "doubles": DOUBLES})
    result = graded(course, runs, {"square-answer": "def square(number):\n    return 2 * number"})
    # The cube is built on the square, and loses its points too; of that nothing is known.
    assert told(result) == {"square": "The square of x is taken for x + x."}
    text = str(result.reported)
    assert "<b>Behaves like:</b> The square of x is taken for x + x." in text
    assert "As a cheat" not in text


def test_so_is_one_that_raises_as_the_wrong_solution_does(tmp_path: Path, runs: Runs) -> None:
    course = course_with(tmp_path, {"refuses": REFUSES_ARRAYS, "doubles": DOUBLES})
    answer = "def square(x):\n    return abs(x) * x if x < 0 and False else x * x if x else 0"
    assert told(graded(course, runs, {"square-answer": answer})) == {
        "square": "Whether x is positive is asked of a whole array."
    }


@pytest.mark.parametrize(
    "answer",
    [
        "def square(x):\n    return x * x",
        "def square(x):\n    return 3 * x",  # wrong, but otherwise
        "def square(x):\n    return 2 * x if np.ndim(x) else x * x",  # so for arrays alone
        "def square(x):\n    raise NotImplementedError",
        "x = 1",
    ],
    ids=["right", "another number", "for arrays", "not answered", "not defined"],
)
def test_nothing_is_said_of_any_other_answer(tmp_path: Path, runs: Runs, answer: str) -> None:
    course = course_with(tmp_path, {"doubles": DOUBLES, "refuses": REFUSES_ARRAYS})
    assert told(graded(course, runs, {"square-answer": answer})) == {}


def test_a_wrong_solution_runs_once_for_the_class(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = course_with(tmp_path, {"doubles": DOUBLES})
    ran = []
    original = misconceptions._results

    def counted(*arguments: object) -> object:
        ran.append(arguments)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(misconceptions, "_results", counted)
    answer = {"square-answer": "def square(x):\n    return x + x", "cube-answer": "cube = None"}
    assignment = assignment_of(course)
    path = hand_in(course / "submitted", "ada", answered(assignment, RIGHT | answer))
    submission = read_submission("ada", path.parent, NAME)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(grade_submission, 3 * [assignment], 3 * [submission], 3 * [runs]))
    assert [told(result).keys() for result in results] == 3 * [{"square"}]
    assert len(ran) == 1


CASES = (("first", 1.0), ("second", [2.0, 3.0]))


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (ProbeResult("data", CASES), True),
        (ProbeResult("data", (("first", 1.0 + 1e-12), CASES[1])), True),
        (ProbeResult("data", (("first", 1.1), CASES[1])), False),
        (ProbeResult("data", CASES[:1]), False),
        (ProbeResult("data", (("other", 1.0), CASES[1])), False),
        (ProbeResult("raised", CASES, "ValueError"), False),
    ],
)
def test_behaving_alike_is_to_return_the_same_in_each_case(other: ProbeResult, alike: bool) -> None:
    known = {"q/a": ProbeResult("data", CASES), "q/b": ProbeResult("raised", (), "TypeError")}
    results = {"q/a": other, "q/b": ProbeResult("raised", (), "TypeError")}
    assert behaves_like(results, known, rtol=1e-9, atol=1e-12) is alike
    results["q/b"] = ProbeResult("raised", (), "ValueError")
    assert not behaves_like(results, known, rtol=1e-9, atol=1e-12)


def test_the_sentence_is_text_and_no_html(tmp_path: Path) -> None:
    assignment = assignment_of(make_course(tmp_path))
    check = CheckMark("square/numbers", "A square.", 2, "wrong value")
    question = QuestionMark("square", 2, 0.0, (check,), behaves_like="a < b & c")
    page = report(assignment, assignment.source, Marks((question,), True, ""))
    assert "a &lt; b &amp; c" in str(page)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("square/arrays", "square/lists", "no check or answer cell square/lists"),
        ("%% square-answer", "%% square", "no check or answer cell square in"),
        ("LOSES =", "LOSE =", r"doubles\.py: line 3: expected only LOSES"),
        ("# %%", "#", "no part is headed"),
        ('"""', "", r"doubles\.py: invalid syntax"),
        ("return x + x", "return x +", r"doubles\.py: invalid syntax"),
    ],
)
def test_a_wrong_solution_that_does_not_fit_is_a_clear_error(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    course = course_with(tmp_path, {"doubles": DOUBLES.replace(old, new)})
    with pytest.raises(AssignmentError, match=message):
        assignment_of(course)
