"""How `pytest --nbval book/notebooks` compares: the recorded notebooks hold text outputs only."""

from typing import Any

NOT_RECORDED = ("image/svg+xml", "text/html", "text/latex", "text/markdown")


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for notebook in {item.parent for item in items if hasattr(item.parent, "skip_compare")}:
        notebook.skip_compare = tuple({*notebook.skip_compare, *NOT_RECORDED})
