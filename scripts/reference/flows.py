"""The page docs/reference/flows.md: what each system can do of each flow, and the test that proves it.

What is declared comes from the manifests, what is proved from docs/flows.toml. Whatever is declared has to be proved, and
whatever is proved has to name a test that exists.
"""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CELLS = ROOT / "docs" / "flows.toml"
CHECKOUT = "checkout"  # no flow, but a question that flows depend on
KINDS = ("does", "part", "cannot", "none")
HEAD = (
    "# Flows and systems\n\nWhat each system can do of each flow. **✓** it works, and the test that is named proves it against the "
    "vendor's simulator; **(✓)** as far as the words say; **✗** the vendor offers nothing for it, by the source that is named. "
    "*Calls* and *reads* are what the [connector](connectors.md) declares.\n"
)


class Wrong(SystemExit):
    """A cell that cannot be meant; says which and how to mend it."""


def declared(connector: Any, calls: dict[str, str]) -> dict[str, list[str]]:
    """What a connector declares, by flow: its calls, and the streams that it reads.

    Raises:
        Wrong: a call belongs to no flow.
    """
    manifest = importlib.import_module(connector.settings.__module__)
    found: dict[str, list[str]] = {}
    for name in manifest.OPERATIONS:
        if name not in calls:
            raise Wrong(f"docs/flows.toml: name the flow of {name} ({connector.name}) under [calls]")
        found.setdefault(calls[name], []).append(f"calls `{name}`")
    for stream in manifest.STREAMS:
        for flow in (*stream.flows, *stream.records):
            how = "whole" if stream.snapshot else "changes"
            found.setdefault(flow.value, []).append(f"reads `{stream.name}` ({how})")
    return found


def proof(place: str, where: str) -> str:
    """A test as a link.

    Raises:
        Wrong: there is no such test.
    """
    path, _, name = place.partition("::")
    file = ROOT / path
    if not file.is_file() or not re.search(
        rf"^ *(?:async def|def|class) {re.escape(name)}\b", file.read_text(), re.MULTILINE
    ):
        raise Wrong(f"docs/flows.toml, {where}: there is no test {place}")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../../{path})"


def cell(entry: dict[str, Any] | None, offered: list[str], where: str) -> str:
    """One cell.

    Raises:
        Wrong: it says nothing, too much, or what its manifest contradicts.
    """
    if entry is None:
        if offered:
            raise Wrong(f"docs/flows.toml, {where}: say which test proves it; declared: {', '.join(offered)}")
        return "not built"
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1 or set(entry) - {*KINDS, "test", "source"}:
        raise Wrong(f"docs/flows.toml, {where}: one of {', '.join(KINDS)}, with test or source")
    (kind,) = kinds
    words = entry[kind]
    if kind == "none":
        return str(words)
    if kind == "cannot":
        if "source" not in entry or offered:
            raise Wrong(
                f"docs/flows.toml, {where}: cannot needs a source, and a manifest that declares nothing"
            )
        return f"✗ {words} ({entry['source']})"
    if "test" not in entry:
        raise Wrong(f"docs/flows.toml, {where}: name the test that proves it")
    tests = [entry["test"]] if isinstance(entry["test"], str) else entry["test"]
    proofs = "; ".join(proof(test, where) for test in tests)
    how = f"{'; '.join(offered)}. " if offered else ""
    return f"{'✓' if kind == 'does' else '(✓)'} {words}. {how}{proofs}"


def flows(connectors: list[Any]) -> str:
    """The page."""
    told = tomllib.loads(CELLS.read_text())
    calls = told.pop("calls")
    flow = importlib.import_module("syncline.model.change").Flow
    names = [each.value for each in flow]
    unknown = [each for each in told if each not in (*names, CHECKOUT)]
    columns = {connector.name: connector for connector in connectors}
    unknown += [f"{row}.{each}" for row, cells in told.items() for each in cells if each not in columns]
    if unknown:
        raise Wrong(f"docs/flows.toml: there is no flow or system {', '.join(unknown)}")
    offers = {name: declared(connector, calls) for name, connector in columns.items()}
    lines = [["", *(f"**{connector.title}**" for connector in connectors)], ["---"] * (len(columns) + 1)]
    for row in (*names, CHECKOUT):
        cells = told.get(row, {})
        lines.append(
            [
                f"**{row}**",
                *(cell(cells.get(name), offers[name].get(row, []), f"{row}.{name}") for name in columns),
            ]
        )
    return HEAD + "\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)
