"""What stands for a value in ``--help``: a word, where the type of a Python program would stand."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer
from typer.core import TyperArgument, TyperCommand
from typer.models import CommandInfo, OptionInfo

WORDS = {Path: "FILE", int: "N", float: "NUMBER", str: "TEXT"}
# Options that mean the same wherever they stand; one that means something of its own says so itself.
NAMED = {
    "--channel": "SYSTEM",
    "--days": "DAYS",
    "--erp": "SYSTEM",
    "--flow": "FLOW",
    "--key": "KEY",
    "--orders": "FILE",
    "--port": "PORT",
    "--sku": "SKU",
}


class Untyped(TyperArgument):
    """An argument whose name says what it is; Typer has no setting to leave out its type."""

    def display_type_rich(self, ctx: Any) -> None:
        """Nothing."""


class Plain(TyperCommand):
    """A command that shows no types."""

    def __init__(self, *args: Any, **more: Any) -> None:
        """As Typer's own."""
        super().__init__(*args, **more)
        for parameter in self.params:
            if isinstance(parameter, TyperArgument):
                parameter.__class__ = Untyped


def name_values(app: typer.Typer) -> None:
    """Give every option of every command that takes a value, and names it nowhere, a word for it."""
    for command in _commands(app):
        command.cls = Plain
        assert command.callback is not None
        types = get_type_hints(command.callback)
        for parameter in inspect.signature(command.callback).parameters.values():
            option = parameter.default
            if isinstance(option, OptionInfo) and option.metavar is None:
                names = [name for name in option.param_decls or () if name in NAMED]
                option.metavar = NAMED[names[0]] if names else _word(types[parameter.name])


def _commands(app: typer.Typer) -> Iterator[CommandInfo]:
    yield from app.registered_commands
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from _commands(group.typer_instance)


def _word(kind: Any) -> str | None:
    """``None`` for a switch, which takes no value."""
    if kind in WORDS:
        return WORDS[kind]
    return next((word for part in get_args(kind) if (word := _word(part)) is not None), None)
