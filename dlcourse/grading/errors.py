"""The errors of the grader itself. What is wrong with one submission is never one of them."""


class GradingError(Exception):
    """The run cannot go on; the message says what was expected and what to do."""


class UsageError(GradingError):
    """What was asked for does not exist: an assignment, a folder."""


class AssignmentError(GradingError):
    """The assignment itself is at fault: its notebook, its checks or its reference solution."""


class NotStartedError(Exception):
    """A sandbox did not start for a submission, although it was tried again; the class goes on."""


class GraderBusy(GradingError):  # noqa: N818 - a state, like BlockingIOError
    """Another grading run writes to the same gradebook."""


class DatabaseUnusable(GradingError):  # noqa: N818
    """The gradebook cannot be made or read, or is only half a one."""
