"""Graphs as JSON text, and back."""

from dlcourse.graphs.json.reading import from_json
from dlcourse.graphs.json.writing import to_json

__all__ = ["from_json", "to_json"]
