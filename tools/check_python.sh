#!/bin/sh
# Say what is wrong with the Python that the environment is to be made with: `check_python.sh PYTHON`.
supported=
while read -r version; do
    supported="$supported${supported:+, }$version"
done < "${0%/*}/supported_pythons.txt"
if [ -z "${1-}" ]; then
    echo "The course needs one of Python $supported, and finds none. Install one (on Debian or" >&2
    echo "Ubuntu, as root: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python" >&2
    exit 1
fi
version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || {
    echo "PYTHON=$1 cannot be run as a Python. Name one of $supported." >&2
    exit 1
}
case ", $supported," in
    *", $version,"*) ;;
    *)
        echo "The course needs one of Python $supported; PYTHON=$1 is $version." >&2
        exit 1
        ;;
esac
