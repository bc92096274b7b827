"""How long a training step takes, in `dlcourse` and beside it: ratios measured side by side.

One thread each: NumPy, PyTorch and TensorFlow read these when they are imported, here and in the
processes that are started from here.
"""

import os

os.environ.update(
    dict.fromkeys(
        (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "TF_NUM_INTRAOP_THREADS",
            "TF_NUM_INTEROP_THREADS",
        ),
        "1",
    )
)
