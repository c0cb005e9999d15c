"""Taking holds: those that come together share a transaction, and nobody is sent into one that must be refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncline.engine.derive.dirty import mark
from syncline.engine.shelves import Pool, Room
from syncline.model.errors import Fenced
from syncline.ports import Store, Write

TOGETHER_MAX = 200  # holds of one row that share a transaction


class Taking:
    """What is being taken at the moment, by this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taking: dict[Pool, dict[asyncio.Future[bool], int]] = {}
        self._putting: dict[str, tuple[Mapping[str, Any], asyncio.Future[bool]]] = {}
        self._over: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def others_first(self, needed: Mapping[Pool, int], rooms: Mapping[Pool, Room]) -> bool:
        """Wait for those who are just taking what we would need; ``False`` if there is enough for all.

        Only for thrift: a transaction that is refused costs those committed with it a second run.
        """
        for at, quantity in needed.items():
            taking = self._taking.get(at)
            if quantity and taking and sum(taking.values()) + quantity > rooms[at].left:
                await asyncio.wait([next(iter(taking))])
                return True
        return False

    async def put(self, due: Iterable[str], rows: Sequence[Mapping[str, Any]], now_ms: int) -> bool:
        """Write a hold's rows, all or none; returns whether they were.

        A hold of one row needs no transaction of its own to be whole. Those of one turn of the loop share
        one, in which each is taken or not.
        """
        if len(rows) > 1:
            try:
                await self.take(due, rows, now_ms, Write("hold_put", rows, guard=True))
            except Fenced:
                return False
            return True
        (row,) = rows
        loop = asyncio.get_running_loop()
        if row["reference"] in self._putting or len(self._putting) >= TOGETHER_MAX:
            self._put_together()
        if not self._putting:
            loop.call_soon(self._put_together)
        taken: asyncio.Future[bool] = loop.create_future()
        self._putting[row["reference"]] = (row, taken)
        self._over.update(due)
        at = row["sku"], row["pool"]
        self._taking.setdefault(at, {})[taken] = row["quantity"]
        try:
            return await taken
        finally:
            self._let_go(at, taken)

    def _put_together(self) -> None:
        if not self._putting:
            return
        putting, over = self._putting, self._over
        self._putting, self._over = {}, set()
        task = asyncio.get_running_loop().create_task(self._put_all(putting, over))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _put_all(
        self, putting: Mapping[str, tuple[Mapping[str, Any], asyncio.Future[bool]]], over: set[str]
    ) -> None:
        rows = [row for row, _ in putting.values()]
        now_ms = max(row["now_ms"] for row in rows)
        try:
            *_, put = await self._store.write(*_opened(rows, over, now_ms), Write("hold_put", rows))
        except Exception as error:  # noqa: BLE001 (handed to those whose holds they are)
            for _, taken in putting.values():
                if not taken.done():
                    taken.set_exception(error)
        else:
            got = {reference for (reference,) in put}
            for reference, (_, taken) in putting.items():
                if not taken.done():
                    taken.set_result(reference in got)

    async def take(
        self, due: Iterable[str], rows: Sequence[Mapping[str, Any]], now_ms: int, *writes: Write
    ) -> None:
        """Lock the SKUs, end what is over, and count."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        for row in rows:
            taking = self._taking.setdefault((row["sku"], row["pool"]), {})
            taking[done] = taking.get(done, 0) + row["quantity"]
        try:
            await self._store.write(*_opened(rows, due, now_ms), *writes)
        finally:
            done.set_result(True)
            for row in rows:
                self._let_go((row["sku"], row["pool"]), done)

    def _let_go(self, at: Pool, done: asyncio.Future[bool]) -> None:
        """Nobody waits for this any more."""
        taking = self._taking.get(at, {})
        taking.pop(done, None)
        if not taking:
            self._taking.pop(at, None)


def _opened(rows: Iterable[Mapping[str, Any]], due: Iterable[str], now_ms: int) -> tuple[Write, Write]:
    """Lock the SKUs of some holds, and end what is over."""
    lapses = [{"sku": sku, "firm": False, "now_ms": now_ms} for sku in sorted(due)]
    return mark((row["sku"] for row in rows), now_ms), Write("hold_lapse", lapses, told=False)
