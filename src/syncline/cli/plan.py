"""``syncline plan``: before anything is connected, which pattern each flow needs; afterwards, whether it runs as planned."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from syncline.cli import files
from syncline.cli.operate import CONFIG, JSON, call, show

if TYPE_CHECKING:
    from syncline.planner.plan import Plan

PLAN = Path("plan.toml")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(plan)


def plan(
    path: Path = typer.Argument(PLAN, help="What is asked: systems, volumes, tolerances."),
    ask: bool = typer.Option(False, "--ask", help="Write that file by an interview on the terminal."),
    markdown: Path | None = typer.Option(None, "--markdown", help="Write the document as Markdown."),
    html: Path | None = typer.Option(None, "--html", help="Write it as one page that needs nothing else."),
    svg: Path | None = typer.Option(None, "--svg", help="Write the drawing of the architecture."),
    json_file: Path | None = typer.Option(None, "--json-file", help="Write everything as JSON."),
    write: bool = typer.Option(
        False, "--write", help="Put the routes, and what is foretold of them, into the configuration."
    ),
    yes: bool = typer.Option(False, "--yes", help="With --write: do not ask before a file is changed."),
    check: bool = typer.Option(
        False, "--check", help="Compare the running service with the plan in its configuration."
    ),
    force: bool = typer.Option(False, "--force", help="With --ask: overwrite an existing plan file."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Which pattern each flow needs, both worst cases, calls against each limit, costs and effort.

    Exits with 1 if a tolerance or a limit cannot be kept, or, with --check, if the running service differs from its plan.
    """
    if check:
        _check(config, json=json)
        return
    if ask:
        _interview(path, force=force)
    from syncline.planner.choice import planned
    from syncline.planner.document import document
    from syncline.runtime.plan import VOLUME_ASSUMPTIONS, load_plan

    found = planned(load_plan(path))
    doc = document(found, VOLUME_ASSUMPTIONS)
    _write_files(found, doc, markdown, html, svg, json_file)
    if write:
        _put(found, config, yes=yes)
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(doc).decode())
    elif not any((markdown, html, svg, json_file, write)):
        from syncline.planner.markdown import markdown as as_markdown

        typer.echo(as_markdown(doc), nl=False)
    else:
        from syncline.planner.markdown import verdict

        typer.echo(verdict(doc))
    if not found.kept:
        raise typer.Exit(1)


def _write_files(
    found: Plan,
    doc: dict[str, Any],
    markdown: Path | None,
    html: Path | None,
    svg: Path | None,
    json_file: Path | None,
) -> None:
    if markdown is not None:
        from syncline.planner.markdown import markdown as as_markdown

        _save(markdown, as_markdown(doc))
    if html is not None:
        from syncline.web.planned import page

        _save(html, page(found, doc))
    if svg is not None:
        from syncline.planner.drawing import svg as as_svg

        _save(svg, as_svg(found) + "\n")
    if json_file is not None:
        import msgspec

        _save(json_file, msgspec.json.format(msgspec.json.encode(doc).decode()) + "\n")


def _save(path: Path, text: str) -> None:
    files.write(path, text)
    typer.echo(f"Wrote {path}.", err=True)  # what --json prints stands alone


def _interview(path: Path, *, force: bool) -> None:
    from syncline.model.errors import Misconfigured
    from syncline.runtime.plan_ask import interview

    if path.exists() and not force:
        raise Misconfigured(f"{path} exists already; give another path, or --force to overwrite it")
    _save(path, interview(typer.prompt, typer.echo))


def _put(found: Plan, config: Path, *, yes: bool) -> None:
    """Write the routes into the configuration, after the difference was shown and agreed to."""
    from syncline.model.errors import Misconfigured
    from syncline.runtime.plan_write import difference, planned_config

    before = files.read(config) if config.exists() else ""
    after, left_out = planned_config(found, before)
    for sentence in left_out:
        typer.echo(sentence, err=True)
    if after == before:
        typer.echo(f"{config} is as planned already.")
        return
    typer.echo(difference(before, after, str(config)), nl=False)
    if not yes:
        if not sys.stdin.isatty():
            raise Misconfigured(f"{config} was not changed: give --yes to write this without being asked")
        typer.confirm(f"Write this to {config}?", abort=True)
    if before:
        _save(config.with_name(config.name + ".before-plan"), before)
    _save(config, after)


def _check(config: Path, *, json: bool) -> None:
    found = call(config, "GET", "/v1/plan")
    if json:
        show(found, json=True)
    else:
        if found["compared"]:
            typer.echo(f"  {'':44}{'planned':>14}{'measured':>14}")
        for one in found["compared"]:
            mark = "DRIFT" if one["drift"] else "ok"
            typer.echo(
                f"{mark:5} {one['subject'] + ' ' + one['figure']:44}{one['planned_text']:>14}{one['measured_text']:>14}"
            )
        for sentence in found["notes"]:
            typer.echo(sentence)
    if any(one["drift"] for one in found["compared"]):
        raise typer.Exit(1)
