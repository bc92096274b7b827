"""Which operation of a graph is which one of a graph that a pass made of it."""

from __future__ import annotations

from typing import Any

from dlcourse.graphs.compiler.passes import eliminate_common_subexpressions
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import Symbol


def match(before: Graph, after: Graph) -> dict[int, Symbol]:
    """For the operations of ``before``, by id, those of ``after`` that do the same.

    First the operations that compute the same from the same inputs. Of the others, those that are
    reached from the outputs by the same way and are of the same kind; their operands differ.

    Returns:
        Several operations may have the same counterpart (they were merged), some have none.

    Raises:
        ValueError: The graphs have not the same inputs and as many outputs.
    """
    if [*map(id, before.inputs)] != [*map(id, after.inputs)]:
        raise ValueError(
            f"match: expected two graphs on the same inputs, as a pass makes; got {before.name} on "
            f"{list(before.inputs)} and {after.name} on {list(after.inputs)}"
        )
    if len(before.outputs) != len(after.outputs):
        raise ValueError(
            f"match: expected as many outputs, got {len(before.outputs)} and {len(after.outputs)}"
        )
    found = _equal_operations(before, after)
    taken = {id(node) for node in found.values()}
    seen = set()
    stack: list[tuple[Any, Any]] = list(zip(before.outputs, after.outputs, strict=True))
    while stack:
        old, new = stack.pop()
        if not isinstance(old, Symbol) or old.op is None or id(old) in seen:
            continue
        seen.add(id(old))
        if id(old) not in found and id(new) not in taken and _is_alike(old, new):
            found[id(old)] = new
            taken.add(id(new))
        if id(old) in found:
            stack += zip(old.operands, found[id(old)].operands, strict=True)
        else:  # it is gone, so one of its operands may stand in its place
            stack += [(x, new) for x in old.operands]
    return found | _unused(before, after, found)


def _equal_operations(before: Graph, after: Graph) -> dict[int, Symbol]:
    shared = set(map(id, before.nodes))  # a pass keeps what it does not change
    nodes = [*before.nodes, *(node for node in after.nodes if id(node) not in shared)]
    united = eliminate_common_subexpressions(Graph(before.inputs, nodes, nodes=nodes))
    value = {id(node): id(x) for node, x in zip(nodes, united.outputs, strict=True)}
    of_value = {value[id(node)]: node for node in reversed(after.nodes)}
    return {id(n): of_value[value[id(n)]] for n in before.nodes if value[id(n)] in of_value}


def _unused(before: Graph, after: Graph, found: dict[int, Symbol]) -> dict[int, Symbol]:
    """The rest of what ``after`` computes in vain: no way leads there from the outputs."""
    used = {id(node) for node in (*found.values(), *after.needed_nodes())}
    rest = {id(node): node for node in before.nodes if id(node) not in found}
    more = {}
    for new in after.nodes:
        if id(new) not in used:
            old = next((key for key, node in rest.items() if _is_alike(node, new)), None)
            if old is not None:
                more[old] = new
                del rest[old]
    return more


def _is_alike(old: Symbol, new: Any) -> bool:
    if not isinstance(new, Symbol) or old.op is not new.op:
        return False
    sizes = [len(x.operands) for x in (old, new)]
    return (old.shape, old.dtype) == (new.shape, new.dtype) and sizes[0] == sizes[1]
