"""The part of the Store suite that is about where orders are sent from."""

from __future__ import annotations

from syncline.ports import Store
from syncline.testing.store_statements import record, want
from syncline.testing.store_tools import T0, Opens, put

ROW = {"channel": "shop", "order_key": "1", "said": "decided", "body": "{}"}
PLACE = {
    "channel": "shop",
    "order_key": "1",
    "line_id": "1",
    "location": "L",
    "sku": "A",
    "version": 5,
    "tiebreak": 2,
}


async def give(store: Store, location: str, order_key: str, now_ms: int, **more: str) -> bool:
    """Whether an order was given to a location that did not have it."""
    row = {"channel": "shop", "system": "erp", "location": location, "order_key": order_key, **more}
    return bool(await put(store, "routing_give", **row, now_ms=now_ms))


class RoutingConformance(Opens):
    """What was said about an order's routing, whom it was given to, and where its demand is."""

    async def test_what_was_said_about_an_orders_routing_is_kept_and_told_in_order(self) -> None:
        async with self.store() as store:
            assert await put(store, "routing_put", **ROW, id="b", now_ms=T0 + 1) == [("b",)]
            assert await put(store, "routing_put", **ROW, id="c", now_ms=T0) == [("c",)]
            await put(store, "routing_put", **{**ROW, "said": "refused", "body": "no"}, id="a", now_ms=T0 + 1)
            assert await put(store, "routing_put", **{**ROW, "body": "again"}, id="b", now_ms=T0 + 9) == []
            await put(store, "routing_put", **{**ROW, "order_key": "0"}, id="b", now_ms=T0 + 9)
            await put(store, "routing_put", **{**ROW, "channel": "other"}, id="b", now_ms=T0)
            await put(store, "routing_put", **{**ROW, "order_key": "2"}, id="b", now_ms=T0)
            assert await store.read("routings", channel="shop", orders=["1", "0", "7"]) == [
                ("0", T0 + 9, "decided", "{}"),
                ("1", T0, "decided", "{}"),
                ("1", T0 + 1, "refused", "no"),
                ("1", T0 + 1, "decided", "{}"),
            ]

    async def test_an_order_counts_once_for_a_location_from_when_it_was_first_given(self) -> None:
        async with self.store() as store:
            assert await give(store, "2", "1", T0 + 5)
            assert not await give(store, "2", "1", T0 + 9)
            assert await give(store, "2", "2", T0 + 6)
            assert await give(store, "1", "2", T0 + 4)
            assert await give(store, "1", "2", T0 + 9, channel="other")
            assert await give(store, "1", "3", T0 + 3)
            assert await give(store, "9", "3", T0 + 9, system="wms")
            load = {"system": "erp", "day_ms": T0 + 4, "hour_ms": T0 + 6}
            assert await store.read("routing_load", **load) == [("1", 2, 1), ("2", 2, 1)]

    async def test_whom_orders_were_given_to_is_forgotten_after_a_while(self) -> None:
        async with self.store() as store:
            for number in range(3):
                await give(store, "1", str(number), T0 + number)
            assert await put(store, "forget_given", before=T0 + 2, limit=1) == [("1",)]
            assert await put(store, "forget_given", before=T0 + 2, limit=9) == [("1",)]
            assert await store.read("routing_load", system="erp", day_ms=T0, hour_ms=T0) == [("1", 1, 1)]

    async def test_demand_is_placed_only_while_its_order_is_what_it_was_computed_from(self) -> None:
        async with self.store() as store:
            await record(store, "1", 5, tiebreak=2)
            await record(store, "2", 6, tiebreak=2)
            await record(store, "2", 5, tiebreak=2, kind="item")
            await record(store, "2", 5, tiebreak=2, system="other")
            await want(store)  # three units of A at L, of which the channel took one
            for more in ({"version": 4}, {"tiebreak": 1}, {"order_key": "2"}, {"order_key": "3"}):
                assert await put(store, "demand_place", **{**PLACE, **more}, quantity=9) == []
            assert await put(store, "demand_place", **PLACE, quantity=0) == [("1",)]
            assert await put(store, "demand_place", **{**PLACE, "location": "M"}, quantity=3) == [("1",)]
            rows = await store.read("demand_of_orders", channel="shop", orders=["1", "2", "3"])
            assert [row[3:7] for row in rows] == [("L", "A", 0, 1), ("M", "A", 3, 0)]
            line = {"channel": "shop", "order_key": "1", "line_id": "1", "location": "M"}
            await put(store, "demand_settle", **line, quantity=3, erp_quantity=0)
            assert [row[3] for row in await store.read("demand_open", skus=["A"])] == ["L"]
            await put(store, "demand_place", **{**PLACE, "location": "M"}, quantity=2)
            assert [row[3] for row in await store.read("demand_open", skus=["A"])] == ["L", "M"]

    async def test_the_newest_orders_are_told_first(self) -> None:
        async with self.store() as store:
            for key, at_ms in (("1", T0), ("3", T0 + 2), ("2", T0 + 2), ("4", T0 + 1), ("5", T0 - 1)):
                await record(store, key, 1, changed_at_ms=at_ms, body=f'"{key}"')
            await record(store, "6", 1, changed_at_ms=T0 + 9, system="other")
            await record(store, "7", 1, changed_at_ms=T0 + 9, kind="item")
            recent = {"system": "shop", "since_ms": T0}
            assert await store.read("orders_recent", **recent, limit=9) == [
                ("2", '"2"'), ("3", '"3"'), ("4", '"4"'), ("1", '"1"'),
            ]  # fmt: skip
            assert [row[0] for row in await store.read("orders_recent", **recent, limit=2)] == ["2", "3"]
