"""Writes every page, or with ``--check`` only says whether they are as the code has them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.reference.command_line import cli
from scripts.reference.configuration import configuration
from scripts.reference.connectors import capabilities, registered
from scripts.reference.flows import flows
from scripts.reference.plan import plan
from scripts.reference.states import errors, states
from scripts.reference.watching import alerts, api, metrics

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
NOTICE = "<!-- Written by `make docs` from the code. Edit the code. -->\n"

PAGES: dict[str, Callable[[], str]] = {
    "alerts.md": alerts,
    "api.md": api,
    "cli.md": cli,
    "configuration.md": configuration,
    "connectors.md": capabilities,
    "errors.md": errors,
    "flows.md": lambda: flows(registered()),
    "metrics.md": metrics,
    "plan.md": plan,
    "states.md": states,
}


INCLUDE = re.compile(
    r"^<!-- include: (?P<path>\S+) -->\n```(?P<kind>\w+)\n.*?^```\n<!-- end -->$", re.MULTILINE | re.DOTALL
)


def included(text: str) -> str:
    """A page with the files that it includes, as they are now."""

    def block(match: re.Match[str]) -> str:
        content = (ROOT / match["path"]).read_text().rstrip("\n")
        return f"<!-- include: {match['path']} -->\n```{match['kind']}\n{content}\n```\n<!-- end -->"

    return INCLUDE.sub(block, text)


def pages() -> Iterator[tuple[Path, str]]:
    """Every page that is written, whole or in parts, with its text."""
    for name, make in PAGES.items():
        yield REFERENCE / name, f"{NOTICE}\n{make().rstrip()}\n"
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        if path.parent != REFERENCE:
            yield path, included(path.read_text())


def main(words: list[str]) -> int:
    """Write the pages, or say which of them are stale."""
    check = "--check" in words
    REFERENCE.mkdir(parents=True, exist_ok=True)
    stale = []
    for path, text in pages():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.write_text(text)
    if stale:
        print(f"{'out of date' if check else 'written'}: {', '.join(stale)}")
    else:
        print("docs: up to date")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
