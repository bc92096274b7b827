#!/bin/sh
# Print the newest Python that the course supports (see supported_pythons.txt), or nothing if there
# is none. A name is tried by running it: a version manager may have a python3.13 that only explains
# itself.
supported= newest_first=
while read -r version; do
    supported="$supported $version"
    newest_first="python$version $newest_first"
done < "${0%/*}/supported_pythons.txt"
for name in $newest_first python3 python; do
    version=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case "$supported " in
        *" $version "*) command -v "$name"; exit 0 ;;
    esac
done
