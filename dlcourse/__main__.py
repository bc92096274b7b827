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
        _add_missing_command(commands, error.name or "a package")
    else:
        add_grade_command(commands)
    parsed = parser.parse_args(arguments)
    result: int = parsed.run(parsed)
    return result


def _add_missing_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], package: str
) -> None:
    """The engine alone needs NumPy only; the grader around it is an extra."""
    needed = f"{package} is not installed; to grade: pip install 'dlcourse[grading]'"
    parser = commands.add_parser("grade", help=f"grade a class ({needed})", description=needed)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)

    def explain(_: argparse.Namespace) -> int:
        print(f"dlcourse: {needed}", file=sys.stderr)
        return 2

    parser.set_defaults(run=explain)


if __name__ == "__main__":
    sys.exit(main())
