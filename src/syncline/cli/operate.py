"""``syncline status | parked | replay | explain``: talk to the running service.

These commands use the service's API, so what they do is done by the process that owns the store and
is recorded in its audit log under the name of the token's owner.
"""

from __future__ import annotations

import json as json_module
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from syncline.cli import files
from syncline.cli.tell import plain

if TYPE_CHECKING:
    from syncline.model.errors import SynclineError

CONFIG = typer.Option(Path("syncline.toml"), "--config", "-c", help="The configuration file.")
FOR_MACHINES: ContextVar[bool] = ContextVar("for_machines", default=False)  # what the command was asked for


def _for_machines(value: bool) -> bool:
    FOR_MACHINES.set(value)
    return value


JSON = typer.Option(False, "--json", help="For machines; errors, too.", callback=_for_machines)
TIMEOUT_S = 30


class _Unmoved(urllib.request.HTTPRedirectHandler):
    """Follows nobody: the request carries an administrator's token."""

    def redirect_request(self, *_: object) -> None:
        """Nowhere."""


# Nor does a proxy of the environment see the token: the service is on this machine or one beside it.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Unmoved)


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(status)
    app.command()(replay)
    app.command()(explain)
    parked = typer.Typer(help="Work that needs a person.", no_args_is_help=True, rich_markup_mode=None)
    parked.command("list")(parked_list)
    parked.command("show")(parked_show)
    parked.command("release")(parked_release)
    parked.command("edit")(parked_edit)
    parked.command("discard")(parked_discard)
    app.add_typer(parked, name="parked")


def call(config: Path, method: str, path: str, body: Any = None) -> Any:
    """Ask the running service, with the token beside the configuration.

    Raises:
        Misconfigured, Rejected, Retryable: in the words that the user reads.
    """
    from syncline.model.errors import Misconfigured, Rejected, Retryable
    from syncline.runtime.config import server_of

    server = server_of(config)
    try:
        token = (config.resolve().parent / server.token_file).read_text(encoding="ascii").strip()
    except OSError as error:
        raise Misconfigured(
            f"{server.token_file} cannot be read: {error.strerror}; it is written by the first `syncline run`",
        ) from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{server.token_file} is no token: it has to be plain ASCII") from error
    if not token or not token.isprintable():
        raise Misconfigured(f"{server.token_file} is no token: it has to be one line of text")
    host = f"[{server.host}]" if ":" in server.host else server.host
    request = urllib.request.Request(
        f"http://{host}:{server.port}{path}",
        data=None if body is None else json_module.dumps(body).encode(),
        method=method,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            said = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error, server.token_file, f"{host}:{server.port}") from error
    except HTTPException as error:
        raise Rejected(
            f"what answers on {host}:{server.port} does not speak HTTP; is that Syncline?"
        ) from error
    except OSError as error:
        raise Retryable(
            f"no service answers on {host}:{server.port} ({getattr(error, 'reason', error)}); "
            "start it with `syncline run`",
        ) from error
    try:
        return json_module.loads(said)
    except ValueError as error:
        raise Rejected(f"what answers on {host}:{server.port} gives no JSON; is that Syncline?") from error


def _refused(error: urllib.error.HTTPError, token_file: str, at: str) -> SynclineError:
    """What the service answered, in words."""
    from syncline.engine.words import sentence
    from syncline.model.errors import Rejected

    if error.code == 401:  # the answer's own advice is for browsers and programs
        return Rejected(
            f"the service does not know the token in {token_file}: it was renewed, or is of another "
            "installation; write the token of an account into that file, or name it as [server] token_file; "
            "if no administrator knows one any more, see `syncline token --help`"
        )
    try:
        told = json_module.loads(error.read())["error"]
        return Rejected(f"{sentence(told['message'])} {told.get('mend', '')}".strip())
    except (ValueError, KeyError, TypeError, AttributeError, OSError, HTTPException):
        return Rejected(f"{at} answered {error.code}; is that Syncline?")


def show(value: Any, json: bool, words: Callable[[Any], Iterable[str]] | None = None) -> None:
    """Print an answer: for a machine as it is; for a person by these words, or by its own message."""
    if json:
        typer.echo(json_module.dumps(value))
    else:
        typer.echo(plain("\n".join(words(value)) if words else value["message"]))


def status(config: Path = CONFIG, json: bool = JSON) -> None:
    """Each flow and route: age now, bounds, tolerance, what is stuck and why."""
    from syncline.cli import tell

    show(call(config, "GET", "/v1/status"), json, tell.status)


def parked_list(config: Path = CONFIG, json: bool = JSON) -> None:
    """List what waits for a person."""
    from syncline.cli import tell

    show(call(config, "GET", "/v1/parked"), json, tell.parked)


def parked_show(number: int, config: Path = CONFIG, json: bool = JSON) -> None:
    """Show one entry with its payload."""
    from syncline.cli import tell

    show(call(config, "GET", f"/v1/parked/{number}"), json, tell.entry)


def parked_release(
    number: int | None = typer.Argument(None, help="One entry."),
    kind: str = typer.Option("", "--kind", help="All of one kind instead, such as put_order."),
    reason: str = typer.Option("", "--reason", help="All of one reason instead, such as rejected."),
    system: str = typer.Option("", "--system", metavar="SYSTEM", help="Only those of this system."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask whether all are meant."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Try again, with what is true now: one entry, or at most 200 of a kind or a reason."""
    from syncline.cli import tell
    from syncline.model.errors import Rejected

    many = {"operation": kind, "reason": reason, "system": system}
    if (number is None) != bool(kind or reason):
        raise Rejected("name one entry by its number, or many by --kind or --reason")
    if number is not None:
        show(call(config, "POST", f"/v1/parked/{number}/release", {}), json)
        return
    status = call(config, "GET", "/v1/status")
    count = sum(
        group["count"]
        for group in status["parked_groups"]
        if all(not wanted or group[name] == wanted for name, wanted in many.items())
    )
    if count and not yes:
        if json:
            raise Rejected(f"{count} would be released: with --json nobody is asked, so say --yes")
        typer.confirm(
            f"{count} parked of {', '.join(filter(None, many.values()))}. Release them?", abort=True, err=True
        )
    show(
        call(config, "POST", "/v1/parked/release", {**many, "until_ms": status["now_ms"]}),
        json,
        tell.released,
    )


def parked_edit(
    number: int,
    payload: Path = typer.Argument(help="A file with the corrected payload."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Replace the payload of an event that could not be applied; the original stays in the audit log."""
    show(call(config, "POST", f"/v1/parked/{number}/edit", {"payload": files.read(payload)}), json)


def parked_discard(number: int, config: Path = CONFIG, json: bool = JSON) -> None:
    """Decide that it will not be done."""
    show(call(config, "POST", f"/v1/parked/{number}/discard", {}), json)


def replay(
    key: str = typer.Argument(help="An order (number, id or reference), a SKU, or a route's name."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Compute and send again from what is true now; never an old number."""
    from syncline.model.errors import Rejected

    if "->" in key:
        show(call(config, "POST", "/v1/replay", {"route": key}), json)
        return
    try:
        done = call(config, "POST", "/v1/replay", {"order": key})
    except Rejected as no_order:
        try:
            done = call(config, "POST", "/v1/replay", {"sku": key})
        except Rejected as no_sku:
            raise Rejected(" ".join(dict.fromkeys([str(no_order), str(no_sku)]))) from no_sku
    show(done, json)


def explain(
    sku: str,
    channel: str = typer.Option(..., "--channel", help="The channel's system name."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Why a channel shows the number it shows: every input, its age, the rule, and the write."""
    from syncline.cli import tell

    query = urllib.parse.urlencode({"sku": sku, "channel": channel})
    show(call(config, "GET", f"/v1/explain?{query}"), json, tell.explained)
