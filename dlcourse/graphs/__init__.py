"""Static graphs: trace a function, print, draw, differentiate, optimise and compile its graph."""

from dlcourse.graphs.compiler.planning import Plan, plan
from dlcourse.graphs.compiler.writing import Compiled, compile
from dlcourse.graphs.control import cond, scan, while_loop
from dlcourse.graphs.gradient import gradient, gradients_of
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.json import from_json, to_json
from dlcourse.graphs.show.picture import draw, draw_change
from dlcourse.graphs.symbol import Symbol, placeholder
from dlcourse.graphs.traced_functions import Function, function
from dlcourse.graphs.tracing import trace

__all__ = [
    "Compiled", "Function", "Graph", "Plan", "Symbol", "compile", "cond", "draw", "draw_change",
    "from_json", "function", "gradient", "gradients_of", "placeholder", "plan", "scan", "to_json",
    "trace", "while_loop",
]  # fmt: skip
