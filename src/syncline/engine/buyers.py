"""Who buys: a channel's own id of a customer, and the key under which the source has it."""

from __future__ import annotations

from syncline.engine.routes import Route, Routes, customer_reference
from syncline.model.change import Kind
from syncline.ports import Store


async def account_of(store: Store, routes: Routes, route: Route, customer: str) -> str:
    """The source's key of one of the channel's customers, or of whoever took its place; "" if nobody has told whose they are."""
    if not customer:
        return ""
    keys = [customer_reference(route.sink, customer)]
    rows = await store.read("bindings_get", system=route.source, kind=Kind.CUSTOMER.value, keys=keys)
    return routes.heir(route.source, str(rows[0][1])) if rows else ""
