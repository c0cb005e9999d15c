"""``syncline mapping``: what is written into an account's own fields, tried before it is applied, and taken back in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from syncline.cli import files
from syncline.cli.operate import CONFIG, JSON, call, show

FILE = typer.Argument(help="A file with field tables, TOML.")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    group = typer.Typer(
        help="What is written into fields of an account's own.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("try")(try_)
    group.command("apply")(apply)
    group.command("rollback")(rollback)
    group.command("history")(history)
    app.add_typer(group, name="mapping")


def try_(
    file: Path = FILE,
    limit: int = typer.Option(
        100, "--limit", min=1, max=500, help="How many of each channel's newest orders."
    ),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Show what a mapping would write into the newest orders, beside the one in force. Nothing is written."""
    found = call(config, "POST", "/v1/mapping/try", {"text": files.read(file), "limit": limit})
    if json:
        show(found, json=True)
        return
    typer.echo(
        f"{found['orders']} orders: {found['changed']} would change, {found['failed']} cannot be computed"
    )
    for one in found["changes"]:
        typer.echo(f"  {one['order']}  {one['field']}: {_shown(one['before'])} -> {_shown(one['after'])}")
    for error in found["errors"]:
        typer.echo(f"  {error}")


def _shown(text: str | None) -> str:
    return "nothing" if text is None else repr(text)


def apply(
    file: Path = FILE,
    note: str = typer.Option("", "--note", help="Why, for whoever looks later."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Put a mapping in force: it counts for every order that is written from now on."""
    _tell(call(config, "POST", "/v1/mapping/apply", {"text": files.read(file), "note": note}), json=json)


def rollback(config: Path = CONFIG, json: bool = JSON) -> None:
    """Bring back the mapping from before the one in force."""
    _tell(call(config, "POST", "/v1/mapping/rollback", {}), json=json)


def history(config: Path = CONFIG, json: bool = JSON) -> None:
    """Every version, the one in force first: since when, by whom and why."""
    versions = call(config, "GET", "/v1/mapping")
    if json:
        show(versions, json=True)
        return
    if not versions:
        typer.echo("No mapping was ever applied.")
    for one in versions:
        _tell(one, json=False)


def _tell(version: dict[str, Any], *, json: bool) -> None:
    if json:
        show(version, json=True)
        return
    from syncline.engine.words import plural, utc

    fields = sum(1 for line in version["text"].splitlines() if "=" in line)
    lines = plural(fields, "line") if fields else "nothing is mapped"
    typer.echo(
        f"version {version['number']}  {utc(version['at_ms'])}  {version['by']}  {lines}  {version['note']}".rstrip()
    )
