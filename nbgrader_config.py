"""Settings of nbgrader for this course. `nbgrader` and `dlcourse grade` both read them."""

c = get_config()  # noqa: F821 (traitlets gives it to the file; an imported one is another)

c.CourseDirectory.course_id = "dlcourse"
# A folder that `make exercises` fills with the notebook and its data files only: nbgrader copies
# every file of its source directory into the release, and the hidden checks must not be among them.
c.CourseDirectory.source_directory = "build/source"
c.CourseDirectory.release_directory = "exercises"

try:
    from dlcourse.grading.nbgrader_plugin import configure

    configure(c)
except Exception as error:
    # nbgrader would only warn, and then grade without a sandbox.
    raise SystemExit(
        f"nbgrader_config.py: {type(error).__name__}: {error}\nnbgrader must run in the course's "
        "environment (.venv), or it would grade without the sandbox."
    ) from error
