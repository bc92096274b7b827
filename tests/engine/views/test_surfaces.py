"""Loss surfaces: the grid, the paths of optimizers, and what is drawn of them."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure

from dlcourse import Tensor
from dlcourse.optimizers import SGD
from dlcourse.views.style import use_book_style
from dlcourse.views.surfaces import Path, descend, draw_path, draw_surface, heights

CURVATURES = np.array([1.0, 10.0])


def bowl(w: Tensor) -> Tensor:
    return 0.5 * (Tensor(CURVATURES) * w**2).sum()


def contours(ax: Axes) -> tuple[ContourSet, ContourSet]:
    """The filled bands and the lines that `draw_surface` left on `ax`."""
    bands, lines = ax.collections
    assert isinstance(bands, ContourSet) and isinstance(lines, ContourSet)
    return bands, lines


def plane(w: Tensor) -> Tensor:
    return w[0] + 10 * w[1]


@pytest.mark.parametrize("lr", [0.03, 0.18, 0.21])
def test_gradient_descent_on_a_bowl_multiplies_each_coordinate_by_its_own_factor(lr: float) -> None:
    start = np.array([-9.0, 2.0])
    path = descend(bowl, start, lambda params: SGD(params, lr=lr), steps=15)
    expected = start * (1 - lr * CURVATURES) ** np.arange(16)[:, None]
    np.testing.assert_allclose(path.points, expected, rtol=1e-12)
    np.testing.assert_allclose(path.values, 0.5 * (CURVATURES * expected**2).sum(1), rtol=1e-12)


def test_a_path_of_no_steps_is_its_start() -> None:
    path = descend(bowl, [1, 2], lambda params: SGD(params, lr=0.1), steps=0)
    np.testing.assert_array_equal(path.points, [[1.0, 2.0]])
    np.testing.assert_array_equal(path.values, [20.5])


@pytest.mark.parametrize(
    ("start", "steps", "message"),
    [([1.0, 2.0, 3.0], 1, r"shape \(2,\); got shape \(3,\)"), ([1.0, 2.0], -1, "got -1")],
)
def test_a_bad_start_or_number_of_steps_is_refused(
    start: list[float], steps: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        descend(bowl, start, lambda params: SGD(params, lr=0.1), steps)


def test_heights_have_a_row_for_each_y_and_a_column_for_each_x() -> None:
    grid = heights(plane, [0.0, 1.0, 2.0], [0.0, 5.0])
    np.testing.assert_array_equal(grid, [[0, 1, 2], [50, 51, 52]])


@pytest.mark.parametrize("levels", [5, [1.0, 4.0, 9.0]])
def test_a_surface_is_drawn_over_the_ranges_that_were_asked_for(levels: int | list[float]) -> None:
    ax = Figure().add_subplot()
    draw_surface(ax, bowl, (-3, 1), (-2, 2), levels=levels, resolution=20)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-3, 1), (-2, 2))
    bands, lines = contours(ax)
    assert len(list(lines.levels)) == (levels if isinstance(levels, int) else len(levels))
    assert bands.get_rasterized()


def test_levels_that_are_not_given_follow_the_surface_so_that_a_valley_floor_shows() -> None:
    ax = Figure().add_subplot()
    draw_surface(ax, bowl, (-3, 3), (-3, 3), levels=9, resolution=40)
    levels = contours(ax)[1].levels
    inside = [(heights(bowl, x := np.linspace(-3, 3, 40), x) < level).mean() for level in levels]
    np.testing.assert_allclose(np.diff(inside), np.diff(inside)[0], atol=0.02)


def test_a_path_is_drawn_through_its_points() -> None:
    ax = Figure().add_subplot()
    points = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 0.0]])
    draw_path(ax, Path(points, np.zeros(3)), "a path", "red", linewidth=3)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), points)
    assert (line.get_label(), line.get_linewidth()) == ("a path", 3)


def test_a_figure_in_the_books_style_is_saved_to_the_same_bytes_each_time() -> None:
    with mpl.rc_context():
        use_book_style()

        def save() -> bytes:
            figure = Figure()
            draw_surface(figure.add_subplot(), bowl, (-1, 1), (-1, 1), resolution=10)
            file = io.BytesIO()
            figure.savefig(file, format="svg", metadata={"Date": None})
            return file.getvalue()

        assert save() == save()
