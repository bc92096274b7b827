"""The command line of the course: ``dlcourse COMMAND``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="dlcourse", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    try:
        from dlcourse.grading.cli import add_grade_command
    except ModuleNotFoundError as error:
        # The engine alone needs NumPy only; the tools around it are an extra.
        print(
            f"dlcourse: {error.name} is not installed; for the command line: "
            "pip install 'dlcourse[grading]'",
            file=sys.stderr,
        )
        return 2
    add_grade_command(commands)
    parsed = parser.parse_args(arguments)
    result: int = parsed.run(parsed)
    return result


if __name__ == "__main__":
    sys.exit(main())
