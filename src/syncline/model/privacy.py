"""What somebody asks about the personal data of a customer: to erase it, or to be told of it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Ask(StrEnum):
    """What is asked."""

    ERASE = "erase"  # everything that tells who one customer is
    ERASE_ALL = "erase_all"  # the same of every customer of a system
    EXPORT = "export"  # nothing is changed: a person sends what is held


class PrivacyRequest(Struct, frozen=True):
    """One request, as whoever made it words it.

    ``id`` is the same whenever the same thing is asked, so that a request that comes twice is one. ``customer`` and ``orders``
    are the system's own ids; ``email`` is compared without regard to case. A request of ``ERASE_ALL`` names nobody.
    """

    id: str
    ask: Ask
    customer: str = ""
    email: str = ""
    orders: tuple[str, ...] = ()
