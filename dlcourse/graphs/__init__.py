"""Static graphs: trace a function, print, draw, differentiate, optimise and compile its graph."""

from dlcourse.graphs.drawing import draw, draw_change
from dlcourse.graphs.gradient import gradient, gradients_of
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import Symbol, placeholder
from dlcourse.graphs.tracing import trace

__all__ = [
    "Graph", "Symbol", "draw", "draw_change", "gradient", "gradients_of", "placeholder", "trace",
]  # fmt: skip
