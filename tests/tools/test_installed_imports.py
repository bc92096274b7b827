"""Which tests of the engine run where NumPy stands alone."""

from __future__ import annotations

from pathlib import Path

from installed_imports import cannot_run


def test_tests_that_need_what_is_missing_are_found_in_every_folder(tmp_path: Path) -> None:
    files = {
        "test_alone.py": "import numpy",
        "test_missing.py": "def test():\n    from no_such_package.part import a",
        "test_through_a_helper.py": "from helper import a",
        "test_through_a_package.py": "from package.module import a",
        "helper.py": "import no_such_package",
        "package/__init__.py": "",
        "package/module.py": "from no_such_package import a",
        "below/test_alone_below.py": "import os",
        "below/test_below.py": "from tools_of_below import a",
        "below/tools_of_below.py": "import no_such_package",
        "below/test_helper_above.py": "import helper",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cannot_run(tmp_path) == [
        "below/test_below.py",
        "below/test_helper_above.py",
        "test_missing.py",
        "test_through_a_helper.py",
        "test_through_a_package.py",
    ]
