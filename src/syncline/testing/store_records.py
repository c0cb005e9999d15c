"""The part of the Store suite that is about what needs a look: what is parked, late, or differs, record by record."""

from __future__ import annotations

from typing import Any

from syncline.ports import Row, Store, Write
from syncline.testing.store_tools import T0, Opens, put

ROUTE = "prices:erp->shop"


async def park(
    store: Store, key: str, at_ms: int, operation: str = "set_price", system: str = "shop"
) -> None:
    """Park a content."""
    row = {"system": system, "operation": operation, "key": key, "now_ms": at_ms}
    await put(store, "parked_put", **row, reason="price_jump", detail=f"look at {key}", payload="{}")


async def due(store: Store, key: str, by_ms: int, state: str = "available", **changes: Any) -> None:
    """A delivery of a content that is to be there by a moment."""
    at = {"system": "shop", "operation": "set_price", "key": key, "route": ROUTE, **changes}
    times = {"changed_at_ms": T0 - 9, "not_before_ms": T0, "now_ms": T0}
    await put(store, "delivery_fact", **at, **times, deliver_by_ms=by_ms)
    if state != "available":
        ended = {
            "state": state,
            "generation": 1,
            "not_before_ms": T0,
            "reason": f"was {state}",
            "uncounted": 0,
        }
        del at["route"]
        await put(store, "delivery_finish", **at, **ended, now_ms=T0)


async def differ(store: Store, key: str, cause: str, route: str = ROUTE, proof: str = "p1") -> None:
    """A difference of a content that was found twice."""
    row = {"route": route, "key": key, "cause": cause, "subject": key, "units": 0, "state": "named"}
    for now_ms in (T0, T0 + 2):
        await put(store, "difference_put", **row, detail=f"{cause} of {key}", proof=proof, now_ms=now_ms)


class RecordConformance(Opens):
    """What of state records needs a look."""

    async def test_what_is_parked_is_told_by_what_was_to_be_done(self) -> None:
        async with self.store() as store:
            await park(store, "b", T0 + 5)
            await park(store, "a", T0 + 2, "set_list_price")
            await park(store, "c", T0 + 2)
            await park(store, "d", T0, "set_stock")
            await park(store, "e", T0, system="till")
            await park(store, "f", T0)
            at = {"system": "shop", "operation": "set_price", "key": "f", "now_ms": T0 + 9}
            await put(store, "parked_resolve", **at, resolution="released", by="ann")

            async def told(operations: list[str], limit: int = 9) -> list[Row]:
                return await store.read("parked_of", system="shop", operations=operations, limit=limit)

            rows = await told(["set_price", "set_list_price", "none"])
            assert [row[1:] for row in rows] == [
                ("set_list_price", "a", "price_jump", "look at a", T0 + 2),
                ("set_price", "c", "price_jump", "look at c", T0 + 2),
                ("set_price", "b", "price_jump", "look at b", T0 + 5),
            ]
            assert (await store.read("parked_get", id=rows[0][0]))[0][3] == "a"
            assert [row[2] for row in await told(["set_price"], limit=1)] == ["c"]
            assert await told([]) == []

    async def test_what_is_late_is_told_the_longest_first(self) -> None:
        async with self.store() as store:
            await due(store, "b", T0 - 1)
            await due(store, "a", T0 - 5, operation="set_stock")
            await due(store, "c", T0 - 5, "retryable")
            await due(store, "d", T0)
            await due(store, "e", T0 - 5, route="prices:erp->till")
            await due(store, "f", T0 - 5, system="till")
            await due(store, "g", T0 - 5, "completed")
            await due(store, "h", T0 - 5, "parked")
            await due(store, "i", T0 - 1, operation="set_list_price")
            run = {"system": "shop", "operation": "set_price", "key": "b", "now_ms": T0}
            await put(store, "delivery_run", **run)

            async def late(limit: int = 9) -> list[Row]:
                return await store.read("deliveries_late", system="shop", route=ROUTE, now_ms=T0, limit=limit)

            assert await late() == [
                ("set_price", "c", "retryable", T0 - 5, 0, "was retryable"),
                ("set_stock", "a", "available", T0 - 5, 0, ""),
                ("set_list_price", "i", "available", T0 - 1, 0, ""),
                ("set_price", "b", "running", T0 - 1, 1, ""),
            ]
            assert [row[1] for row in await late(limit=2)] == ["c", "a"]

    async def test_differences_are_told_of_some_records_until_they_are_gone(self) -> None:
        async with self.store() as store:
            await differ(store, "b", "not computed")
            await differ(store, "b", "changed at the channel", proof="p2")
            await differ(store, "a", "not computed", proof="p2")
            await differ(store, "a", "not computed", route="other")
            await differ(store, "c", "not computed", proof="p2")
            at: dict[str, Any] = {"route": ROUTE, "keys": ["b", "a", "none"]}
            assert await store.read("differences_at", **at) == [
                ("a", "not computed", "not computed of a", "named", T0, T0 + 2),
                ("b", "changed at the channel", "changed at the channel of b", "named", T0, T0 + 2),
                ("b", "not computed", "not computed of b", "named", T0, T0 + 2),
            ]
            await store.write(Write("difference_gone", [{"route": ROUTE, "proof": "p2", "now_ms": T0 + 5}]))
            assert [row[:2] for row in await store.read("differences_at", **at)] == [
                ("a", "not computed"),
                ("b", "changed at the channel"),
            ]
            assert [row[0] for row in await store.read("differences_at", route="other", keys=["a"])] == ["a"]
