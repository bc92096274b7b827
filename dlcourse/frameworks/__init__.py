"""Reads the graphs that PyTorch and TensorFlow record into dlcourse's own static `Graph`.

    exported = torch.export.export(model.eval(), (x,))
    imported = from_torch(exported)
    imported.draw()         # PyTorch's graph, under its own names
    imported.graph          # the same as a graph of dlcourse, which prints and draws itself
    (y,) = imported.run(x)  # the same numbers, computed by dlcourse

Each framework has a reader, which writes its graph down as a `Program`, and a table of operations
(`aten`, `tf_ops`). PyTorch and TensorFlow are imported when a graph of theirs is read, not before.
"""

from dlcourse.frameworks.imported import ImportedGraph, from_tensorflow, from_torch
from dlcourse.frameworks.program import UnknownOperationError

__all__ = ["ImportedGraph", "UnknownOperationError", "from_tensorflow", "from_torch"]
