"""Choices and loops as operations of a graph: cond, while_loop and scan.

A Python ``if`` or ``for`` is over when the trace is: one branch was taken, the loop is unrolled.
These operations carry whole graphs (of the branches, of the loop's body) and decide when they run.
On arrays and Tensors they are plain Python control flow, so the same function runs in either way.

The derivative of each is an operation of the same kind: the gradient of a cond is a cond over the
branches' gradients, that of a scan is a scan that runs backwards.

Source: jax.lax.cond, while_loop and scan, https://docs.jax.dev/en/latest/jax.lax.html
"""

from dlcourse.graphs.control.branches import cond
from dlcourse.graphs.control.loops import scan, while_loop

__all__ = ["cond", "scan", "while_loop"]
