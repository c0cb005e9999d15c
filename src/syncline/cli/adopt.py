"""``syncline adopt``: take a shop over from another connector."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from syncline.cli import files
from syncline.cli.operate import CONFIG, JSON
from syncline.cli.tell import plain

if TYPE_CHECKING:
    from rich.progress import TaskID


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    group = typer.Typer(
        help="Take channels over from another connector: match, find its orders, begin.",
        invoke_without_command=True,
        no_args_is_help=False,
        rich_markup_mode=None,
    )
    group.callback()(adopt)
    group.command("confirm")(confirm)
    group.command("refuse")(refuse)
    app.add_typer(group, name="adopt")


def adopt(
    context: typer.Context,
    config: Path = CONFIG,
    apply: bool = typer.Option(
        False, "--apply", help="Write it. Without, nothing but what was read is kept."
    ),
    orders_from: str = typer.Option(
        "",
        "--orders-from",
        metavar="TIME",
        help="Since when orders are ours: now, or such as 2026-01-31T00:00:00Z. Default: after the newest that the "
        "ERP holds.",
    ),
    suggestions: Path | None = typer.Option(None, "--suggestions", help="Write the suggestions to this CSV."),
    decisions: Path | None = typer.Option(None, "--decisions", help="That CSV with the decisions filled in."),
    report: Path | None = typer.Option(
        None, "--report", help="Write everything that was found to this JSON."
    ),
    json: bool = JSON,
) -> None:
    """Read both sides once, match goods and orders, and say what would be taken over; --apply does it.

    The service must not run meanwhile. A run that was ended goes on where it was.
    """
    if context.invoked_subcommand is not None:
        return
    import msgspec
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from syncline.runtime import adopting
    from syncline.runtime.config import load
    from syncline.runtime.logs import configure

    configure()
    files.placed(suggestions, report)
    since_ms = adopting.moment_ms(orders_from) if orders_from else None
    decided = adopting.decisions_of(decisions) if decisions is not None else {}
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}"))
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def progress(what: str, count: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
            bar.update(tasks[what], completed=count)

        survey = asyncio.run(
            adopting.adopt(
                load(config),
                decisions=decided,
                orders_from_ms=since_ms,
                apply=apply,
                progress=progress,
            )
        )
    whole = msgspec.json.format(msgspec.json.encode(survey.as_json()), indent=2)
    if suggestions is not None:
        adopting.write_private(suggestions, adopting.suggestions_csv(survey))
    if report is not None:
        adopting.write_private(report, f"{whole.decode()}\n")
    typer.echo(whole.decode() if json else plain("\n".join(survey.words())))


def confirm(
    ids: list[str] = typer.Argument(metavar="ID", help="As they stand before the suggestions."),
    config: Path = CONFIG,
) -> None:
    """Say that a suggestion is right; the next --apply uses it."""
    _decide(ids, config, confirmed=True)


def refuse(
    ids: list[str] = typer.Argument(metavar="ID", help="As they stand before the suggestions."),
    config: Path = CONFIG,
) -> None:
    """Say that a suggestion is wrong; it is not made again."""
    _decide(ids, config, confirmed=False)


def _decide(ids: list[str], config: Path, *, confirmed: bool) -> None:
    from syncline.runtime import adopting
    from syncline.runtime.config import load

    asyncio.run(adopting.decide(load(config), dict.fromkeys(ids, confirmed)))
    typer.echo(f"{'Confirmed' if confirmed else 'Refused'}: {', '.join(ids)}")
