"""Watches a running sandbox: its events, one at a time, within limits of time, size and memory."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from dlcourse.grading.sandbox.events import UnreadableError, parse_json
from dlcourse.grading.sandbox.limits import Limits
from dlcourse.grading.sandbox.processes import Sandbox

WATCH_SECONDS = 0.25  # between two looks at the memory in use

Ending = Literal["timeout", "died", "memory", "flood", "time is up"]


class Budget:
    """The time of a notebook, over all the sandboxes that it takes."""

    def __init__(self, limits: Limits) -> None:
        self.seconds = limits.total_seconds
        self.deadline = time.monotonic() + limits.patience * limits.total_seconds

    @contextmanager
    def of(self, running: Sandbox) -> Iterator[None]:
        """A context in which a sandbox runs; what it computes is taken from the budget."""
        try:
            yield
        finally:
            self.seconds -= running.processor_seconds()


class EventReader:
    """Events of a running sandbox, one at a time, within limits of time, size and memory."""

    def __init__(self, running: Sandbox, limits: Limits, budget: Budget) -> None:
        self.running = running
        self.limits = limits
        self.budget = budget
        self.lines: deque[bytes] = deque()
        self.partial = bytearray()  # of a line whose end has not come yet
        self.next_watch = time.monotonic() + WATCH_SECONDS
        self.poll = select.poll()
        self.poll.register(running.events, select.POLLIN)
        self.begin()

    def begin(self) -> None:
        """From now on the time of the next unit counts."""
        self.computed_before = self.running.processor_seconds()
        self.began = time.monotonic()

    def computed(self) -> float:
        """Processor time of the unit, in seconds, since `begin`."""
        return self.running.processor_seconds() - self.computed_before

    def next(self, seconds: float, size: int) -> dict[str, Any] | Ending:
        """The next event, or how the wait for it ended. Lines that are no event are passed over.

        Args:
            seconds: Processor time of the unit, since `begin`.
            size: Bytes of the event.
        """
        give_up = self.began + self.limits.patience * seconds
        received = len(self.partial)
        while True:
            while self.lines:
                try:
                    event = parse_json(self.lines.popleft())
                except UnreadableError:
                    continue
                if isinstance(event, dict):
                    return event
            if received > size:
                return "flood"
            now = time.monotonic()
            if now >= self.budget.deadline:
                return "time is up"
            if now >= give_up:
                return "timeout"
            if now >= self.next_watch:
                self.next_watch = now + WATCH_SECONDS
                if self.running.memory() > self.limits.memory_bytes:
                    return "memory"
                computed = self.computed()
                if self.computed_before + computed >= self.budget.seconds:
                    return "time is up"
                if computed >= seconds:
                    return "timeout"
            wait = min(self.next_watch, give_up, self.budget.deadline) - now
            if self.poll.poll(max(wait, 0.001) * 1000):
                block = os.read(self.running.events, 1 << 16)
                if not block:
                    return "died"
                received += len(block)
                *ends, rest = block.split(b"\n")
                for end in ends:
                    self.lines.append(bytes(self.partial + end))
                    self.partial.clear()
                self.partial += rest
