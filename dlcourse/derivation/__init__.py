"""The derivation of a gradient, step by step, as a student would write it down."""

from dlcourse.derivation.steps import Contribution, Derivation, Step, Value, derive

__all__ = ["Contribution", "Derivation", "Step", "Value", "derive"]
