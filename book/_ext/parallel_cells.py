"""Chapters run beside each other.

MyST-NB runs a chapter's cells when it reads the page, one page after the other. Here the pages that
are about to be read, and whose cells are not in the cache, run before that, one for each processor,
and MyST-NB finds their outputs in the cache. A chapter that fails is left to it: it runs the cells
again and reports the error as it does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import create_nb_reader
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

log = logging.getLogger(__name__)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _not_cached(
    env: BuildEnvironment, cache: JupyterCacheAbstract, names: list[str]
) -> Iterator[tuple[str, NotebookNode]]:
    """The pages of these names that have cells to run, as notebooks."""
    for name in names:
        path = Path(env.doc2path(name))
        text = path.read_text(encoding="utf-8")
        reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, text)
        if reader is None:
            continue
        notebook = reader.read(text)
        try:
            cache.match_cache_notebook(notebook)
        except KeyError:
            yield name, notebook


def execute_ahead(_app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Run the cells of the pages that are about to be read, beside each other."""
    settings = env.mystnb_config
    if settings.execution_mode != "cache":
        return
    cache = get_cache(settings.execution_cache_path)
    todo = dict(_not_cached(env, cache, names))

    def execute(name: str) -> ExecutionResult:
        return single_nb_execution(
            todo[name],
            cwd=str(Path(env.doc2path(name)).parent.resolve()),
            allow_errors=settings.execution_allow_errors,
            timeout=settings.execution_timeout,
            extra_arguments=["--log-level=ERROR"],  # a kernel warns that it talks over TCP
        )

    with ThreadPoolExecutor(processors()) as pool:
        running = {pool.submit(execute, name): name for name in todo}
        for number, future in enumerate(as_completed(running), start=1):
            name, result = running[future], future.result()
            if result.err is None:
                bundle = CacheBundleIn(
                    result.nb, env.doc2path(name), data={"execution_seconds": result.time}
                )
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            outcome = f"{result.time:.0f} s" if result.err is None else "failed"
            log.info("executing cells [%d/%d] %s: %s", number, len(todo), name, outcome)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-before-read-docs", execute_ahead)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
