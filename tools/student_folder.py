"""Fill work/, where a student works: the assignments and the chapters' notebooks.

    python tools/student_folder.py

Run it as often as you like: what you have edited stays as it is, what you have not is brought up to
date, and files of your own are left alone.
"""

from __future__ import annotations

from pathlib import Path

from products import present_files, run, shown, write_products

ROOT = Path(__file__).resolve().parent.parent
# Where each part of the course comes from, by the folder within work/ that it fills.
PARTS = {"exercises": "exercises", "notebooks": "book/notebooks"}


def fill(work: Path, root: Path = ROOT) -> int:
    """Copy each part to its folder in ``work``; say what is new there and what was kept."""
    for name, source in PARTS.items():
        files = {file: path.read_bytes() for file, path in present_files(root / source).items()}
        written = write_products(work / name, files, keep_edited=True)
        state = f"{len(written.changed)} of {len(files)} files new" if written.changed else "ready"
        print(f"{shown(work / name)}/: {state}")
        for file in written.kept:
            current = shown(root / source / file)
            print(f"  {file}: yours is kept; the course's own is {current}")
    return 0


if __name__ == "__main__":
    run(lambda: fill(ROOT / "work"))
