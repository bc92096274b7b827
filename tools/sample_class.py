"""Makes a class of students to grade: those of `sample_students`.

python tools/sample_class.py OUT    writes OUT/submitted/STUDENT/01-autodiff/01-autodiff.ipynb
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from products import run
from sample_students import ASSIGNMENT, FILE, STUDENTS, Student


def write_class(out: Path, students: Mapping[str, Student] = STUDENTS) -> Path:
    """Write the class in nbgrader's layout, in place of an earlier one; returns its folder.

    Raises:
        FileExistsError: There is a folder of submissions with students who are not of this class.
    """
    submitted = out / "submitted"
    others = {path.name for path in submitted.glob("*")} - STUDENTS.keys()
    if others:
        raise FileExistsError(
            errno.EEXIST,
            f"it holds other students ({', '.join(sorted(others)[:5])}), and the sample class "
            "would replace them; name another folder",
            str(submitted),
        )
    shutil.rmtree(submitted, ignore_errors=True)
    for name, student in students.items():
        folder = submitted / name / ASSIGNMENT
        folder.mkdir(parents=True)
        if student.make:
            nbformat.write(student.make(), folder / FILE)
        elif student.write:
            student.write(folder / FILE)
    return submitted


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="the folder that gets submitted/")
    submitted = write_class(parser.parse_args(arguments).out)
    print(f"{len(STUDENTS)} submissions in {os.path.relpath(submitted)}")
    return 0


if __name__ == "__main__":
    run(main)
