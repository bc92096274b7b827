"""Static graphs: trace a function, print, draw, differentiate, optimise and compile its graph."""

from dlcourse.graphs.compiling import Compiled, compile
from dlcourse.graphs.control import cond, scan, while_loop
from dlcourse.graphs.gradient import gradient, gradients_of
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.planning import Plan, plan
from dlcourse.graphs.symbol import Symbol, placeholder
from dlcourse.graphs.tracing import trace

__all__ = [
    "Compiled", "Graph", "Plan", "Symbol", "compile", "cond", "gradient", "gradients_of",
    "placeholder", "plan", "scan", "trace", "while_loop",
]  # fmt: skip
