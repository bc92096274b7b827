#!/bin/sh
# Print the newest Python that the course supports (3.11 to 3.13), or nothing if there is none.
# A name is tried by running it: a version manager may have a python3.13 that only explains itself.
for name in python3.13 python3.12 python3.11 python3 python; do
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        command -v "$name"
        exit 0
    fi
done
