"""An ERP whose stock is read whole, page by page, by the engine's own poller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.web.support import MINUTE, StillClock, make_engine

from syncline.engine.engine import Engine
from syncline.engine.operations import Operations
from syncline.model.change import Cursor, Event, Flow, Via
from syncline.model.records import Item
from syncline.ports import Page

Figures = Mapping[tuple[str, str], int | str]


class Erp:
    """What a full read of stock returns, ``rows`` at a time. It breaks off before the page ``breaks_at``, once."""

    def __init__(self, engine: Engine, rows: int = 10) -> None:
        self.engine = engine
        self.rows = rows
        self.figures: Figures = {}
        self.breaks_at = -1
        self.by_content = False

    async def poll(self, stream: str, cursor: Cursor | None):
        clock = self.engine.clock
        began_ms, page = json.loads(cursor.position) if cursor and cursor.position else (clock.now_ms(), 0)
        rows = list(self.figures.items())
        covered = cursor.covers_ms if cursor else 0
        while True:
            if page == self.breaks_at:
                self.breaks_at = -1
                raise TimeoutError("the line broke")
            clock.at_ms += 1_000
            some = rows[page * self.rows : (page + 1) * self.rows]
            events = tuple(self.event(key, figure, began_ms) for key, figure in some)
            page += 1
            last = page * self.rows >= len(rows)
            position = "" if last else json.dumps([began_ms, page])
            yield Page(events, Cursor("erp", stream, position, began_ms if last else covered), last)
            if last:
                return

    def event(self, key: tuple[str, str], figure: int | str, began_ms: int) -> Event:
        body = json.dumps({"sku": key[0], "location": key[1], "available": str(figure)}).encode()
        name = body.decode() if self.by_content else f"{key} {began_ms}"
        return Event("erp", "stock", name, Via.SNAPSHOT, began_ms, body)


@asynccontextmanager
async def reading(engine: Engine, erp: Erp):
    """Have the engine read from this ERP, with its applier running."""
    engine.systems["erp"].source.poll = erp.poll
    await engine.applier._lease.take()
    applying = asyncio.create_task(engine.applier.run())
    mine = asyncio.current_task()
    applying.add_done_callback(
        lambda task: None if task.cancelled() else mine.cancel()
    )  # nobody waits for it in vain
    try:
        yield
    finally:
        applying.cancel()


async def erp_with(figures: Figures, *, share: str = "0.3", rows: int = 10) -> tuple[Engine, Erp]:
    """An engine that has read all of this once."""
    engine = await make_engine(StillClock())
    ask_about(engine, dict.fromkeys(sku for sku, _ in figures), share=share)
    erp = Erp(engine, rows)
    await read(engine, erp, figures)
    return engine, erp


def ask_about(engine: Engine, skus: Iterable[str], *, share: str = "0.3") -> None:
    """Have a full read that cuts more than this share of the SKUs wait; the shop sells all of them."""
    (route,) = engine.routes.of(Flow.INVENTORY)
    object.__setattr__(route, "guard_cut_share", Decimal(share))
    for sku in skus:
        engine.catalog.put("shop", Item(sku, sku))


async def read(engine: Engine, erp: Erp, figures: Figures) -> None:
    """Read everything, an hour after the last time."""
    engine.clock.at_ms += 60 * MINUTE
    erp.figures = figures
    async with reading(engine, erp):
        poller = next(p for p in engine.pollers if p.system.name == "erp" and p.stream.snapshot)
        try:
            await poller.read_once()
        finally:
            await settled(engine)


async def tell(engine: Engine, erp: Erp, figures: Figures) -> None:
    """The ERP tells of some figures by itself."""
    engine.clock.at_ms += 1_000
    now_ms = engine.clock.now_ms()
    events = []
    for key, figure in figures.items():
        event = erp.event(key, figure, now_ms)
        events.append(Event("erp", "stock", f"told {event.event_id}", Via.EVENT, now_ms, event.body))
    async with reading(engine, erp):
        await engine.store.append(events, received_at_ms=now_ms)
        engine.applier.wake()
        await settled(engine)


async def settled(engine: Engine) -> None:
    """Everything is applied and computed."""
    ((end,),) = await engine.store.read("log_end")
    await engine.applier.reached(end)
    while await engine.store.read("dirty", now_ms=engine.clock.now_ms(), limit=1):
        engine.applier.wake()
        await engine.clock.sleep(0)


async def stock(engine: Engine) -> dict[tuple[str, str], int]:
    """What counts, by SKU and location."""
    (route,) = engine.routes.of(Flow.INVENTORY)
    skus = engine.catalog.skus("shop")
    levels = (await engine.deriver.compute(route, skus)).levels
    return {(sku, at): int(level.available) for sku, by in levels.items() for at, level in by.items()}


async def parked(engine: Engine) -> list[tuple[str, str]]:
    """Reason and key of what waits for a person."""
    return [(entry.reason, entry.key) for entry in await Operations(engine).parked()]
