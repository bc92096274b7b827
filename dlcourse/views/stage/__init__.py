"""A recorded graph to play with: the sweeps, step by step, in a notebook or a page."""

from dlcourse.views.stage.scenes import Scene, Sent
from dlcourse.views.stage.stage import Stage, play

__all__ = ["Scene", "Sent", "Stage", "play"]
