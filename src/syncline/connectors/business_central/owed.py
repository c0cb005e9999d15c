"""Levels that have to be told once more, because they were read while an order was being written.

A level is told when it changed, and says for itself when it was true. Where it was read after an order had been written and
before the call that wrote it was answered, it has the order's units in it, and nobody can know: what was read before the answer
proves nothing. Nothing changes it any more once the goods have left, so its units would count as demand until the next
full read. So whoever writes notes here what it wrote, and whoever reads looks that these levels are read again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from syncline.model.payloads import PutOrder
from syncline.ports import Clock

OWED_MAX = 20_000
ITEMS_PER_CALL = 40  # a filter that names them stays within 2,000 characters
# An outcome is noted here just before the engine does, by whose moment a level is measured.
SETTLES_MS = 2_000

Place = tuple[str, str]  # id of the item, code of the location


class OwedLevels:
    """The places of orders that were written, with the moment of the answer by our clock, until a read began after it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: OrderedDict[Place, int] = OrderedDict()

    def wrote(self, put: PutOrder) -> None:
        """An order is known to be there as of now."""
        settled_ms = self._clock.now_ms() + SETTLES_MS
        for item in put.items:
            self._since[_place(item.item_id.partition(":")[0], item.location)] = settled_ms
        while len(self._since) > OWED_MAX:
            self._since.popitem(last=False)  # the next full read tells it

    def read(self, item_id: str, location: str, began_ms: int) -> None:
        """A level was read by a call that began then."""
        place = _place(item_id, location)
        if self._since.get(place, began_ms + 1) <= began_ms:
            del self._since[place]

    def due(self) -> list[str]:
        """The ids of items of which a level is to be read again: as many as one call can ask for."""
        now_ms = self._clock.now_ms()
        items = dict.fromkeys(item for (item, _), at_ms in self._since.items() if at_ms <= now_ms)
        return list(items)[:ITEMS_PER_CALL]

    def done(self, items: Sequence[str], began_ms: int) -> None:
        """All levels of these items were read by a call that began then; a place without one has nothing."""
        for place in [place for place in self._since if place[0] in items]:
            self.read(*place, began_ms)


def _place(item_id: str, location: str) -> Place:
    return item_id.lower(), location.upper()
