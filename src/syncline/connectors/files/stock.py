"""Stock numbers as files, and what we wrote last: a partner's file says nothing back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from syncline.connectors.files.batches import MAY_APPEAR, Batches, Key, Rows
from syncline.connectors.files.declared import Write
from syncline.connectors.files.spool import Number, Spool
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.payloads import ReadStock, SetStock
from syncline.ports import Clock, Folder


class Numbers:
    """What the spool knows of numbers: a book for ``Batches``."""

    def __init__(self, spool: Spool) -> None:
        self.told = spool.every_number
        self.pending = spool.pending
        self.pend = spool.pend
        self.unpend = spool.unpend
        self.hold = spool.hold
        self.next_number = spool.next_number

    def key(self, entry: Number) -> Key:
        """SKU and location."""
        return entry[0], entry[1]

    def rows(self, entry: Number, now_ms: int) -> Rows:
        """One."""
        sku, location, stock_id, quantity = entry
        row = {"sku": sku, "location": location, "stock_id": stock_id, "quantity": quantity, "stamp": now_ms}
        return (row,)

    def gone(self, entry: Number) -> bool:
        """A number of 0 is one."""
        del entry
        return False


class StockFiles:
    """The numbers of one partner."""

    def __init__(self, write: Write, spool: Spool, folder: Folder, clock: Clock) -> None:
        self._write = write
        self._spool = spool
        self._folder = folder
        self._batches: Batches[Number] = Batches(write, folder, clock, Numbers(spool))

    async def set(self, items: Sequence[Item]) -> list[Outcome]:
        """One file with these numbers, or with all of them. They are absolute, so writing them again does no harm."""
        return await self._batches.put(list(_numbers(item.payload for item in items)))

    async def read(self, items: Sequence[Item]) -> list[Outcome]:
        """What we wrote last. That the place can be reached is made sure of."""
        last = self._spool.last_stock_file()
        await self._folder.find(self._write.path, last or f"{self._write.prefix}{self._write.suffix}")
        waiting = await self._batches.waiting()
        outcomes = []
        for item in items:
            wanted: ReadStock = item.payload
            wait_s = waiting.get((wanted.sku, wanted.location))
            if wait_s is not None:
                outcomes.append(Outcome(Result.NOT_SENT, MAY_APPEAR, wait_s))
            else:
                held = self._spool.held(wanted.sku, wanted.location)
                outcomes.append(Outcome(Result.DONE, facts={"held": held}))
        return outcomes


def _numbers(payloads: Iterable[SetStock]) -> Iterable[Number]:
    return ((one.sku, one.location, one.stock_id, one.quantity) for one in payloads)
