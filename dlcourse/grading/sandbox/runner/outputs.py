"""A cell's outputs: what it shows, and what it and its children write to standard output."""

from __future__ import annotations

import io
from typing import Any

from .own import (
    BUILTINS,
    json,
    os,
)

__builtins__ = BUILTINS  # type: ignore[assignment]

Json = dict[str, Any]


class Outputs:
    """The outputs of the running cell, in nbformat's form, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.begin()

    def begin(self) -> None:
        self.items: list[Json] = []
        self.room = self.limit
        self.full = self.clear_at_next = False

    def add(self, output: Json) -> None:
        self._clear_if_asked()
        size = len(json.dumps(output))
        if size > self.room:
            self._note_truncation()
        else:
            self.room -= size
            self.items.append(output)

    def stream(self, name: str, text: str) -> None:
        """Append to the stream `name` ("stdout" or "stderr"), cut where the room ends."""
        self._clear_if_asked()
        kept = text[: self.room]
        self.room -= len(kept)
        if kept:
            last = self.items[-1] if self.items else {}
            if last.get("output_type") != "stream" or last["name"] != name:
                self.items.append({"output_type": "stream", "name": name, "text": [kept]})
            else:
                last["text"].append(kept)
        if len(kept) < len(text):
            self._note_truncation()

    def clear(self, wait: bool) -> None:
        """IPython's clear_output; the room that was used stays used."""
        if wait:
            self.clear_at_next = True
        else:
            self.items = []

    def update(self, display_id: str, data: Json, metadata: Json) -> None:
        """Replace what an earlier `display(..., display_id=...)` of this cell has shown."""
        size = len(json.dumps(data))
        if size > self.room:
            self._note_truncation()
            return
        self.room -= size
        for item in self.items:
            if item.get("display_id") == display_id:
                item.update(data=data, metadata=metadata)

    def result(self) -> list[Json]:
        for item in self.items:
            item.pop("display_id", None)
            if item["output_type"] == "stream":
                item["text"] = "".join(item["text"])
        return self.items

    def _clear_if_asked(self) -> None:
        if self.clear_at_next:
            self.items, self.clear_at_next = [], False

    def _note_truncation(self) -> None:
        if not self.full:
            self.full = True
            note = f"\n[The output of this cell was cut: more than {self.limit} bytes.]\n"
            self.items.append({"output_type": "stream", "name": "stderr", "text": [note]})


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr of the notebook."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name: str, outputs: Outputs, fd: int) -> None:
        self.name, self._outputs, self._fd = name, outputs, fd

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._outputs.stream(self.name, str.__str__(text))
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd


class Captured:
    """What goes to the file descriptors 1 and 2 themselves: subprocesses, C libraries."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._files = []
        for fd in (1, 2):
            # O_APPEND, so that truncating the file also moves writers that still hold it.
            flags = os.O_TMPFILE | os.O_RDWR | os.O_APPEND
            file = os.open(temporary_directory(), flags, 0o600)
            os.dup2(file, fd)
            self._files.append(file)

    def collect(self) -> None:
        """Move what was written into the outputs, and point both descriptors here again."""
        for fd, file in zip((1, 2), self._files, strict=True):
            if os.fstat(file).st_size:
                text = os.pread(file, self._outputs.limit + 1, 0).decode("utf-8", "replace")
                os.ftruncate(file, 0)
                self._outputs.stream("stdout" if fd == 1 else "stderr", text)
            os.dup2(file, fd)


def temporary_directory() -> str:
    return str(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108
