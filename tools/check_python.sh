#!/bin/sh
# Say what is wrong with the Python that the environment is to be made with: `check_python.sh PYTHON`.
if [ -z "${1-}" ]; then
    echo "The course needs Python 3.11, 3.12 or 3.13, and finds none. Install one (on Debian or" >&2
    echo "Ubuntu, as root: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python" >&2
    exit 1
fi
version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || {
    echo "PYTHON=$1 cannot be run as a Python. Name one of 3.11, 3.12 or 3.13." >&2
    exit 1
}
case "$version" in
    3.11 | 3.12 | 3.13) ;;
    *)
        echo "The course needs Python 3.11, 3.12 or 3.13; PYTHON=$1 is $version." >&2
        exit 1
        ;;
esac
