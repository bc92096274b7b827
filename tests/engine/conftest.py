"""One thread for PyTorch: the tensors are tiny, and the machine may run other tests too.

Where the engine stands alone (`make engine`), the tests that compare it with others are left out.
"""

import os
from pathlib import Path

from installed_imports import cannot_run

if os.environ.get("ENGINE_ALONE"):
    collect_ignore = cannot_run(Path(__file__).parent)
else:
    import torch

    torch.set_num_threads(1)
