"""Markdown: cells, tables, docstrings."""

from __future__ import annotations

from typing import Any


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    if isinstance(value, bool):
        return "yes" if value else "–"
    if isinstance(value, tuple | list | frozenset | set):
        return ", ".join(f"`{item}`" for item in value) or "–"
    text = str(value)
    return text.replace("|", "\\|") if text not in {"", "0"} else "–"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(row) + " |\n" for row in lines)


def plain(text: str) -> str:
    """A docstring in Markdown: one backtick for code."""
    return text.replace("``", "`")
