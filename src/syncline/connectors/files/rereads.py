"""What can be read again of a partner: the figures of its last full file, and the orders that it left.

A file is what the partner says, so the last one is the truth to compare with, at the moment of its stamp. What a channel shows
is told where it leaves a file of that (``shown``), and what became of an order's total in an ERP is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

import msgspec

from syncline.connectors.files import mapping
from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import Reader
from syncline.connectors.files.intake import Ends, header_of, kept, lines
from syncline.connectors.files.kinds import ORDERS, STOCK
from syncline.connectors.files.manifest import FilesSettings
from syncline.connectors.files.mapping import Rows
from syncline.connectors.files.shown import ShownFiles
from syncline.connectors.files.sold import Ordered
from syncline.connectors.files.source import Place
from syncline.connectors.files.spool import Spool, Taken
from syncline.model.change import Cursor, Event
from syncline.model.errors import Rejected, Retryable
from syncline.model.readings import Placed
from syncline.model.records import Item
from syncline.ports import Clock, Part, Rereads

LAID_OUT_ROWS = 10_000  # in one transaction
PLACED_ROWS = 250
NOBODY = (-1, "")  # before every order


class FileRereads:
    """Reads one partner's last files again; no call is made for it."""

    def __init__(
        self,
        name: str,
        settings: FilesSettings,
        clock: Clock,
        spool: Spool,
        shown: ShownFiles | None = None,
    ) -> None:
        self._shown = shown
        self._name = name
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._physical = any(read.kind == "stock" and read.basis == "on_hand" for read in settings.reads)

    def offered(self) -> Rereads:
        """What the declared files make possible."""
        stock, orders = self._settings.read(STOCK.name), self._settings.read(ORDERS.name)
        return Rereads(
            shown=self._shown.shown if self._shown is not None else None,
            shown_of=self._shown.shown_of if self._shown is not None else None,
            levels_of=self.levels_of if stock is not None else None,
            placed=self.placed if orders is not None else None,
            placed_of=self.placed_of if orders is not None else None,
        )

    # --- stock ------------------------------------------------------------------------------------------

    async def levels_of(self, items: Sequence[Item], locations: Sequence[str]) -> Part[Event]:
        """The figures of some items in the last full file that was believed: one that is doubted is for a person first.

        Raises:
            Retryable: the spool lacks it.
        """
        read = self._settings.read(STOCK.name)
        entry = self._spool.at(self._spool.base(STOCK.name))
        if read is None or entry is None:
            return Part((), self._clock.now_ms())
        try:
            reader = Reader(read, read.columns, header_of(read, kept(read, self._spool, entry)))
            rows = Rows(read, reader, entry, entry.stamp_ms, physical=self._physical)
            if self._spool.figures_of() != entry.seq:
                await self._lay_out(read, entry, reader, rows)
        except OSError as error:
            raise Retryable(f"the spool lacks {entry.name}: {error.strerror}") from error
        wanted = set(locations)
        found = [
            rows.stock(reader.values(line))
            for item in items
            for location, line in self._spool.figures(item.sku)
            if location in wanted
        ]
        events = [
            mapping.rows_event(self._name, read, found[n : n + mapping.ROWS_PER_EVENT], entry.stamp_ms)
            for n in range(0, len(found), mapping.ROWS_PER_EVENT)
        ]
        return Part(tuple(events), entry.listed_ms)

    async def _lay_out(self, read: Read, entry: Taken, reader: Reader, rows: Rows) -> None:
        """Once for each file: a proof asks for a few hundred SKUs at a time. A wrong line was parked when it was read."""
        self._spool.clear_figures()
        page: list[tuple[str, str, bytes]] = []
        for _, raw in lines(read, kept(read, self._spool, entry), Ends()):
            with suppress(Rejected):
                row = rows.stock(reader.values(raw))
                page.append((row.sku, row.location, raw))
            if len(page) == LAID_OUT_ROWS:
                self._spool.lay_out(page, None)
                page = []
                await self._clock.sleep(0)
        self._spool.lay_out(page, entry.seq)

    # --- orders -----------------------------------------------------------------------------------------

    async def placed(self, since_ms: int, cursor: Cursor | None, after: str) -> Part[Placed]:
        """The orders that were told, and changed since."""
        told = msgspec.json.decode(cursor.position, type=Place).seq if cursor and cursor.position else 0
        version, _, key = after.partition(":")
        at = (int(version), key) if after else NOBODY
        found = self._spool.ordered_since(since_ms, at, told, PLACED_ROWS)
        last = f"{found[-1].version_ms}:{found[-1].key}" if len(found) == PLACED_ROWS else ""
        return Part(tuple(_placed(each) for each in found), self._clock.now_ms(), last)

    async def placed_of(self, keys: Sequence[str]) -> Part[Placed]:
        """Some orders, those left out that the partner never left."""
        found = self._spool.ordered(keys)
        return Part(tuple(_placed(each) for each in found.values()), self._clock.now_ms())


def _placed(order: Ordered) -> Placed:
    return Placed(
        order.key,
        order.number,
        order.placed_ms,
        order.version_ms,
        bool(order.cancelled),
        Decimal(order.total),
    )
