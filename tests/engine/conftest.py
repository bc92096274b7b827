"""What all tests of the engine share.

PyTorch gets one thread: the tensors are tiny, and the machine may run other tests too. Where the
engine stands alone (`make engine`), the tests that compare it with others are left out.
"""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from installed_imports import cannot_run

from dlcourse.ops import failures

if os.environ.get("ENGINE_ALONE"):
    collect_ignore = cannot_run(Path(__file__).parent)
else:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def errors_do_not_quote_the_test(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error quotes the user's line, here a test's, which may hold what is looked for."""
    if not request.node.get_closest_marker("quotes_the_users_line"):
        monkeypatch.setattr(failures, "linecache", SimpleNamespace(getline=lambda *_: ""))
