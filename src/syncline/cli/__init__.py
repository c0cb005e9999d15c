"""The command line. Each command group is a file; heavy imports happen inside the commands."""

from __future__ import annotations

import json
import sys

import typer

from syncline import __version__
from syncline.cli import (
    adopt,
    alert,
    backup,
    connectors,
    demo,
    doctor,
    init,
    mapping,
    modes,
    operate,
    plan,
    privacy,
    reconcile,
    routing,
    run,
    simulator,
    whatif,
)
from syncline.cli.metavars import name_values
from syncline.cli.operate import FOR_MACHINES
from syncline.cli.tell import plain

app = typer.Typer(
    name="syncline",
    help="Keeps ERPs and sales channels in agreement, and proves how old every number may be.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in (
    init,
    plan,
    adopt,
    run,
    operate,
    reconcile,
    routing,
    mapping,
    modes,
    privacy,
    alert,
    backup,
    doctor,
    demo,
    simulator,
    whatif,
    connectors,
):
    module.register(app)
name_values(app)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"syncline {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_version, is_eager=True
    ),
) -> None:
    """Keeps ERPs and sales channels in agreement, and proves how old every number may be."""


def main() -> None:
    """Entry point of the ``syncline`` command. Errors that we expect are one line that says what to do, and JSON for ``--json``."""
    from syncline.model.errors import SynclineError

    try:
        app()
    except SynclineError as error:
        typer.echo(plain(f"syncline: {error}"), err=True)
        if FOR_MACHINES.get():
            told = {"code": type(error).__name__.lower(), "message": str(error)}
            typer.echo(json.dumps({"error": told}))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
