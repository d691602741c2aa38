#!/usr/bin/env bash
# Makes the documentation a site of static pages, target/book, with mdBook. The pages stay where they are and link to each other as
# files; the book's source is a copy of the tree with the same paths, so that the same links lead somewhere in the site.
# A link of the site that leads nowhere is an error.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
choose_toolchain

mdbook_version=0.5.4
book=${CARGO_TARGET_DIR:-$root/target}/book

# One line of the table of contents for each link in the first column of a table of src/docs/README.md, under its heading.
contents() {
    local line title page heading='^\| (For [a-z]+) \|' row='^\| \[([^]]+)\]\(([^)#]+\.md)\)'
    echo "# Summary"
    echo
    echo "[Flotilla](index.md)"
    echo "[All pages](src/docs/index.md)"
    while IFS= read -r line; do
        if [[ $line =~ $heading ]]; then
            printf '\n# %s\n\n' "${BASH_REMATCH[1]}"
        elif [[ $line =~ $row ]]; then
            title=${BASH_REMATCH[1]} page=$(realpath --relative-to . "src/docs/${BASH_REMATCH[2]}")
            printf -- '- [%s](%s)\n' "$title" "${page/%README.md/index.md}"
            case $page in
                src/docs/adr/README.md) chapters src/docs/adr ;;
                src/docs/benchmarks.md) echo "    - [Method](bench/index.md)" && chapters bench/results ;;
            esac
        fi
    done <src/docs/README.md
}

# The pages of a directory as chapters of the one before, by their headings.
chapters() {
    local page
    for page in "$1"/*.md; do
        [ "${page##*/}" = README.md ] || printf -- '    - [%s](%s)\n' "$(sed -n '1s/^# *//p' "$page" | tr -d '[]')" "$page"
    done
}

# Links of the site's pages to files that it does not have. Other sites are not asked.
dead_links() {
    local page link file
    cd "$book"
    while IFS= read -r page; do
        while IFS= read -r link; do
            file=${link%%#*}
            file=${file//&amp;/&}
            case $file in '' | *://* | mailto:* | data:*) continue ;; esac
            [ -e "$(dirname "$page")/$file" ] || echo "$page: $link"
        done < <(grep -o '\(href\|src\)="[^"]*"' "$page" | sed 's/^[a-z]*="//; s/"$//' | sort -u)
    done < <(find . -name '*.html' ! -name print.html ! -name toc.html ! -name 404.html)
}

program=$(cargo_tool mdbook "$mdbook_version" --no-default-features --features search) || die "mdBook cannot be built"
source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
mkdir -p "$source/src"
# A README is the index of its directory.
git ls-files -z --cached --others --exclude-standard -- '*.md' 'src/docs' LICENSE | while IFS= read -r -d '' file; do
    [ -e "$file" ] || continue
    mkdir -p "$source/src/$(dirname "$file")"
    case $file in
        *.md) sed 's#\(](\([^):]*/\)\?\)README\.md#\1index.md#g' "$file" >"$source/src/${file/%README.md/index.md}" ;;
        *) cp "$file" "$source/src/$file" ;;
    esac
done
contents >"$source/src/SUMMARY.md"
cp src/docs/llms.txt "$source/src/llms.txt"
cat >"$source/book.toml" <<TOML
[book]
title = "Flotilla"
description = "A Redis-compatible store that puts one consistent data set everywhere"
language = "en"

[output.html]
default-theme = "light"
preferred-dark-theme = "navy"
no-section-label = true
TOML
rm -rf "$book"
"$program" build --dest-dir "$book" "$source" >&2
dead=$(dead_links)
[ -z "$dead" ] || die "links of the site that lead nowhere:
$dead"
say "$(find "$book" -name '*.html' | wc -l) pages in $book/index.html, no dead link among them"
