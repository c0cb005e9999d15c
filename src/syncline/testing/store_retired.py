"""The part of the Store suite that is about orders that are over, and of which hardly anything is kept."""

from __future__ import annotations

from typing import Any

from syncline.ports import Row, Store, Write
from syncline.testing.store_credit import ordered
from syncline.testing.store_credit import take as approve
from syncline.testing.store_holds import take
from syncline.testing.store_statements import park, record, want
from syncline.testing.store_tools import T0, Opens, put

OF = {"reference": "shop-1", "now_ms": T0}
MINE = {**OF, "channel": "shop", "order_key": "1"}
ORDER = {
    **MINE, "number": "#1", "version": 5, "tiebreak": 2, "digest": "d", "facts": '["f"]', "systems": ["shop", "erp"],
    "operations": ["put_order", "read_order"],
}  # fmt: skip
OPEN = ("available", "scheduled", "retryable", "running", "parked")


async def retire(store: Store, **changes: Any) -> list[Row]:
    """Try to retire an order."""
    return await put(store, "order_retire", **{**ORDER, **changes})


async def deliver(store: Store, key: str = "1\x1f5", state: str = "", system: str = "erp") -> None:
    """A revision of an order for an ERP, in a state."""
    at = {"system": system, "operation": "put_order", "key": key}
    await put(
        store, "delivery_fact", **at, route="", changed_at_ms=T0, deliver_by_ms=T0, not_before_ms=T0, now_ms=T0
    )  # fmt: skip
    if state:
        await put(
            store, "delivery_finish", **at, state=state, generation=1, not_before_ms=T0, reason="", uncounted=0, now_ms=T0
        )  # fmt: skip


async def remembered(store: Store, *references: str) -> list[Row]:
    """What is kept of retired orders."""
    return await store.read("retired_get", references=list(references))


class RetiredConformance(Opens):
    """Orders that nothing refers to any more become one row; what was theirs goes with them."""

    async def test_orders_that_are_quiet_are_told_longest_first(self) -> None:
        async with self.store() as store:
            for key, at_ms in (("c", T0), ("a", T0 + 1), ("b", T0 + 1), ("d", T0 + 2), ("e", T0 + 3)):
                await record(store, key, 7, tiebreak=3, observed_at_ms=at_ms, body=f'"{key}"')
            await record(store, "x", 1, observed_at_ms=T0, system="erp")
            await record(store, "y", 1, observed_at_ms=T0, kind="item")
            quiet = {"system": "shop", "before": T0 + 3}
            rows = await store.read("orders_quiet", **quiet, after_ms=0, after="", limit=3)
            assert rows == [("c", 7, 3, '"c"', T0), ("a", 7, 3, '"a"', T0 + 1), ("b", 7, 3, '"b"', T0 + 1)]
            rows = await store.read("orders_quiet", **quiet, after_ms=T0 + 1, after="a", limit=9)
            assert [row[0] for row in rows] == ["b", "d"]

    async def test_what_an_erp_tells_of_an_order_is_found_by_our_reference(self) -> None:
        async with self.store() as store:
            at = {"system": "erp", "observed_at_ms": T0}
            for key, kind, of in (
                ("p1", "shipment", "shop-1"), ("p2", "shipment", "SHOP-1"), ("p3", "shipment", "shop-11"),
                ("b1", "return", "shop-2"), ("b2", "item", "shop-1"),
            ):  # fmt: skip
                await record(store, key, 1, **at, kind=kind, body=f'{{"order_key":"{of}"}}')
            await record(store, "p4", 1, system="other", kind="shipment", body='{"order_key":"shop-1"}')
            asked = {"system": "erp", "references": ["shop-1", "shop-2"]}
            rows = await store.read("records_of_orders", **asked, limit=9)
            assert rows == [
                ("return", "b1", '{"order_key":"shop-2"}', T0),
                ("shipment", "p1", '{"order_key":"shop-1"}', T0),
                ("shipment", "p2", '{"order_key":"SHOP-1"}', T0),
            ]
            assert len(await store.read("records_of_orders", **asked, limit=2)) == 2

    async def test_an_order_is_retired_as_it_was_judged_and_once(self) -> None:
        async with self.store() as store:
            await record(store, "1", 5, tiebreak=2)
            await record(store, "1", 6, tiebreak=2, system="erp")
            await record(store, "1", 6, tiebreak=2, kind="item")
            await record(store, "2", 6, tiebreak=2)
            for other in ({"version": 6}, {"tiebreak": 1}, {"order_key": "3"}):
                assert await retire(store, **other) == [], other
            assert await remembered(store, "shop-1") == []
            assert await store.read("retired_any") == []
            assert await retire(store) == [("shop-1",)]
            assert await store.read("retired_any") == [(1,)]
            assert await retire(store, digest="x", now_ms=T0 + 1) == []
            await retire(store, order_key="2", reference="shop-2", version=6, facts="[]", now_ms=T0 + 2)
            assert await remembered(store, "shop-2", "shop-1", "shop-3") == [
                ("shop-1", 5, 2, "d", '["f"]', T0),
                ("shop-2", 6, 2, "d", "[]", T0 + 2),
            ]
            assert len(await remembered(store, "shop-1")) == 1

    async def test_an_order_stays_while_its_demand_may_be_in_no_figure(self) -> None:
        async with self.store() as store:
            await record(store, "1", 5, tiebreak=2)
            await want(store, 0, order_key="10")
            await want(store, 0, channel="other")
            await want(store, 0)
            assert await retire(store) == []
            line = {"channel": "shop", "order_key": "1", "line_id": "1", "location": "L"}
            await put(store, "demand_settle", **line, quantity=0, erp_quantity=0)
            assert await retire(store) == [("shop-1",)]

    async def test_an_order_stays_while_a_delivery_of_it_is_open(self) -> None:
        for state in ("", *OPEN, "completed", "superseded", "cancelled"):
            for key in ("1", "1\x1f5"):
                async with self.store() as store:
                    await record(store, "1", 5, tiebreak=2)
                    await deliver(store, "0")
                    await deliver(store, "10\x1f5")
                    await deliver(store, "1", system="none")
                    await deliver(store, key, state)
                    stays = state in ("", *OPEN)
                    assert bool(await retire(store)) is not stays, (state, key)
                    if stays:
                        assert await retire(store, operations=["read_order"]) == [("shop-1",)], (state, key)

    async def test_an_order_stays_while_anything_of_it_is_parked(self) -> None:
        for key in ("1", "1\x1f5"):
            async with self.store() as store:
                await record(store, "1", 5, tiebreak=2)
                await park(store, "10")
                await park(store, "1", system="none")
                await park(store, "1", operation="set_stock")
                await park(store, key)
                assert await retire(store) == [], key
                at = {"system": "erp", "operation": "put_order", "key": key}
                await put(store, "parked_resolve", **at, resolution="discarded", by="Ann", now_ms=T0)
                assert await retire(store) == [("shop-1",)], key

    async def test_an_order_stays_while_a_checkout_holds_for_it(self) -> None:
        for name in ("1", "#1"):
            for firm in (False, True):
                async with self.store() as store:
                    await record(store, "1", 5, tiebreak=2)
                    await record(store, "2", 5, tiebreak=2)
                    await take(store, "r1", 0)
                    await take(store, "r2", 0, order_key=name, channel="other")
                    await take(store, "r3", 0, order_key=name)
                    if firm:
                        await put(
                            store, "hold_confirm", reference="r3", order_key=name, now_ms=T0 + 1, expires_at_ms=T0 + 9
                        )  # fmt: skip
                    assert await retire(store) == [], name
                    assert await retire(store, order_key="2", number="", reference="b") == [("b",)]
                    await put(store, "hold_release", reference="r3")
                    assert await retire(store) == [("shop-1",)], name

    async def test_an_order_stays_while_credit_counts_it(self) -> None:
        for name in ("1", "#1"):
            for firm in (False, True):
                async with self.store() as store:
                    await record(store, "1", 5, tiebreak=2)
                    await record(store, "2", 5, tiebreak=2)
                    await approve(store, "a", bounded=0)
                    await approve(store, "b", order_key=name, channel="other", bounded=0)
                    await approve(store, "c", order_key=name, bounded=0)
                    if firm:
                        await put(
                            store, "credit_confirm", reference="c", order_key=name, now_ms=T0 + 1, expires_at_ms=T0 + 9
                        )  # fmt: skip
                    assert await retire(store) == [], name
                    assert await retire(store, order_key="2", number="", reference="b") == [("b",)]
                    await put(store, "credit_release", reference="c")
                    assert await retire(store) == [("shop-1",)], name
        async with self.store() as store:
            await record(store, "1", 5, tiebreak=2)
            await ordered(store, "1")
            assert await retire(store) == []

    async def test_with_an_order_goes_what_is_its_own(self) -> None:
        async with self.store() as store:
            await record(store, "1", 5, tiebreak=2)
            await record(store, "2", 5, tiebreak=2)
            said = {"id": "a", "said": "decided", "body": "{}", "now_ms": T0}
            for channel, key in (("shop", "1"), ("shop", "2"), ("other", "1")):
                await put(store, "routing_put", channel=channel, order_key=key, **said)
            bound = {"external_id": "", "version": 0, "hash": "h", "now_ms": T0}
            for system, kind, key in (
                ("shop", "payment", "told"), ("shop", "payment", "stays"), ("erp", "payment", "told"), ("shop", "order", "told"),
            ):  # fmt: skip
                await put(store, "binding_put", **bound, system=system, kind=kind, key=key)
            await record(store, "1", 5, system="erp")
            await record(store, "1", 5, kind="item")
            await want(store, 3)
            line = {"channel": "shop", "order_key": "1", "line_id": "1", "location": "L"}
            await put(store, "demand_settle", **line, quantity=3, erp_quantity=0)
            gone = [
                Write("demand_retire", [MINE]),
                Write("routing_retire", [MINE]),
                Write("binding_retire", [{**OF, "system": "shop", "kind": "payment", "key": "told"}]),
                Write("record_retire", [{**OF, "system": "shop", "kind": "order", "key": "1"}]),
            ]
            assert await store.write(*gone) == [[], [], [], []], "the order was not retired"
            await retire(store, order_key="2", reference="shop-2")
            assert await store.write(*gone) == [[], [], [], []], "another one was"
            await retire(store, now_ms=T0 - 1)
            assert await store.write(*gone) == [[], [], [], []], "it was retired at another time"
            await want(store, 3, order_key="2")
            await want(store, 3, channel="other")
            then = [Write(one.statement, [{**one.rows[0], "now_ms": T0 - 1}]) for one in gone]
            assert await store.write(*then) == [[("1",)], [("a",)], [("told",)], [("1",)]]
            left = [row[:2] for row in await store.read("demand_open", skus=["A"])]
            assert left == [("other", "1"), ("shop", "2")]
            assert await store.read("record_count") == [
                ("erp", "order", 1), ("shop", "item", 1), ("shop", "order", 1),
            ]  # fmt: skip
            for system, kind, key in (
                ("shop", "payment", "stays"),
                ("erp", "payment", "told"),
                ("shop", "order", "told"),
            ):
                kept = await store.read("bindings_get", system=system, kind=kind, keys=["told", "stays"])
                assert [row[0] for row in kept] == [key], (system, kind)
            told = [await store.read("routings", channel=at, orders=["1", "2"]) for at in ("shop", "other")]
            assert [[row[0] for row in rows] for rows in told] == [["2"], ["1"]]

    async def test_what_is_remembered_of_a_retired_order_moves_on(self) -> None:
        async with self.store() as store:
            for key in ("1", "2"):
                await record(store, key, 5, tiebreak=2)
                await retire(store, order_key=key, reference=f"shop-{key}")
            moved = {"reference": "shop-1", "version": 9, "tiebreak": 1, "digest": "e", "facts": "[]"}
            assert await put(store, "retired_put", **moved) == [("shop-1",)]
            assert await put(store, "retired_put", **{**moved, "reference": "shop-3"}) == []
            assert await remembered(store, "shop-1") == [("shop-1", 9, 1, "e", "[]", T0)]
            assert await remembered(store, "shop-2") == [("shop-2", 5, 2, "d", '["f"]', T0)]
