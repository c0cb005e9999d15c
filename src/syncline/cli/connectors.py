"""``syncline connectors``: what is installed and what it can do."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(connectors)


def connectors(json: bool = typer.Option(False, "--json", help="For machines.")) -> None:
    """List the installed connectors and their capabilities."""
    import msgspec

    from syncline.runtime.registry import connectors as installed

    found = installed()
    if json:
        table = [
            {"name": c.name, "title": c.title, "capabilities": msgspec.to_builtins(c.capabilities)}
            for c in found.values()
        ]
        typer.echo(msgspec.json.encode(table).decode())
        return
    for connector in found.values():
        typer.echo(f"{connector.name}  ({connector.title})")
        for name, value in msgspec.to_builtins(connector.capabilities).items():
            typer.echo(f"  {name:24} {', '.join(value) if isinstance(value, list | tuple) else value}")
