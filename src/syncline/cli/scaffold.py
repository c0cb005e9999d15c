"""Writes a connector package of one's own from the one that Syncline ships: ``syncline.testing.kiosk``.

That package is the only template: it is tested here like all other code, and read here as text. What is written
differs from it by names only.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Container
from importlib.resources import files
from pathlib import Path

from syncline.model.errors import Misconfigured

NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
NAME_CHARS_MAX = 40
TITLE = re.compile(r"[\w .,&()+/'-]{1,60}")  # it stands in Python and in TOML, between double quotes
OWN = ("bench", "tests")  # modules of the package's tests

# Where each file of the template goes.
LAYOUT = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "__init__.py": "src/{name}/__init__.py",
    "connector.py": "src/{name}/connector.py",
    "simulator.py": "src/{name}/simulator.py",
    "bench.py": "tests/bench.py",
    "suites.py": "tests/test_{name}.py",
}


def scaffold(name: str, title: str, into: Path, installed: Container[str]) -> Path:
    """Write a connector package into ``into``/``name``; returns that folder.

    Args:
        name: of the package, the connector and the folder.
        title: what people call the system; empty: made from the name.
        into: an existing or new folder.
        installed: names of connectors that are taken.

    Raises:
        Misconfigured: a name that cannot work or is taken, or a folder that exists; nothing was written.
    """
    _check(name, installed)
    title = title or name.replace("_", " ").title()
    if not TITLE.fullmatch(title):
        raise Misconfigured(
            f"title {title!r}: use at most 60 letters, digits, spaces and . , & ( ) + / ' - characters"
        )
    folder = into / name
    if folder.exists() or folder.is_symlink():
        raise Misconfigured(f"{folder} exists already; give another name, or another folder with --into")
    texts = {
        target.format(name=name): renamed(
            (files("syncline") / "testing" / "kiosk" / source).read_text("utf-8"), name, title
        )
        for source, target in LAYOUT.items()
    }
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def renamed(text: str, name: str, title: str) -> str:
    """A file of the template under another name; all in one pass, so that a new name is never replaced again."""
    new = {
        "syncline.testing.kiosk.bench": "bench",
        "syncline.testing.kiosk": name,
        '"Kiosk"': f'"{title}"',
        "# Kiosk": f"# {title}",
        "Kiosk": "".join(part.capitalize() for part in name.split("_")),
        "KIOSK": name.upper(),
        "kiosk.example": f"{name.replace('_', '-')}.example",  # no host has an underscore
        "syncline-kiosk": f"syncline-{name.replace('_', '-')}",
        "kiosk": name,
    }
    return re.sub("|".join(map(re.escape, new)), lambda found: new[found[0]], text)


def _check(name: str, installed: Container[str]) -> None:
    if name in installed:
        raise Misconfigured(f"a connector called {name!r} is installed already; give another name")
    if not NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        better = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:NAME_CHARS_MAX].rstrip("_")
        raise Misconfigured(
            f"name {name!r}: use at most {NAME_CHARS_MAX} small letters, digits and underscores, beginning with a "
            f"letter, such as {better or 'acme_shop'}"
        )
    if keyword.iskeyword(name) or name in OWN or importlib.util.find_spec(name) is not None:
        raise Misconfigured(
            f"name {name!r}: Python has a word or an installed package of that name; use {name}_shop, for example"
        )
