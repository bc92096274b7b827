#!/bin/sh
# The fonts of the book: of each the characters that its pages use. The sources are the npm packages
# @fontsource/source-serif-4, @fontsource/source-sans-3 and @fontsource/noto-sans-sc, and Debian's
# fonts-texgyre-math:
#
#     tools/fonts.sh text FILE.woff2 ...
#     tools/fonts.sh math texgyrepagella-math.otf
#     tools/fonts.sh chinese noto-sans-sc-chinese-simplified-400-normal.woff2
#
# A test says so when a page needs a character that is missing.
set -eu
kind=$1
shift
folder=book/_static/fonts
ranges="U+0020-007E,U+00A0,U+00AC,U+00B1,U+00B7,U+00D7,U+00F7,U+0300-0338,U+0391-03F6,U+2010-2027,U+2032-2037"
ranges="$ranges,U+02C6,U+02D9,U+203E,U+2044,U+2057"
ranges="$ranges,U+2061-2064,U+20D0-20D7,U+2102,U+2115,U+211D,U+2124,U+2190-2199,U+21A6,U+21D0-21D4"
ranges="$ranges,U+2200-22A5,U+22C5-22C6,U+22EE-22F1,U+2308-230B,U+239B-23AD,U+23DC-23DF"
ranges="$ranges,U+27E8-27E9,U+27F5-27FA,U+2A7D-2A7E,U+1D400-1D467,U+1D49C-1D4B5,U+1D538-1D551"
ranges="$ranges,U+1D6A4-1D6A5,U+1D6E2-1D71B"

case $kind in
text)
    for file; do
        .venv/bin/pyftsubset "$file" --flavor=woff2 --no-hinting --layout-features=kern,liga \
            --unicodes=U+0020-007E,U+00A0-00FF,U+2010-2026,U+2032,U+2212 \
            --output-file="$folder/$(basename "$file")"
    done
    ;;
math)
    .venv/bin/pyftsubset "$1" --flavor=woff2 --no-hinting --layout-features=ssty,dtls \
        --unicodes="$ranges" --output-file="$folder/texgyrepagella-math-subset.woff2"
    ;;
chinese)
    # What the chapters quote of the article.
    .venv/bin/pyftsubset "$1" --flavor=woff2 --no-hinting --layout-features= \
        --text="$(cat book/*.md | tr -cd '\200-\377')" \
        --output-file="$folder/noto-sans-sc-subset.woff2"
    ;;
esac
