"""The page of the commands."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from scripts.reference.text import cell, table


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
        arguments = [p for p in found.params if p.param_type_name == "argument"]
        usage = " ".join([*path, *(f"<{p.name}>" if p.required else f"[<{p.name}>]" for p in arguments)])
        parts.append(f"\n## {' '.join(path)}\n\n```text\n{usage}\n```\n\n{(found.help or '').strip()}\n")
        rows = [
            [
                f"`<{parameter.name}>`"
                if parameter.param_type_name == "argument"
                else ", ".join(f"`{name}`" for name in parameter.opts),
                cell(getattr(parameter, "help", "") or ""),
                cell(parameter.default if isinstance(parameter.default, str | int | float | Path) else ""),
            ]
            for parameter in found.params
            if not getattr(parameter, "hidden", False)
        ]
        if rows:
            parts.append("\n" + table(["option", "meaning", "default"], rows))
    return "".join(parts)
