"""The table of cases in which an operation of dlcourse must agree with PyTorch.

A case names a primitive, the same function in both libraries, and example inputs. Floating point
inputs are differentiated; booleans and integers are constants.
"""

from dlcourse.ops import PRIMITIVES
from parity import elementwise, indexing, linear_algebra, losses, networks, reductions, shapes
from parity.case import Case as Case
from parity.case import normal as normal
from parity.case import our_tensors as our_tensors
from parity.case import their_tensors as their_tensors

CASES: list[Case] = [
    *elementwise.CASES,
    *reductions.CASES,
    *linear_algebra.CASES,
    *shapes.CASES,
    *indexing.CASES,
    *networks.CASES,
    *losses.CASES,
]

# Those that give the same numbers each time.
PURE_CASES = [case for case in CASES if PRIMITIVES[case.op].pure]
