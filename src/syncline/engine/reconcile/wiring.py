"""The reconciler of an engine: every flow that is declared, with what it works on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from syncline.engine.delivery.build import Builder
from syncline.engine.reconcile.differences import Settings
from syncline.engine.reconcile.orders import OrderReconciliation
from syncline.engine.reconcile.reconciler import Reconciler
from syncline.engine.reconcile.settle import Settling
from syncline.engine.reconcile.states import StateReconciliation
from syncline.engine.reconcile.stock import StockReconciliation
from syncline.engine.rewind import CATCHING_UP
from syncline.engine.routes import Route
from syncline.model.change import Flow
from syncline.ports import Write

if TYPE_CHECKING:
    from syncline.engine.engine import Engine


def reconciler_of(engine: Engine, settings: Settings, guard: Callable[[], Write]) -> Reconciler:
    """Put together what proves the engine's routes."""

    def items_read_ms(system: str) -> int:
        """When a system's items were last read whole; what was made since may be unknown."""
        reads = [p for p in engine.pollers if p.system.name == system and Flow.CATALOG in p.stream.flows]
        return min((poller.covers_ms for poller in reads), default=0)

    def unready(route: Route) -> str:
        """Why nothing is compared yet: before both systems were read, everything differs from what is known."""
        if engine.rewind.catching_up:
            return CATCHING_UP
        ends = (route.source, route.sink)
        # What only arrives may never come, such as parcels; that it was looked for is enough.
        read = all(
            p.covers_ms or (p.reads and p.stream.arrives and not p.stream.snapshot)
            for p in engine.pollers
            if p.system.name in ends
        )
        return "" if read else "both sides are still being read for the first time"

    def expected(route: Route) -> int:
        if route.flow is Flow.INVENTORY:
            return engine.catalog.count(route.sink) * len(route.locations)
        if route.flow is Flow.PRICES:
            return engine.catalog.count(route.sink) * len(route.prices.lists)
        if route.flow is Flow.CATALOG:
            return engine.catalog.count(route.sink) * (
                1 + len(route.products.locales) + len(route.products.assortments)
            )
        return 0

    def ended(route: Route, found: int, repaired: int) -> None:
        engine.notices.drift(route.sink, route.flow.value, found=found, repaired=repaired)

    stock = StockReconciliation(
        engine.store,
        engine.clock,
        engine.catalog,
        engine.routes,
        engine.systems,
        engine.deriver,
        engine.lanes,
        captured=engine.applier.wake,
        guard=guard,
        items_read_ms=items_read_ms,
    )
    builders = {
        name: Builder(engine.store, engine.catalog, engine.routes, engine.deriver, name, engine.rewind)
        for name in engine.systems
    }
    orders = OrderReconciliation(
        engine.store,
        engine.clock,
        engine.systems,
        engine.lanes,
        builders,
        engine.adoption,
        guard=guard,
        window_ms=settings.orders_ms,
    )
    states = [
        StateReconciliation(
            flow,
            engine.store,
            engine.clock,
            engine.catalog,
            engine.systems,
            engine.contents,
            engine.lanes,
            guard=guard,
            wake=engine.wake_contents,
        )
        for flow in engine.states.flows
    ]
    settling = Settling(engine.store, engine.clock, engine.systems, engine.pollers, engine.lanes)
    return Reconciler(
        engine.store,
        engine.clock,
        engine.ids,
        engine.routes,
        engine.systems,
        settling,
        (stock.declared(), orders.declared(), *(one.declared() for one in states)),
        settings=settings,
        guard=guard,
        expected=expected,
        unready=unready,
        ended=ended,
    )
