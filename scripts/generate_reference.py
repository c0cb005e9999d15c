#!/usr/bin/env python3
"""Writes ``docs/reference`` from the code, so that it cannot say anything else than the code does.

make docs                    write the files
make docs ARGS=--check       only say whether they are as the code has them
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTICE = "<!-- Written by `make docs` from the code. Edit the code. -->\n"


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    if isinstance(value, bool):
        return "yes" if value else "–"
    if isinstance(value, tuple | list | frozenset | set):
        return ", ".join(f"`{item}`" for item in value) or "–"
    text = str(value)
    return text.replace("|", "\\|") if text not in {"", "0"} else "–"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(row) + " |\n" for row in lines)


def errors() -> str:
    """The error tree: its picture, and what each error means."""
    module = importlib.import_module("syncline.model.errors")
    parts = ["# Errors\n\n", inspect.getdoc(module) or "", "\n"]
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__:
            parts.append(f"\n## {name}\n\n{inspect.getdoc(value) or ''}\n")
    # The picture is a literal block in the docstring; in Markdown it is fenced.
    text = "".join(parts)
    intro, _, rest = text.partition("::\n\n")
    picture, _, rest = rest.partition("\n\n")
    picture = "\n".join(line.removeprefix("    ") for line in picture.splitlines())
    return f"{intro}```text\n{picture}\n```\n\n{rest.lstrip()}" if rest else text


def capabilities() -> str:
    """What each registered connector can do, one column a connector."""
    connectors = [entry.load() for entry in importlib.metadata.entry_points(group="syncline.connectors")]
    connectors.sort(key=lambda connector: connector.name)
    if not connectors:
        return "# Connectors\n\nNone is registered.\n"
    fields = [field.name for field in dataclasses.fields(connectors[0].capabilities)]
    rows = [
        [f"`{field}`", *(cell(getattr(connector.capabilities, field)) for connector in connectors)]
        for field in fields
    ]
    return "# Connectors\n\n" + table(["", *(connector.title for connector in connectors)], rows)


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command and all below it, in the order in which help lists them."""
    if not command.hidden:
        yield path, command
        for name, child in getattr(command, "commands", {}).items():
            yield from commands(child, (*path, name))


def cli() -> str:
    """The help of every command."""
    command = typer.main.get_command(importlib.import_module("syncline.cli").app)
    parts = ["# Command line\n"]
    for path, found in commands(command, ("syncline",)):
        parts.append(f"\n## {' '.join(path)}\n\n{(found.help or '').strip()}\n")
        rows = [
            [
                ", ".join(f"`{name}`" for name in parameter.opts)
                if parameter.opts
                else f"`{parameter.name}`",
                cell(getattr(parameter, "help", "") or ""),
                cell(parameter.default if isinstance(parameter.default, str | int | float) else ""),
            ]
            for parameter in found.params
            if not getattr(parameter, "hidden", False)
        ]
        if rows:
            parts.append("\n" + table(["option", "meaning", "default"], rows))
    return "".join(parts)


PAGES: dict[str, Callable[[], str]] = {"errors.md": errors, "connectors.md": capabilities, "cli.md": cli}


def main(words: list[str]) -> int:
    check = "--check" in words
    REFERENCE.mkdir(parents=True, exist_ok=True)
    stale = []
    for name, make in PAGES.items():
        path = REFERENCE / name
        text = f"{NOTICE}\n{make().rstrip()}\n"
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
    print(
        f"docs/reference: {', '.join(stale)} {'out of date' if check else 'written'}"
        if stale
        else "docs/reference: up to date"
    )
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
