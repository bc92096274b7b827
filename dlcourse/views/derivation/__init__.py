"""The derivation of a gradient, step by step, as a student would write it down."""

from dlcourse.views.derivation.records import Contribution, ForwardValue, Step
from dlcourse.views.derivation.steps import Derivation, derive

__all__ = ["Contribution", "Derivation", "ForwardValue", "Step", "derive"]
