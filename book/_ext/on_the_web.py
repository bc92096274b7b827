"""Where the book is on the web, what others show of its pages, and its chapters as notebooks.

Two addresses decide, which stand in pyproject.toml under [project.urls]:

Documentation
    Where the pages are published (the variable BOOK_URL of the environment goes before it).
    Search engines and social media are told addresses, and these have to be whole: without it
    there are no canonical links, no cards and no sitemap.
Repository
    Where the notebooks are, for Colab and Binder. Without it a notebook can be downloaded only.
"""

from __future__ import annotations

import os
import shutil
from importlib.metadata import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

from sphinx.application import Sphinx

BRANCH = "main"
SOURCES, COPIES = Path("book/notebooks"), "notebooks"
NOT_FOUND = """
<h1>There is no such page</h1>
<p>The address has changed, or was mistyped. The chapters are listed at the side, and
<a href="{index}">the first page</a> says what is in them.</p>
"""
Button = dict[str, Any]


def project_urls(package: str = "dlcourse") -> dict[str, str]:
    """The addresses that pyproject.toml gives the project, by their names."""
    given = metadata(package).get_all("Project-URL") or []
    return dict(line.split(", ", 1) for line in given)


def notebook_buttons(name: str, download: str, repository: str | None) -> Button:
    """What a reader can do with a chapter as a notebook.

    Args:
        name: The notebook's file name.
        download: Its address beside the page.
        repository: The address of the repository at GitHub, if it has one.

    Returns:
        A button of the theme, or a group of several.
    """
    get = {
        "type": "link",
        "url": download,
        "text": "Download the notebook",
        "icon": "fas fa-download",
    }
    if repository is None:
        return {**get, "text": None, "tooltip": "Download the notebook", "label": "notebook"}
    owner = urlparse(repository).path.strip("/").removesuffix(".git")
    path = (SOURCES / name).as_posix()
    services = {
        "Colab": f"https://colab.research.google.com/github/{owner}/blob/{BRANCH}/{path}",
        "Binder": f"https://mybinder.org/v2/gh/{owner}/{BRANCH}?urlpath={quote(f'lab/tree/{path}')}",
    }
    open_in = [
        {"type": "link", "url": url, "text": f"Run it in {service}", "icon": "fas fa-play"}
        for service, url in services.items()
    ]
    return {
        "type": "group",
        "tooltip": "This chapter as a notebook",
        "icon": "fas fa-download",
        "label": "notebook",
        "buttons": [get, *open_in],
    }


def _add_button(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    notebook = f"{Path(page).name}.ipynb"
    if (Path(app.srcdir) / SOURCES / notebook).exists() and "header_buttons" in context:
        download = context["pathto"](f"{COPIES}/{notebook}", 1)
        button = notebook_buttons(notebook, download, project_urls().get("Repository"))
        context["header_buttons"].append(button)


def _copy_notebooks(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and app.builder.format == "html":
        folder = Path(app.outdir) / COPIES
        folder.mkdir(exist_ok=True)
        for path in (Path(app.srcdir) / SOURCES).glob("*.ipynb"):
            shutil.copyfile(path, folder / path.name)


def setup(app: Sphinx) -> dict[str, bool]:
    config = app.config
    if url := os.environ.get("BOOK_URL") or project_urls().get("Documentation"):
        config.html_baseurl = f"{url.rstrip('/')}/"
        config.ogp_site_url = config.html_baseurl
        config.sitemap_url_scheme = "{link}"
        app.setup_extension("sphinx_sitemap")
    app.setup_extension("sphinxext.opengraph")
    config.ogp_site_name = config.html_title or config.project
    config.ogp_social_cards = {"enable": bool(url)}
    config.notfound_urls_prefix = f"{urlparse(url or '/').path.rstrip('/')}/"
    index = f"{config.notfound_urls_prefix}{config.root_doc}.html"
    config.notfound_context = {
        "title": "There is no such page",
        "body": NOT_FOUND.format(index=index),
    }
    app.setup_extension("notfound.extension")
    app.connect("html-page-context", _add_button, priority=502)  # after the theme's own
    app.connect("build-finished", _copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
