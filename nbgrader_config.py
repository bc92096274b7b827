"""Settings of nbgrader for this course. `nbgrader` and `dlcourse grade` both read them."""

c = get_config()  # noqa: F821 (traitlets gives it to the file; an imported one is another)

c.CourseDirectory.course_id = "dlcourse"
# A folder that `make exercises` fills with the notebook and its data files only: nbgrader copies
# every file of its source directory into the release, and the hidden checks must not be among them.
c.CourseDirectory.source_directory = "build/source"
c.CourseDirectory.release_directory = "exercises"

# `nbgrader zip_collect`: the names in an archive of submissions from Moodle
# (Ada Lovelace_4711_assignsubmission_file_/01-autodiff.ipynb) or from Canvas
# (lovelaceada_4711_8472_01-autodiff.ipynb).
c.FileNameCollectorPlugin.named_regexp = (
    r".*/(?P<student_id>[^/_]+)_(?:LATE_)?\d+_(?:assignsubmission_file_?/?|\d+_)(?P<file_id>[^/]+)$"
)

try:
    from dlcourse.grading.nbgrader_plugin import configure

    configure(c)
except Exception as error:
    # nbgrader would only warn, and then grade without a sandbox.
    raise SystemExit(
        f"nbgrader_config.py: {type(error).__name__}: {error}\nnbgrader must run in the course's "
        "environment (.venv), or it would grade without the sandbox."
    ) from error
