"""The command line. Each command group is a file; heavy imports happen inside the commands."""

from __future__ import annotations

import json
import sys
from typing import Any

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
    token,
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
    token,
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
        code = app(standalone_mode=False)
    except SynclineError as error:
        typer.echo(plain(f"syncline: {error}"), err=True)
        if FOR_MACHINES.get():
            _tell_machine(type(error).__name__.lower(), str(error))
        sys.exit(2)
    except typer.Abort:
        typer.echo("Aborted!", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not hasattr(
            error, "format_message"
        ):  # typer has its own copy of click's errors, or click's, by its version
            raise
        error.show()  # type: ignore[attr-defined]
        if _asks_as_machine(error):
            _tell_machine("usage", error.format_message())
        sys.exit(error.exit_code)  # type: ignore[attr-defined]
    sys.exit(code)


def _tell_machine(code: str, message: str) -> None:
    typer.echo(json.dumps({"error": {"code": code, "message": message}}))


def _asks_as_machine(error: Any) -> bool:
    """Whether a command that was called wrongly was called with ``--json``: it did not get as far as to take note of it.

    Of some commands that is the name of a file.
    """
    if error.ctx is None:
        return FOR_MACHINES.get()
    takes_file = any("--json" in one.opts and not one.is_flag for one in error.ctx.command.params)
    return "--json" in sys.argv[1:] and not takes_file
