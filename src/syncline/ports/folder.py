"""A place where files are exchanged: a folder of this machine, of an SFTP server, or of an object store.

A name is one component, never a path; whoever asks has made sure of it. ``path`` is what our own configuration says,
relative to the place's root.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as it is listed. ``modified_ms`` is by the clock of the place."""

    name: str
    size: int
    modified_ms: int


class Folder(Protocol):
    """What is done with files elsewhere. Safe for concurrent use by any number of tasks.

    All of it raises ``Retryable`` (it did not happen), ``Throttled``, ``AuthExpired`` (credential or host key
    refused; nothing was done), and what changes something ``OutcomeUnknown`` too.
    """

    async def list(self, path: str) -> list[Entry]:
        """The files of a folder in the order of their names: neither folders nor links nor names that begin with a dot."""
        ...

    def read(self, path: str, name: str) -> AsyncIterator[bytes]:
        """The content of a file, piece by piece; it follows no link.

        Raises:
            Conflict: it is not there any more.
        """
        ...

    async def find(self, path: str, name: str) -> Entry | None:
        """One file; ``None`` if it is not there."""
        ...

    async def stage(self, path: str, name: str, body: bytes) -> None:
        """Write a file whole and durably where no partner looks for it. Again replaces it."""
        ...

    async def staged(self, path: str, name: str) -> bool | None:
        """Whether a file is staged; ``None`` where a place has no staging, since its writes are whole by themselves."""
        ...

    async def publish(self, path: str, name: str, body: bytes) -> None:
        """Make what was staged appear under its name, whole, in one step.

        Raises:
            Conflict: a file of that name is there already, and stays as it is.
        """
        ...

    async def move(self, path: str, name: str, to: str, new_name: str) -> None:
        """Move a file; nothing if it is not there any more. What has the new name is replaced."""
        ...
