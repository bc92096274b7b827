"""What the runner keeps to itself, so that a notebook breaks itself and not the runner.

Each module sets `__builtins__` to BUILTINS: a function looks its builtins up in the dict that has
this name in its module when it is defined. This one is a copy, so `builtins.len = mine` does not
change it. The modules are copies as well, out of reach of `module.function = mine`.
"""

from __future__ import annotations

import builtins
import json as _json
import os as _os
import random as _random
import resource as _resource
import select as _select
import signal as _signal
import time as _time
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as _numpy

BUILTINS = dict(vars(builtins))
__builtins__ = BUILTINS  # type: ignore[assignment]


def private(module: ModuleType) -> Any:
    """The module's functions under a name of ours."""
    return SimpleNamespace(**vars(module))


json, numpy, os, random = private(_json), private(_numpy), private(_os), private(_random)
resource, select = private(_resource), private(_select)
signal, time = private(_signal), private(_time)
new_generator = _numpy.random.default_rng
seed_numpy = _numpy.random.seed
