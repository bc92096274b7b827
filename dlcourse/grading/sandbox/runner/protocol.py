"""What both sides of the sandbox must agree on. It imports nothing."""

# What an output may be shown as, by its MIME type.
TEXT_MIME_TYPES = (
    "text/plain",
    "text/html",
    "text/markdown",
    "text/latex",
    "image/png",
    "image/jpeg",
    "image/svg+xml",
)
MIME_TYPES = (*TEXT_MIME_TYPES, "application/json")

# A probe's data: how deeply it may be nested, and the element types of its arrays.
MAX_DATA_DEPTH = 32
DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")

# The exceptions that a report names; any other is told by the first of its bases that is here, or
# as "an exception". The list is short: each name that a report may give carries a little of
# what the process knows, which holds the hidden checks, to the student.
EXCEPTIONS = (
    "AttributeError",
    "ImportError",
    "IndexError",
    "KeyError",
    "MemoryError",
    "NameError",
    "RecursionError",
    "SyntaxError",
    "TypeError",
    "ValueError",
    "ZeroDivisionError",
)
