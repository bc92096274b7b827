import copy

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from small_course import RIGHT, answered, assignment_of, make_course

from dlcourse.grading.assignments.assignment import Assignment, grade_id
from dlcourse.grading.assignments.rebuild import rebuild


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    return assignment_of(make_course(tmp_path_factory.mktemp("course")))


@pytest.fixture
def student(assignment: Assignment) -> NotebookNode:
    return answered(assignment, RIGHT)


def place(notebook: NotebookNode, name: str) -> int:
    return [grade_id(cell) for cell in notebook.cells].index(name)


def insert_after(notebook: NotebookNode, name: str, source: str) -> None:
    notebook.cells.insert(place(notebook, name) + 1, new_code_cell(source))


def sources(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_an_honest_notebook_is_the_release_with_the_answers(
    assignment: Assignment, student: NotebookNode
) -> None:
    rebuilt = rebuild(assignment.release, student)
    nbformat.validate(rebuilt)
    assert [cell.source for cell in rebuilt.cells] == [cell.source for cell in student.cells]


def test_the_reference_and_the_hidden_checks_are_not_in_it(
    assignment: Assignment, student: NotebookNode
) -> None:
    text = nbformat.writes(rebuild(assignment.release, student))
    assert "x * x * x" not in text and "SOLUTION" not in text and "rng" not in text


LOCKED = ("imports", "square", "cube")


def deleted(cells: list[NotebookNode], i: int) -> None:
    del cells[i]


def doubled(cells: list[NotebookNode], i: int) -> None:
    cells.insert(0, copy.deepcopy(cells[i]))


def edited(cells: list[NotebookNode], i: int) -> None:
    cells[i].source = "print('all tests passed')"


def moved(cells: list[NotebookNode], i: int) -> None:
    cells.append(cells.pop(i))


def tagged_as_solution(cells: list[NotebookNode], i: int) -> None:
    cells[i].metadata.nbgrader.update(solution=True, grade=True, locked=False, points=100)
    cells[i].source = "raise SystemExit"


def made_markdown(cells: list[NotebookNode], i: int) -> None:
    cells[i] = new_markdown_cell("", metadata=cells[i].metadata)


TAMPERINGS = (deleted, doubled, edited, moved, tagged_as_solution, made_markdown)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TAMPERINGS), st.sampled_from(LOCKED)), max_size=6))
def test_whatever_is_done_to_locked_cells_changes_nothing(
    assignment: Assignment, student: NotebookNode, tamperings: list
) -> None:
    tampered = copy.deepcopy(student)
    for tamper, name in tamperings:
        places = [i for i, cell in enumerate(tampered.cells) if grade_id(cell) == name]
        if places:
            tamper(tampered.cells, places[0])
    assert rebuild(assignment.release, tampered) == rebuild(assignment.release, student)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.sampled_from(["imports", "square-answer", "square", "cube-answer", "cube"])),
    st.lists(st.tuples(st.sampled_from(TAMPERINGS), st.sampled_from(LOCKED)), max_size=4),
)
def test_added_cells_keep_their_order_and_their_side_of_every_answer(
    assignment: Assignment, student: NotebookNode, anchors: list[str], tamperings: list
) -> None:
    notebook = copy.deepcopy(student)
    for number, anchor in enumerate(anchors):
        insert_after(notebook, anchor, f"added = {number}")
    for tamper, name in tamperings:
        places = [i for i, cell in enumerate(notebook.cells) if grade_id(cell) == name]
        if places:
            tamper(notebook.cells, places[0])

    def own(source: str) -> bool:
        return source.startswith("added") or source in RIGHT.values()

    rebuilt = rebuild(assignment.release, notebook)
    assert list(filter(own, sources(rebuilt))) == list(filter(own, sources(notebook)))


def test_an_added_cell_stands_where_the_student_put_it(
    assignment: Assignment, student: NotebookNode
) -> None:
    insert_after(student, "square", "helper = 1")
    rebuilt = rebuild(assignment.release, student)
    assert rebuilt.cells[place(rebuilt, "square") + 1].source == "helper = 1"
    assert grade_id(rebuilt.cells[place(rebuilt, "square") + 1]) is None


def test_a_missing_answer_is_the_stub(assignment: Assignment, student: NotebookNode) -> None:
    del student.cells[place(student, "cube-answer")]
    rebuilt = rebuild(assignment.release, student)
    assert "NotImplementedError" in rebuilt.cells[place(rebuilt, "cube-answer")].source


def test_an_answer_in_a_new_cell_is_not_undone_by_the_stub_of_the_deleted_one(
    assignment: Assignment, student: NotebookNode
) -> None:
    student.cells[place(student, "cube-answer")] = new_code_cell(RIGHT["cube-answer"])
    texts = sources(rebuild(assignment.release, student))
    stub = next(i for i, text in enumerate(texts) if "NotImplementedError" in text)
    assert texts[stub + 1] == RIGHT["cube-answer"]


def test_of_two_answers_the_first_counts_and_the_second_runs_in_its_place(
    assignment: Assignment, student: NotebookNode
) -> None:
    second = copy.deepcopy(student.cells[place(student, "square-answer")])
    second.source = "second = 2"
    student.cells.insert(place(student, "cube"), second)
    rebuilt = rebuild(assignment.release, student)
    assert rebuilt.cells[place(rebuilt, "square-answer")].source == RIGHT["square-answer"]
    assert rebuilt.cells[place(rebuilt, "cube") - 1].source == "second = 2"
    assert [grade_id(cell) for cell in rebuilt.cells].count("square-answer") == 1


def test_answers_in_another_order_run_in_the_order_of_the_release(
    assignment: Assignment, student: NotebookNode
) -> None:
    student.cells.reverse()
    rebuilt = rebuild(assignment.release, student)
    assert list(map(grade_id, rebuilt.cells)) == list(map(grade_id, assignment.release.cells))


def test_an_answer_whose_type_was_changed_is_still_code(
    assignment: Assignment, student: NotebookNode
) -> None:
    i = place(student, "cube-answer")
    student.cells[i] = new_markdown_cell(RIGHT["cube-answer"], metadata=student.cells[i].metadata)
    rebuilt = rebuild(assignment.release, student)
    cell = rebuilt.cells[place(rebuilt, "cube-answer")]
    assert (cell.cell_type, cell.source) == ("code", RIGHT["cube-answer"])


def test_added_cells_are_of_the_type_that_the_student_gave_them(
    assignment: Assignment, student: NotebookNode
) -> None:
    student.cells[1:1] = [new_markdown_cell("A note."), new_code_cell("x = 1")]
    rebuilt = rebuild(assignment.release, student)
    kinds = {cell.source: cell.cell_type for cell in rebuilt.cells}
    assert (kinds["A note."], kinds["x = 1"]) == ("markdown", "code")


def test_metadata_of_the_student_is_dropped(assignment: Assignment, student: NotebookNode) -> None:
    for cell in student.cells:
        cell.metadata["tags"] = ["skip-execution"]
    student.metadata["kernelspec"] = {"name": "evil", "display_name": "evil"}
    rebuilt = rebuild(assignment.release, student)
    assert "evil" not in str(rebuilt) and "skip-execution" not in str(rebuilt)


def test_it_is_a_pure_function(assignment: Assignment, student: NotebookNode) -> None:
    before = copy.deepcopy((assignment.release, student))
    assert rebuild(assignment.release, student) == rebuild(assignment.release, student)
    assert (assignment.release, student) == before


def test_a_moved_test_cell_does_not_move_a_students_cell_past_an_answer(
    assignment: Assignment, student: NotebookNode
) -> None:
    student.cells.insert(0, student.cells.pop(place(student, "cube")))
    student.cells.insert(1, new_code_cell("helper = 1"))
    texts = sources(rebuild(assignment.release, student))
    assert texts.index("helper = 1") < texts.index(RIGHT["square-answer"])
