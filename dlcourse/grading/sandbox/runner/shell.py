"""The notebook's shell: IPython's, which collects outputs as a Jupyter kernel would send them."""

from __future__ import annotations

import builtins
import getpass
import sys
from base64 import b64encode
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from .outputs import Outputs, Stream
from .own import BUILTINS
from .protocol import MIME_TYPES

__builtins__ = BUILTINS  # type: ignore[assignment]

Json = dict[str, Any]


def displayable(data: Json, metadata: Json | None) -> tuple[Json, Json]:
    """The known MIME types of an output; images in base64; of the metadata, their sizes."""
    shown: Json = {}
    sizes: Json = {}
    for mime in MIME_TYPES:
        if mime in data:
            value = data[mime]
            shown[mime] = b64encode(value).decode("ascii") if isinstance(value, bytes) else value
            extra = (metadata or {}).get(mime)
            if isinstance(extra, dict):
                sizes[mime] = {k: v for k, v in extra.items() if k in ("width", "height")}
    return shown, sizes


class NotebookDisplayHook(DisplayHook):
    """The value of a cell's last expression."""

    outputs: Outputs

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Json, md_dict: Json | None = None) -> None:
        data, metadata = displayable(format_dict, md_dict)
        output = {"output_type": "execute_result", "data": data, "metadata": metadata}
        self.outputs.add(output)

    def finish_displayhook(self) -> None:
        self._is_active = False


class NotebookDisplayPublisher(DisplayPublisher):
    """display(), clear_output() and matplotlib's inline figures."""

    outputs: Outputs

    def publish(
        self,
        data: Json,
        metadata: Json | None = None,
        source: object = None,  # noqa: ARG002
        *,
        transient: Json | None = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        shown, sizes = displayable(data, metadata)
        display_id = (transient or {}).get("display_id")
        if update:
            self.outputs.update(str(display_id), shown, sizes)
            return
        output = {"output_type": "display_data", "data": shown, "metadata": sizes}
        if isinstance(display_id, str):
            output["display_id"] = display_id
        self.outputs.add(output)

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.clear(wait)


class NotebookShell(InteractiveShell):
    """An IPython shell that collects outputs as a Jupyter kernel would send them."""

    outputs: Outputs
    allowed: tuple[str, ...] = ()  # the packages that the assignment may import

    def enable_gui(self, gui: str | None = None) -> None:
        pass  # figures are drawn inline; there is no event loop to join

    def ask_exit(self) -> None:
        pass  # exit() in a notebook cell: the other cells still run

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        name = getattr(etype, "__name__", "Exception")
        text, lines = safe_str(evalue), [str(line) for line in stb]
        if isinstance(evalue, ModuleNotFoundError):
            hint = f"This assignment may import {', '.join(self.allowed)} and Python's own modules."
            text, lines = f"{text}. {hint}", [*lines, hint]
        output = {"output_type": "error", "ename": str(name), "evalue": text, "traceback": lines}
        self.outputs.add(output)


def safe_str(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return "<its message cannot be shown>"


def no_input(*_: object, **__: object) -> str:
    """In place of input() and getpass()."""
    raise RuntimeError("input() cannot be used here: nobody is there to answer while grading.")


def make_shell(outputs: Outputs, allowed: list[str]) -> NotebookShell:
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    NotebookDisplayHook.outputs = NotebookDisplayPublisher.outputs = outputs
    NotebookShell.outputs, NotebookShell.allowed = outputs, tuple(allowed)
    shell: NotebookShell = NotebookShell.instance(
        config=config,
        displayhook_class=NotebookDisplayHook,
        display_pub_class=NotebookDisplayPublisher,
    )
    sys.stdout, sys.stderr = Stream("stdout", outputs, 1), Stream("stderr", outputs, 2)
    # Deep graphs are to be walked by a loop.
    vars(sys)["setrecursionlimit"] = lambda _limit: None
    vars(builtins)["input"] = vars(getpass)["getpass"] = no_input
    return shell
