"""Small changes of a program on arrays: the slips that students of this subject make.

They come beside the ordinary changes of `mutations`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mutations import Change, with_fields

# Each of these is easily taken for the other.
TWINS = (
    ("sum", "mean"),
    ("maximum", "minimum"),
    ("max", "min"),
    ("argmax", "argmin"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("var", "std"),
    ("exp", "expm1"),
    ("log", "log1p"),
    ("append", "extend"),
    ("any", "all"),
)
OTHER = dict(TWINS) | {b: a for a, b in TWINS}
# Methods and functions without which the array is still an array: a sum that was forgotten.
DROPPED = ("sum", "mean", "copy", "transpose", "swapaxes", "reshape", "expand_dims", "squeeze",
           "array", "asarray", "broadcast_to", "abs", "sqrt", "square", "flip", "cumsum",
           "reversed", "sorted", "list", "set", "tuple")  # fmt: skip


def array_changes(node: ast.expr | ast.stmt) -> Iterator[Change]:
    """What may change at a node: which part of it, and into what."""
    match node:
        case ast.Attribute(attr="T"):
            yield node, node.value
        case ast.Call(func=ast.Attribute() | ast.Name() as function):
            yield from _of_call(node, function)
        case ast.BinOp(op=ast.Pow()):
            yield node, node.left
        case ast.BinOp(left=left, right=right):
            yield node, left  # without a factor, a term, the number that keeps a 0 away
            yield node, right
            if isinstance(node.op, ast.Sub | ast.Div | ast.MatMult):
                yield node, with_fields(node, left=right, right=left)
        case ast.AugAssign(op=ast.Add()):
            yield node, ast.Assign([node.target], node.value, lineno=node.lineno)
        case ast.Assign(targets=[target], value=ast.BinOp(left=left, op=ast.Add(), right=right)):
            if ast.unparse(left) == ast.unparse(target):
                yield node, ast.AugAssign(target, ast.Add(), right)
                yield node, "pass"
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in _names(value):
            yield node, "pass"
        case ast.Return(value=ast.Tuple(elts=elements)):
            yield node, ast.Return(ast.Tuple(elements[::-1], ast.Load()))
            for element in elements:
                yield from _scaled(element)
        case ast.Return(value=ast.expr() as value) if not _is_plain(value):
            yield from _scaled(value)
        case ast.For():
            yield node.iter, f"list({ast.unparse(node.iter)})[1:]"
            yield node.iter, f"list({ast.unparse(node.iter)})[:-1]"
        case ast.While():
            yield node.test, "False"
        case ast.Break() | ast.Delete():
            yield node, "pass"
        case ast.Subscript(slice=ast.Slice(), ctx=ast.Load()):
            yield node, node.value


def _of_call(node: ast.Call, function: ast.Attribute | ast.Name) -> Iterator[Change]:
    name = function.attr if isinstance(function, ast.Attribute) else function.id
    if name in OTHER:
        field = {"attr" if isinstance(function, ast.Attribute) else "id": OTHER[name]}
        yield node, with_fields(node, func=with_fields(function, **field))
    if name in DROPPED:
        is_method = isinstance(function, ast.Attribute) and ast.unparse(function.value) != "np"
        if is_method:
            yield node, function.value  # type: ignore[union-attr]
        elif node.args:
            yield node, node.args[0]
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if "axis" in keywords and "keepdims" not in keywords:
        kept = ast.keyword("keepdims", ast.Constant(value=True))
        yield node, with_fields(node, keywords=[*node.keywords, kept])


def _scaled(value: ast.expr) -> Iterator[Change]:
    """A factor too many, and the other sign."""
    yield value, ast.BinOp(ast.Constant(2), ast.Mult(), value)
    yield value, ast.UnaryOp(ast.USub(), value)


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_plain(value: ast.expr) -> bool:
    """Whether a value is a constant, or a name that may stand for anything, such as a list."""
    return isinstance(value, ast.Constant | ast.Name | ast.List | ast.Dict | ast.Set | ast.ListComp)
