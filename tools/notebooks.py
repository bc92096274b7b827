"""The chapters as Jupyter notebooks: book/*.md -> book/notebooks/*.ipynb, executed.

    python tools/notebooks.py             convert and execute what is out of date
    python tools/notebooks.py --force     execute everything again (after a change of the engine)
    python tools/notebooks.py --check     execute nothing; fail if a notebook is not its chapter

A notebook is out of date if its chapter has changed since. Only text outputs are kept, so that the
files stay small and are the same, byte by byte, each time; `pytest --nbval` compares them. A
notebook that somebody has edited is never overwritten.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from notebook_markdown import References, plain_markdown
from notebook_metadata import METADATA
from products import EditedError, digest, edited, read_manifest, run, shown, update_product

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
CELL_SECONDS = 600
COMMAND = "make notebooks"
# What a reader has to know who opens the notebook alone, in Colab for example.
ELSEWHERE = """Outside of the course's own environment, install its package first, in a new cell:
`%pip install git+{repository}`"""


def chapters() -> list[Path]:
    """The sources of the chapters, in the order of the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    part = next(part for part in toc["parts"] if part["caption"] == "Chapters")
    return [ROOT / f"{entry['file']}.md" for entry in part["chapters"]]


def repository_address() -> str | None:
    """The course's repository, if pyproject.toml says where it is."""
    given = metadata("dlcourse").get_all("Project-URL") or []
    return dict(line.split(", ", 1) for line in given).get("Repository")


def product(source: Path) -> Path:
    return source.parent / "notebooks" / f"{source.stem}.ipynb"


def convert(source: Path) -> NotebookNode:
    """The chapter as a notebook without outputs; ids and metadata depend on the text alone."""
    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="md:myst")
    references = References(source.parent / "references.bib")
    if repository := repository_address():
        hint = nbformat.v4.new_markdown_cell(ELSEWHERE.format(repository=repository))
        notebook.cells.insert(1, hint)
    for position, cell in enumerate(notebook.cells):
        cell.id = f"cell-{position:03d}"
        if cell.cell_type == "markdown":
            cell.source = plain_markdown(cell.source, references)
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run the notebook in ``folder`` and leave its text outputs in it.

    Raises:
        CellExecutionError: A cell failed that is not tagged raises-exception.
    """
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)  # without the release of this Python
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := text_only(output))]


def text_only(output: NotebookNode) -> NotebookNode | None:
    """The output without pictures, logs and paths of this machine; None if nothing stays."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    if output.output_type == "error":
        return nbformat.v4.new_output(
            "error", ename=output.ename, evalue=output.evalue, traceback=[]
        )
    text = output.data.get("text/plain")
    if text is None:
        return None
    fields: dict[str, Any] = {"data": {"text/plain": text}}
    if output.output_type == "execute_result":
        fields["execution_count"] = output.execution_count
    return nbformat.v4.new_output(output.output_type, **fields)


def contents(notebook: NotebookNode) -> list[tuple[str, str, dict[str, Any]]]:
    """What must be equal in a chapter and its notebook: kind, text and metadata of each cell."""
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def made_from(source: Path) -> str:
    """A hash of what decides the chapter's notebook, its outputs apart."""
    return digest(json.dumps([contents(convert(source)), METADATA]).encode())


def is_current(source: Path) -> bool:
    """Whether the notebook was made of the chapter as it is now, edited since or not."""
    path = product(source)
    entry = read_manifest(path.parent).get(path.name, {})
    return path.exists() and entry.get("made_from") == made_from(source)


def is_as_made(path: Path) -> bool:
    """Whether the notebook is executed and its cells are those that the tool wrote."""
    notebook = nbformat.read(path, as_version=4)
    executed = all(c.execution_count for c in notebook.cells if c.cell_type == "code" and c.source)
    return executed and path.name not in edited(path.parent)


def strays(sources: list[Path]) -> list[Path]:
    """Notebooks in the folder of products that belong to no chapter."""
    folder = product(sources[0]).parent
    return sorted(set(folder.glob("*.ipynb")) - {product(source) for source in sources})


def check(sources: list[Path]) -> int:
    paths = {product(source): is_current(source) for source in sources}
    stale = [path for path, current in paths.items() if not (current and is_as_made(path))]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not its chapter; run `{COMMAND}` and commit it")
    for path in strays(sources):
        print(f"{path.relative_to(ROOT)} has no chapter in _toc.yml; delete it")
    return 1 if stale or strays(sources) else 0


def build(sources: list[Path], *, force: bool) -> int:
    todo = [source for source in sources if force or not is_current(source)]
    folder = product(sources[0]).parent
    if names := sorted(product(source).name for source in todo if product(source).exists()):
        changed = edited(folder)
        if conflicts := [n for n in names if n in changed or n not in read_manifest(folder)]:
            raise EditedError(folder, conflicts)
    if not todo:
        print("book/notebooks: up to date")
    for number, source in enumerate(todo, start=1):
        print(f"[{number}/{len(todo)}] {source.stem}: executing ...", end=" ", flush=True)
        start = time.monotonic()
        notebook = convert(source)
        key = made_from(source)
        try:
            execute(notebook, BOOK)
        except CellExecutionError as error:
            print(f"failed\n{error}\nFix the cell in {source.relative_to(ROOT)}, then run again.")
            return 1
        text = nbformat.writes(notebook) + "\n"
        update_product(product(source), text.encode(), made_from=key)
        print(f"{time.monotonic() - start:.0f} s")
    for name in sorted(edited(folder) & {product(source).name for source in sources}):
        print(f"  {shown(folder / name)} was edited by hand and is left as it is")
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Chapters to executed notebooks.")
    parser.add_argument("names", nargs="*", help="chapters, such as 3-4-losses; default all")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="only say what is out of date")
    mode.add_argument("--force", action="store_true", help="execute everything again")
    options = parser.parse_args(arguments)
    sources = chapters()
    unknown = set(options.names) - {source.stem for source in sources}
    if unknown:
        parser.error(f"no such chapter in _toc.yml: {', '.join(sorted(unknown))}")
    if options.names:
        sources = [source for source in sources if source.stem in options.names]
    if options.check:
        return check(sources)
    return build(sources, force=options.force)


if __name__ == "__main__":
    run(main)
