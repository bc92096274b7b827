"""Loss surfaces over two parameters, and the paths that optimizers take on them.

A *surface* here is a function that takes a tensor of shape (2,) and returns a scalar tensor.
Arrays are computed first and drawn second, so that a chapter can print the numbers that it draws.
Matplotlib is imported only where something is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlcourse.autodiff import Tensor, no_grad
from dlcourse.optimizers import Optimizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Surface = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Path:
    """Where an optimizer went: `points` of shape (steps + 1, 2), `values` of shape (steps + 1,)."""

    points: NDArray[np.float64]
    values: NDArray[np.float64]


def descend(
    surface: Surface,
    start: ArrayLike,
    make_optimizer: Callable[[list[Tensor]], Optimizer],
    steps: int,
) -> Path:
    """Run an optimizer on `surface` from `start`, two numbers, and record each point on the way.

    `make_optimizer` gets the list of parameters, as in `lambda params: SGD(params, lr=0.1)`, and
    its ``step`` is called `steps` times.
    """
    origin = np.array(start, dtype=np.float64)
    if origin.shape != (2,):
        raise ValueError(f"a path starts at two numbers, shape (2,); got shape {origin.shape}")
    if steps < 0:
        raise ValueError(f"the number of steps must be 0 or more; got {steps}")
    point = Tensor(origin, requires_grad=True)
    optimizer = make_optimizer([point])
    points, values = [], []
    for step in range(steps + 1):
        value = surface(point)
        points.append(point.detach().numpy().copy())
        values.append(value.item())
        if step < steps:
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    return Path(np.array(points), np.array(values, dtype=np.float64))


def heights(surface: Surface, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Evaluate `surface` on a grid; the result has shape (len(y), len(x)), as for `contour`."""
    with no_grad():
        return np.array(
            [[surface(Tensor([a, b])).item() for a in np.asarray(x)] for b in np.asarray(y)],
            dtype=np.float64,
        )


def draw_surface(
    ax: Axes,
    surface: Surface,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    levels: int | Sequence[float] = 12,
    resolution: int = 60,
) -> None:
    """Draw the contour lines of `surface` at `levels`: their heights, or how many there should be.

    In the second case they are quantiles of the heights on the grid, of `resolution` points a side.
    So the floor of a valley is visible, where equal distances would show its walls alone.

    Args:
        ax: Where to draw.
        surface: What to draw.
        x_range, y_range: From where to where.
        levels, resolution: See above.
    """
    from matplotlib import colormaps

    x = np.linspace(*x_range, resolution)
    y = np.linspace(*y_range, resolution)
    z = heights(surface, x, y)
    if isinstance(levels, int):
        levels = list(np.unique(np.quantile(z, np.linspace(0.01, 0.97, levels))))
    top = max(z.max(), levels[-1]) + 1e-12
    shades = colormaps["Blues"](np.linspace(0.02, 0.45, len(levels)))
    # The bands as a picture and the lines as vectors: a band's outline takes hundreds of kilobytes.
    ax.contourf(x, y, z, levels=[*levels, top], colors=shades).set_rasterized(True)
    ax.contour(x, y, z, levels=levels, colors="#4a6a8a", linewidths=0.6)
    ax.set(xlim=x_range, ylim=y_range)


def draw_path(ax: Axes, path: Path, label: str, color: str, **line: Any) -> None:
    """Draw a path into ``ax`` as a line with a dot a step.

    Args:
        ax: Where to draw.
        path: Of `descend`.
        label, color: The name in the legend, and the colour.
        line: Further arguments for `Axes.plot`.
    """
    style: dict[str, Any] = {"marker": ".", "markersize": 5, "linewidth": 1.3} | line
    ax.plot(path.points[:, 0], path.points[:, 1], color=color, label=label, **style)
