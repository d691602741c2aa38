#!/usr/bin/env python3
"""Writes values.schema.json and the table of values in helm/README.md from helm/flotilla/values.yaml; with --check it only compares.

A value's meaning is the `# --` comment above it. `# @…` narrows what it may be: enum, range, pattern, map and list (free inside),
parameters (names are those of the server's configuration), edges. Needs PyYAML.
"""

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm/flotilla"
README = ROOT / "helm/README.md"
BEGIN, END = "<!-- values: made by .build/chart-docs.py -->\n", "<!-- end of values -->\n"


def comments(text):
    """What the comments above each key say: path -> (meaning, {tag: rest})."""
    found, path, meaning, tags = {}, [], [], {}
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("# @"):
            name, _, rest = bare[3:].partition(" ")
            tags[name] = rest
        elif bare.startswith("# -- "):
            meaning, tags = [bare[5:]], {}
        elif bare.startswith("# ") and meaning:
            meaning.append(bare[2:])
        elif not bare:
            meaning, tags = [], {}
        elif match := re.match(r"( *)([A-Za-z_]\w*):", line):
            del path[len(match[1]) // 2:]
            path.append(match[2])
            if meaning:
                found[tuple(path)] = (" ".join(meaning), tags)
            meaning, tags = [], {}
    return found


def parameters():
    """Names of the parameters that can be set at start."""
    rows = (ROOT / "src/docs/configuration.md").read_text().splitlines()
    cells = [row.split("|") for row in rows if row.startswith("| `")]
    return sorted(cell[1].strip().strip("`") for cell in cells if cell[2].strip())


def schema_of(value, tags):
    if "enum" in tags:
        return {"enum": tags["enum"].split("|")}
    if "range" in tags:
        low, high = tags["range"].split("..")
        return {"type": "integer", "minimum": int(low), "maximum": int(high)}
    if "map" in tags:
        return {"type": "object"}
    if "list" in tags:
        return {"type": "array"}
    if "parameters" in tags:
        plain = {"type": ["string", "number", "boolean"]}
        return {"type": "object", "propertyNames": {"enum": parameters()}, "additionalProperties": plain}
    if "edges" in tags:
        site = {"type": "string", "pattern": "^[a-z0-9-]{1,57}$"}
        edge = {"site": site, "names": {"type": "array", "items": {"type": "string"}}}
        item = {"type": "object", "properties": edge, "required": ["site"], "additionalProperties": False}
        return {"type": "array", "items": item}
    kinds = {bool: "boolean", int: "integer", str: "string"}
    kind = {"type": kinds[type(value)]}
    if "pattern" in tags:
        kind["pattern"] = tags["pattern"]
    return kind


def walk(values, said, path=()):
    """The schema of a map, and rows (name, default, meaning) of what is in it."""
    properties, rows = {}, []
    for key, value in values.items():
        here = (*path, key)
        if here in said:
            meaning, tags = said[here]
            properties[key] = {"description": meaning, **schema_of(value, tags)}
            rows.append((".".join(here), value, meaning))
        elif isinstance(value, dict):
            properties[key], more = walk(value, said, here)
            rows += more
        else:
            sys.exit(f"values.yaml: {'.'.join(here)} has no comment '# --'")
    return {"type": "object", "properties": properties, "additionalProperties": False}, rows


def main():
    text = (CHART / "values.yaml").read_text()
    schema, rows = walk(yaml.safe_load(text), comments(text))
    # Helm passes it to charts that are parts of others.
    schema["properties"]["global"] = {"type": "object"}
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the Flotilla chart", **schema}
    show = lambda value: "" if value in ("", {}, []) else f"`{json.dumps(value, ensure_ascii=False)}`"
    cell = lambda meaning: meaning.replace("|", "\\|")
    table = ["| value | default | meaning |", "|---|---|---|"]
    table += [f"| `{name}` | {show(value)} | {cell(meaning)} |" for name, value, meaning in rows]
    readme = README.read_text()
    head, rest = readme.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    wanted = {
        CHART / "values.schema.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n",
        README: head + BEGIN + "\n".join(table) + "\n" + END + tail,
    }
    stale = [path for path, content in wanted.items() if not path.exists() or path.read_text() != content]
    if "--check" in sys.argv:
        if stale:
            sys.exit(f"{', '.join(str(path.relative_to(ROOT)) for path in stale)}: run .build/chart-docs.py")
        return
    for path in stale:
        path.write_text(wanted[path])


if __name__ == "__main__":
    main()
