"""Files that commands read and write: what is wrong with one is said in a sentence, and before the work where it can be."""

from __future__ import annotations

from pathlib import Path


def read(path: Path) -> str:
    """What a file says.

    Raises:
        Misconfigured: it cannot be read, or is no UTF-8.
    """
    from syncline.model.errors import Misconfigured

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from error


def write(path: Path, text: str) -> None:
    """Write a file, in the place of one that is there.

    Raises:
        Misconfigured: it cannot be written.
    """
    from syncline.model.errors import Misconfigured

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}") from error


def placed(*paths: Path | None) -> None:
    """Look before a long run whether what it writes at its end has a folder.

    Raises:
        Misconfigured: one has none.
    """
    from syncline.model.errors import Misconfigured

    for path in paths:
        if path is not None and not path.resolve().parent.is_dir():
            raise Misconfigured(f"{path}: the folder {path.resolve().parent} does not exist")
