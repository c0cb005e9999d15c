"""What a connector keeps outside of the store of what it took, such as files: searched where somebody is to be forgotten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

# Which of some orders of this system, by key, are of the person.
Whose = Callable[[Sequence[str]], Awaitable[Collection[str]]]


@dataclass(frozen=True, slots=True)
class Searched:
    """Copies that tell of somebody, by names that people know them by, with their moments.

    ``orders`` counts the person's orders in ``files``. ``left`` are the files that tell of them beside these orders.
    """

    orders: int = 0
    files: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class Copies(Protocol):
    """The copies of one system."""

    async def search(self, whose: Whose, tells: Callable[[str], bool], *, erase: bool) -> Searched:
        """Look for somebody; with ``erase``, take them out of their orders, of which the rest stays as it was.

        Doing it twice is doing it once, whenever the process ends. ``tells`` is asked of what is none of their orders.

        Raises:
            Misconfigured, Retryable: the copies cannot be read or written.
        """
        ...


__all__ = ["Copies", "Searched", "Whose"]
