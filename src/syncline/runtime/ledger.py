"""The ledger of what was erased: one line for each request, in a file beside the configuration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from errno import ENOSPC
from pathlib import Path

from syncline.model.errors import Misconfigured, Retryable

NAME = "syncline.erased"
BYTES_MAX = 256 * 1024 * 1024


class FileLedger:
    """A file that only its owner can read. Each line is on disk before anything of its request is erased."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> Sequence[str]:
        """Every whole line; one that a crash cut off was never acted upon.

        Raises:
            Misconfigured: the file cannot be read, or is larger than any ledger.
        """
        try:
            if self._path.stat().st_size > BYTES_MAX:
                raise Misconfigured(f"{self._path} has more than {BYTES_MAX} bytes, so it is no ledger")
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{self._path} cannot be read: {error}") from error
        return tuple(line for line in text.splitlines() if line.endswith("}"))

    def add(self, line: str) -> None:
        """Append a line, after what a crash may have left of another one.

        Raises:
            Retryable: the file cannot be written.
        """
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                size = os.fstat(handle).st_size
                cut = size and os.pread(handle, 1, size - 1) != b"\n"
                text = f"{chr(10) if cut else ''}{line}{chr(10)}".encode()
                if os.write(handle, text) < len(text):
                    raise OSError(ENOSPC, os.strerror(ENOSPC))
                os.fsync(handle)
            finally:
                os.close(handle)
            if not size:
                self._keep_name()
        except OSError as error:
            raise Retryable(f"{self._path} cannot be written: {error.strerror}") from error

    def _keep_name(self) -> None:
        """A new file is only found after a power cut if its folder is on disk too."""
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
