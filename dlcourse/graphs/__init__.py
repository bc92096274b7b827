"""Static graphs: trace a function, print, draw, differentiate, optimise and compile its graph."""

from dlcourse.graphs.drawing import draw, draw_change
from dlcourse.graphs.functions import Function, function
from dlcourse.graphs.gradient import gradient, gradients_of
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.serialising import from_json, to_json
from dlcourse.graphs.symbol import Symbol, placeholder
from dlcourse.graphs.tracing import trace

__all__ = [
    "Function", "Graph", "Symbol", "draw", "draw_change", "from_json", "function", "gradient",
    "gradients_of", "placeholder", "to_json", "trace",
]  # fmt: skip
