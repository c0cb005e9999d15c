"""What a connector can read again of its system, so that both sides of a route can be compared.

All of these only read, may be repeated at will, and use the share of the vendor's limit that is not
reserved for urgent calls. A system offers what its vendor allows; what is ``None`` cannot be compared.
Each raises what ``Source.poll`` raises: nothing was learned, ask again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, TypeVar

from syncline.model.change import Cursor, Event, Kind
from syncline.model.readings import Booked, Placed, Shown, Told
from syncline.model.records import Item

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """A part of what a system holds, in the order of its own ids.

    ``after`` is where the next part begins; "" says that this was the last. What is stated was true at some
    moment between ``began_ms`` and the answer. ``cost`` is what reading took, in the unit of the vendor's limit:
    points, or seconds in which a call was open.
    """

    rows: tuple[R, ...]
    began_ms: int
    after: str = ""
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Rereads:
    """The reads of one system, by what is read.

    ``shown(locations, after)`` walks everything that a channel sells; ``shown_of(items, locations)`` reads some of it.
    ``levels_of(items, locations)`` reads stock figures of an ERP as events, which may be appended to the log.
    ``placed(since_ms, cursor, after)`` walks the channel's orders that changed since a moment, those left out that its
    stream of orders leaves out (``cursor`` is that stream's); ``placed_of(keys)`` reads some, unknown ones left out.
    ``booked(channel, since_ms, after)`` walks the ERP's orders with references of a channel; ``booked_of(numbers)`` reads
    those for some references, each with the number under which a person would have entered the order; ``booked_as(ids)``
    those with the ERP's own ids, told under the references given for them: others have written them.
    ``kits_of(skus)`` tells of some SKUs those that the ERP itself sells as kits, each with the units of every stocked SKU that
    one takes, kits in kits looked into.
    ``contents`` has for each kind of state record how a channel's contents are read: of some items in some groups (price
    lists), all that there are.
    """

    shown: Callable[[Sequence[str], str], Awaitable[Part[Shown]]] | None = None
    shown_of: Callable[[Sequence[Item], Sequence[str]], Awaitable[Part[Shown]]] | None = None
    levels_of: Callable[[Sequence[Item], Sequence[str]], Awaitable[Part[Event]]] | None = None
    placed: Callable[[int, Cursor | None, str], Awaitable[Part[Placed]]] | None = None
    placed_of: Callable[[Sequence[str]], Awaitable[Part[Placed]]] | None = None
    booked: Callable[[str, int, str], Awaitable[Part[Booked]]] | None = None
    booked_of: Callable[[Mapping[str, str]], Awaitable[Part[Booked]]] | None = None
    booked_as: Callable[[Mapping[str, str]], Awaitable[Part[Booked]]] | None = None
    kits_of: Callable[[Sequence[str]], Awaitable[Mapping[str, Mapping[str, Decimal]]]] | None = None
    contents: Mapping[Kind, Callable[[Sequence[str], Sequence[Item]], Awaitable[Part[Told]]]] = field(
        default_factory=dict
    )


NOTHING = Rereads()
