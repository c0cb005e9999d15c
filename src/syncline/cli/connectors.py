"""``syncline connectors``: what is installed and what it can do. ``syncline connector new``: one more."""

from __future__ import annotations

from pathlib import Path

import typer

from syncline.cli.operate import JSON


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(connectors)
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.callback()(connector)
    group.command("new")(new)
    app.add_typer(group, name="connector")


def connector() -> None:
    """A connector of your own."""


def connectors(json: bool = JSON) -> None:
    """List the installed connectors and what each can do."""
    import msgspec

    from syncline.cli.abilities import told
    from syncline.runtime.registry import connectors as installed

    found = installed()
    if json:
        table = [
            {"name": c.name, "title": c.title, "capabilities": msgspec.to_builtins(c.capabilities)}
            for c in found.values()
        ]
        typer.echo(msgspec.json.encode(table).decode())
        return
    typer.echo("\n\n".join("\n".join(told(connector)) for connector in found.values()))


def new(
    name: str = typer.Argument(help="Small letters, digits and underscores, such as acme_shop."),
    title: str = typer.Option(
        "", "--title", help="What people call the system; made from the name if left out."
    ),
    into: Path = typer.Option(
        Path(), "--into", metavar="FOLDER", help="Folder in which the package's own folder is made."
    ),
) -> None:
    """Write a whole connector package for a made-up shop, with its simulator and its tests, to be changed into yours."""
    from syncline.cli.scaffold import scaffold
    from syncline.runtime.registry import names

    folder = scaffold(name, title, into, names())
    typer.echo(f"Wrote {folder}: a connector for a made-up shop, whose tests pass. Next:")
    typer.echo(f"  cd {folder}")
    typer.echo("  python -m pip install -e . pytest")
    typer.echo("  python -m pytest")
    typer.echo("README.md says what to change first.")
