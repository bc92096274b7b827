"""What the tests of the grader share."""

from chromium import browser  # noqa: F401  (a fixture)
