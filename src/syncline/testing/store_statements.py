"""The part of the Store suite that is about records, demand, marks, and what people read."""

from __future__ import annotations

from typing import Any

from syncline.ports import Row, Store, Write
from syncline.testing.store_deliveries import bring_to, touch
from syncline.testing.store_tools import DAY_MS, T0, Opens, event, put

LINE = {"channel": "shop", "order_key": "1", "line_id": "1", "location": "L"}
STEP = 10


async def record(store: Store, key: str, version: int, **changes: Any) -> list[Row]:
    """Store a record; its body is JSON, as an order's has to be."""
    row = {
        "system": "shop", "kind": "order", "key": key, "version": version, "tiebreak": 0, "changed_at_ms": version,
        "observed_at_ms": version + 1, "offset": version, "hash": f"h{version}", "body": f'"b{version}"',
    }  # fmt: skip
    return await put(store, "record_put", **{**row, **changes})


async def want(store: Store, quantity: int = 3, **changes: Any) -> list[Row]:
    """A demand line."""
    return await put(
        store, "demand_want", **{**LINE, "sku": "A", "quantity": quantity, "taken": 1, **changes}
    )


async def learn(store: Store, quantity: int, erp_ms: int | None, our_ms: int | None) -> list[Row]:
    """The ERP knows ``quantity`` of the line."""
    return await put(
        store, "demand_known", **LINE, quantity=quantity, erp_stamp_ms=erp_ms, our_stamp_ms=our_ms,
    )  # fmt: skip


async def line(store: Store) -> Row:
    """(quantity, erp_before, erp_quantity, erp_stamp_ms, our_stamp_ms) of the open line; () if settled."""
    rows = await store.read("demand_open", skus=["A"])
    return rows[0][5:] if rows else ()


async def park(store: Store, key: str = "1", **changes: Any) -> list[Row]:
    """Park something."""
    row = {
        "system": "erp", "operation": "put_order", "key": key, "reason": "rejected", "detail": "d", "payload": "p",
        "now_ms": T0,
    }  # fmt: skip
    return await put(store, "parked_put", **{**row, **changes})


class StatementConformance(Opens):
    """Records, bindings, demand, marks, intents, parked work, reports and retention."""

    # --- records ---------------------------------------------------------------------------------

    async def test_only_a_newer_version_replaces_a_record(self) -> None:
        async with self.store() as store:
            assert await record(store, "1", 5, tiebreak=1) == [("1",)]
            for version, tiebreak, replaces in (
                (5, 1, False), (5, 0, False), (4, 9, False), (5, 2, True), (4, 3, False), (6, 0, True), (5, 9, False),
            ):  # fmt: skip
                body = f'"{version}.{tiebreak}"'
                rows = await record(store, "1", version, tiebreak=tiebreak, body=body)
                assert rows == ([("1",)] if replaces else []), body
                kept = (await store.read("records_get", system="shop", kind="order", keys=["1"]))[0]
                assert (kept[4] == body) is replaces, body

    async def test_a_newer_record_replaces_every_column(self) -> None:
        async with self.store() as store:
            await record(store, "1", 5)
            await record(store, "1", 6, tiebreak=7, changed_at_ms=8, observed_at_ms=9, hash="x", body="{}")
            rows = await store.read("records_get", system="shop", kind="order", keys=["1"])
            assert rows == [("1", 6, 7, "x", "{}", 8, 9)]

    async def test_records_are_kept_apart_by_system_and_kind(self) -> None:
        async with self.store() as store:
            await record(store, "1", 5)
            await record(store, "1", 4, system="erp")
            await record(store, "1", 3, kind="item")
            await record(store, "2", 3)
            assert [
                row[1] for row in await store.read("records_get", system="erp", kind="order", keys=["1"])
            ] == [4]
            found = await store.read("records_get", system="shop", kind="order", keys=["2", "none", "1", "2"])
            assert sorted(row[0] for row in found) == ["1", "2"]
            assert await store.read("records_get", system="shop", kind="order", keys=[]) == []
            assert await store.read("record_count") == [
                ("erp", "order", 1), ("shop", "item", 1), ("shop", "order", 2),
            ]  # fmt: skip

    async def test_records_are_paged_in_the_order_of_their_bytes(self) -> None:
        keys = ["", "A", "B", "_", "a", "b", "ä", "\uff5a", "\U0001f600", "A\x1f1", "A 1", "A1", "10", "9"]
        async with self.store() as store:
            for key in keys:
                await record(store, key, 1)
            found: list[str] = []
            while True:
                page = await store.read(
                    "records_after", system="shop", kind="order", after=found[-1] if found else "", limit=4,
                )  # fmt: skip
                if not page:
                    break
                found += [row[0] for row in page]
            assert found == sorted(filter(None, keys), key=str.encode)

    async def test_stock_is_found_by_sku_and_not_by_its_beginning(self) -> None:
        keys = ["A\x1f1", "A\x1f2", "A\x1f", "AB\x1f1", "A", "A 1", "A\x1e1", "B\x1f1", "a\x1f1", "Ä\x1f1"]
        async with self.store() as store:
            for key in keys:
                await record(store, key, 1, kind="stock", body=key)
                await put(store, "held_seen", system="shop", key=key, held=1, rev=None, exact=True, now_ms=T0)
            await record(store, "A\x1f9", 1)  # an order
            rows = await store.read("stock_of_skus", system="shop", skus=["A", "B", "Ä", "C"])
            expected = ["A\x1f", "A\x1f1", "A\x1f2", "B\x1f1", "Ä\x1f1"]
            assert rows == [(key, key, 2, 1, 0, 0) for key in expected]
            rows = await store.read("bindings_of_skus", system="shop", skus=["A", "B", "Ä", "C"])
            assert rows == [(key, 1, 0, 1, T0) for key in expected]
            assert await store.read("stock_of_skus", system="erp", skus=["A"]) == []
            assert await store.read("bindings_of_skus", system="erp", skus=["A"]) == []

    async def test_orders_are_found_by_their_number(self) -> None:
        async with self.store() as store:
            for key, number in (("1", "#1001"), ("2", "#1002"), ("3", "#1001"), ("4", "it's \\u0000")):
                body = f'{{"number":"{number}","note":"a\\u0000b"}}'
                await record(store, key, 1, body=body, system="b" if key == "1" else "a")
            await record(store, "5", 1, body='{"number":"#1001"}', kind="item")
            rows = await store.read("orders_numbered", numbers=["#1001", "none"], limit=9)
            assert rows == [("a", "3"), ("b", "1")]
            assert await store.read("orders_numbered", numbers=["#1001"], limit=1) == [("a", "3")]

    # --- demand ----------------------------------------------------------------------------------

    async def test_demand_is_open_until_it_is_settled(self) -> None:
        async with self.store() as store:
            assert await want(store) == [("1",)]
            await want(store, line_id="2", sku="B")
            await want(store, order_key="0", sku="A", quantity=9)
            rows = await store.read("demand_open", skus=["A", "C"])
            assert rows == [
                ("shop", "0", "1", "L", "A", 9, 0, 0, None, None), ("shop", "1", "1", "L", "A", 3, 0, 0, None, None),
            ]  # fmt: skip
            rows = await store.read("demand_of_orders", channel="shop", orders=["1", "7"])
            assert rows == [
                ("shop", "1", "1", "L", "A", 3, 1, 0, None),
                ("shop", "1", "2", "L", "B", 3, 1, 0, None),
            ]
            assert await store.read("demand_of_orders", channel="other", orders=["1"]) == []
            await learn(store, 2, T0, None)
            rows = await store.read("demand_of_orders", channel="shop", orders=["1"])
            assert rows[0] == ("shop", "1", "1", "L", "A", 3, 1, 2, T0)

    async def test_what_a_channel_sold_and_has_not_taken_is_summed(self) -> None:
        async with self.store() as store:
            for key, placed in (("1", T0), ("2", T0 + 5), ("3", T0 + 9)):
                body = f'{{"number":"#{key}","placed_at_ms":{placed}}}'
                await record(store, key, 1, body=body)
                await want(store, order_key=key)
            await want(store, order_key="3", line_id="2", location="M", quantity=4, taken=4)
            await want(store, order_key="2", line_id="2", sku="B", quantity=7)
            await record(store, "3", 1, system="other", body=f'{{"number":"#3","placed_at_ms":{T0 + 9}}}')
            await want(store, channel="other", order_key="3", quantity=9)
            sold = {"channel": "shop", "skus": ["A", "B", "C"]}
            assert await store.read("demand_sold", **sold, since_ms=T0 + 5) == [("A", 10), ("B", 7)]
            assert await store.read("demand_sold", **sold, since_ms=T0 + 10) == []
            await put(store, "demand_settle", **{**LINE, "order_key": "3"}, quantity=3, erp_quantity=0)
            assert await store.read("demand_untaken", **sold) == [("A", "L", 6), ("B", "L", 6)]

    async def test_demand_is_settled_only_by_the_figures_it_was_computed_from(self) -> None:
        async with self.store() as store:
            await want(store)
            await learn(store, 2, T0, None)
            for quantity, erp_quantity, settles in ((3, 3, False), (2, 2, False), (3, 2, True)):
                row = {**LINE, "quantity": quantity, "erp_quantity": erp_quantity}
                assert await put(store, "demand_settle", **row) == ([("1",)] if settles else [])
                assert (await line(store) == ()) is settles

    async def test_the_erp_holds_at_most_what_it_was_last_sent(self) -> None:
        at = {"channel": "shop", "order_key": "1"}
        for items, erp_quantity in (
            ([["1", "L", 2]], 2), ([["1", "L", 1], ["1", "L", 1], ["2", "L", 1]], 2), ([], 0),
            ([["1", "M", 9], ["2", "L", 9]], 0), ([["1", "L", 3]], 3), ([["1", "L", 5]], 3),
        ):  # fmt: skip
            async with self.store() as store:
                await want(store)
                await learn(store, 3, T0, None)
                await put(store, "demand_settle", **LINE, quantity=3, erp_quantity=3)
                await want(store, order_key="0", sku="B")
                await put(
                    store,
                    "demand_known",
                    **{**LINE, "order_key": "0"},
                    quantity=3,
                    erp_stamp_ms=T0,
                    our_stamp_ms=None,
                )
                lowered = [("1", "L")] if erp_quantity < 3 else []
                assert await put(store, "demand_sent", **at, sent=items) == lowered
                assert await line(store) == ((3, erp_quantity, erp_quantity, T0, None) if lowered else ())
                (other,) = await store.read("demand_of_orders", channel="shop", orders=["0"])
                assert other[7] == 3

    async def test_settled_demand_opens_again_when_it_changes(self) -> None:
        for change in ("want", "known"):
            async with self.store() as store:
                await want(store)
                await put(store, "demand_settle", **LINE, quantity=3, erp_quantity=0)
                assert await line(store) == ()
                if change == "want":
                    await want(store, 4, sku="A", taken=2)
                    assert await line(store) == (4, 0, 0, None, None)
                    rows = await store.read("demand_of_orders", channel="shop", orders=["1"])
                    assert [row[5:7] for row in rows] == [(4, 2)]
                else:
                    await learn(store, 3, None, T0)
                    assert await line(store) == (3, 0, 3, None, T0)

    async def test_the_erps_quantity_remembers_the_least_one_before_and_its_first_stamps(self) -> None:
        async with self.store() as store:
            assert await learn(store, 1, T0, None) == []  # nobody asked for it
            await want(store)
            for given, after in (
                ((2, None, T0), (3, 0, 2, None, T0)),
                ((2, T0 + 1, T0 + 9), (3, 0, 2, T0 + 1, T0)),  # the same again: stamps are only filled in
                ((2, T0 + 8, None), (3, 0, 2, T0 + 1, T0)),
                ((3, T0 + 9, None), (3, 0, 3, T0 + 9, None)),  # another quantity: both stamps are its own
            ):
                assert await learn(store, *given) == [("1",)]
                assert await line(store) == after, given
            await put(store, "demand_settle", **LINE, quantity=3, erp_quantity=3)
            for given, after in (  # what was settled is what the figures are known to contain
                ((1, None, T0 + 10), (3, 3, 1, None, T0 + 10)),
                ((2, None, T0 + 11), (3, 1, 2, None, T0 + 11)),
            ):
                assert await learn(store, *given) == [("1",)]
                assert await line(store) == after, given

    async def test_what_the_erp_told_of_a_line_is_not_raised_by_the_answer_to_our_call(self) -> None:
        for told in (0, 2):
            async with self.store() as store:
                await want(store, 5)
                assert await learn(store, told, T0, None) == [("1",)]
                assert await learn(store, 5, None, T0 + 9) == []
                assert await line(store) == (5, 0, told, T0, None)
                assert await learn(store, told, None, T0 + 9) == [("1",)]  # it holds that, says our clock too
                assert await line(store) == (5, 0, told, T0, T0 + 9)
                assert await learn(store, 5, T0 + 20, None) == [("1",)]  # stock came in
                assert await line(store) == (5, 0, 5, T0 + 20, None)
                assert await learn(store, 4, None, T0 + 30) == [("1",)]
                assert await line(store) == (5, 0, 4, None, T0 + 30)

    async def test_what_is_learned_of_demand_replaces_what_was_known(self) -> None:
        async with self.store() as store:
            for key, learned in (("A", "00ff"), ("\x1f", "0a" * 800), ("B", ""), ("A", "fe00")):
                assert await put(store, "velocity_put", key=key, learned=learned) == [(key,)]
            rows = await store.read("velocity_get", keys=["B", "A", "none", "A", "\x1f"])
            assert rows == [("\x1f", b"\n" * 800), ("A", b"\xfe\x00"), ("B", b"")]
            assert [row[0] for row in await store.read("velocity_get", keys=["A"])] == ["A"]
            assert await store.read("velocity_get", keys=[]) == []

    # --- marks -----------------------------------------------------------------------------------

    async def test_a_mark_keeps_the_oldest_change_and_counts(self) -> None:
        async with self.store() as store:
            for at in (T0, T0 + 5, T0 - 5):
                assert await put(store, "dirty_mark", sku="A", changed_at_ms=at) == [("A",)]
            await put(store, "dirty_mark", sku="C", changed_at_ms=T0 - 5)
            await put(store, "dirty_mark", sku="B", changed_at_ms=T0 - 9)
            assert await store.read("dirty", now_ms=T0, limit=9) == [
                ("B", 1, T0 - 9),
                ("A", 3, T0 - 5),
                ("C", 1, T0 - 5),
            ]
            assert await store.read("dirty", now_ms=T0, limit=1) == [("B", 1, T0 - 9)]

    async def test_a_newer_stamp_marks_only_where_demand_waits(self) -> None:
        async with self.store() as store:
            await want(store, 2)
            for sku, marked in (("A", [("A",)]), ("B", [])):
                assert await put(store, "dirty_mark_waiting", sku=sku, changed_at_ms=T0 + 5) == marked
            await put(store, "dirty_mark_waiting", sku="A", changed_at_ms=T0 + 9)
            assert await store.read("dirty", now_ms=T0, limit=9) == [("A", 2, T0 + 5)]
            await put(store, "dirty_done", sku="A", seq=2)
            await learn(store, 2, T0, None)
            await put(store, "demand_settle", **LINE, quantity=2, erp_quantity=2)
            assert await put(store, "dirty_mark_waiting", sku="A", changed_at_ms=T0 + 12) == []

    async def test_a_mark_made_meanwhile_stays(self) -> None:
        async with self.store() as store:
            await put(store, "dirty_mark", sku="A", changed_at_ms=T0)
            await put(store, "dirty_mark", sku="A", changed_at_ms=T0 + 1)
            assert await put(store, "dirty_done", sku="A", seq=1) == []
            assert await store.read("dirty", now_ms=T0, limit=9) == [("A", 2, T0)]
            assert await put(store, "dirty_done", sku="A", seq=2) == [("A",)]
            assert await store.read("dirty", now_ms=T0, limit=9) == []

    async def test_a_mark_that_is_deferred_waits_until_its_moment_or_the_next_mark(self) -> None:
        async with self.store() as store:
            assert await store.read("dirty_next") == [(None,)]
            for sku in ("A", "B", "C"):
                await put(store, "dirty_mark", sku=sku, changed_at_ms=T0)
            assert await store.read("dirty_next") == [(None,)]
            assert await put(store, "dirty_defer", sku="A", seq=2, not_before_ms=T0 + 10) == []
            assert await put(store, "dirty_defer", sku="A", seq=1, not_before_ms=T0 + 10) == [("A",)]
            assert await put(store, "dirty_defer", sku="B", seq=1, not_before_ms=T0 + 20) == [("B",)]
            assert await store.read("dirty_next") == [(T0 + 10,)]
            for now_ms, due in ((T0 + 9, ["C"]), (T0 + 10, ["A", "C"]), (T0 + 20, ["A", "B", "C"])):
                rows = await store.read("dirty", now_ms=now_ms, limit=9)
                assert rows == [(sku, 1, T0) for sku in due]
            for sku, changed_at_ms, not_before_ms in (("D", 5, 30), ("D", 4, 40), ("D", 6, 25), ("C", 3, 25)):
                row = {"changed_at_ms": T0 + changed_at_ms, "not_before_ms": T0 + not_before_ms}
                assert await put(store, "dirty_mark_later", sku=sku, **row) == [(sku,)]
            assert await store.read("dirty", now_ms=T0 + 24, limit=9) == [
                ("A", 1, T0), ("B", 1, T0), ("C", 2, T0),
            ]  # fmt: skip
            assert await store.read("dirty", now_ms=T0 + 25, limit=9) == [
                ("A", 1, T0), ("B", 1, T0), ("C", 2, T0), ("D", 3, T0 + 4),
            ]  # fmt: skip
            await put(store, "dirty_done", sku="D", seq=3)
            await put(store, "dirty_mark", sku="A", changed_at_ms=T0 + 1)
            await want(store, sku="B")
            await put(store, "dirty_mark_waiting", sku="B", changed_at_ms=T0 + 1)
            assert await store.read("dirty_next") == [(None,)]
            assert await store.read("dirty", now_ms=T0, limit=9) == [("A", 2, T0), ("B", 2, T0), ("C", 2, T0)]

    # --- intents and attempts --------------------------------------------------------------------

    async def test_an_intent_is_unfinished_until_its_result_is_written(self) -> None:
        async with self.store() as store:
            row = {"system": "erp", "operation": "put_order", "items": "{}"}
            for id_ in ("2", "1", "3"):
                assert await put(store, "intent_put", id=id_, **row, now_ms=T0) == [(id_,)]
            await put(store, "intent_put", id="4", **{**row, "system": "shop"}, now_ms=T0)
            assert await put(store, "intent_finish", id="3", result="known", now_ms=T0 + 1) == [("3",)]
            assert await put(store, "intent_finish", id="9", result="known", now_ms=T0 + 1) == []
            rows = await store.read("intents_unfinished", system="erp")
            assert rows == [("1", "put_order", "{}", T0), ("2", "put_order", "{}", T0)]
            assert await store.read("intent_get", id="3") == [
                ("3", "erp", "put_order", "{}", T0, T0 + 1, "known")
            ]
            assert await store.read("send_times", after="", limit=9) == [("erp", "put_order", T0, T0 + 1)]

    async def test_an_intent_written_twice_stays_as_it_was(self) -> None:
        async with self.store() as store:
            row = {"id": "1", "system": "erp", "operation": "put_order"}
            await put(store, "intent_put", **row, items="{}", now_ms=T0)
            assert await put(store, "intent_put", **row, items="other", now_ms=T0 + 1) == [("1",)]
            assert await store.read("intents_unfinished", system="erp") == [("1", "put_order", "{}", T0)]

    async def test_an_attempt_gets_its_result_later(self) -> None:
        async with self.store() as store:
            row = {"system": "erp", "operation": "put_order", "generation": 1}
            await put(store, "intent_put", id="1", system="erp", operation="put_order", items="{}", now_ms=T0)
            for n, key in enumerate(("7", "7\x1f1", "8")):
                attempt = {**row, "intent": "1", "key": key}
                await put(store, "attempt_put", **attempt, result="", message="", now_ms=T0 + n)
                await put(store, "attempt_put", **attempt, result="done", message="m", now_ms=T0 + 99)
            rows = await store.read("attempts_like", **{"from": "7", "to": "8"}, limit=9)
            assert rows == [
                ("erp", "put_order", key, T0 + n, None, "done", "m", "1", "{}")
                for n, key in ((1, "7\x1f1"), (0, "7"))
            ]

    async def test_an_attempt_keeps_the_generation_that_it_was_made_for(self) -> None:
        async with self.store() as store:
            row = {"intent": "i1", "system": "s", "operation": "o", "message": "", "now_ms": T0}
            for key, generation in (("b", 7), ("a", 3)):
                await put(store, "attempt_put", **row, key=key, generation=generation, result="")
            await put(store, "attempt_put", **{**row, "intent": "i2"}, key="c", generation=5, result="")
            await put(store, "attempt_put", **row, key="b", generation=8, result="done")
            assert await store.read("attempts_of", intent="i1") == [("a", 3), ("b", 7)]
            assert await store.read("attempts_of", intent="i3") == []

    # --- parked work -----------------------------------------------------------------------------

    async def test_one_entry_is_open_for_each_thing_parked(self) -> None:
        async with self.store() as store:
            first = await park(store)
            assert await park(store, reason="again", detail="d2", payload="p2", now_ms=T0 + 1) == first
            await park(store, "2")
            rows = await store.read("parked_open", after=0, limit=9)
            assert rows[0] == (first[0][0], "erp", "put_order", "1", "again", "d2", "p2", T0)
            assert await store.read("parked_count") == [(2,)]
            assert len(await store.read("parked_open", after=first[0][0], limit=9)) == 1
            rows = await store.read("parked_with_reason", reason="again", limit=9)
            assert rows == [("erp", "put_order", "1", "p2")]

    async def test_a_resolved_entry_stays_and_a_new_one_opens(self) -> None:
        async with self.store() as store:
            (first,) = (await park(store))[0]
            at = {"system": "erp", "operation": "put_order", "key": "1"}
            resolve = {**at, "resolution": "released", "by": "ann", "now_ms": T0 + 5}
            assert await put(store, "parked_resolve", **resolve) == [(first,)]
            assert await put(store, "parked_resolve", **resolve) == []
            assert await store.read("parked_count") == [(0,)]
            (second,) = (await park(store, now_ms=T0 + 9))[0]
            assert second > first
            rows = await store.read("parked_get", id=first)
            assert [row[7:] for row in rows] == [(T0, T0 + 5, "released", "ann")]
            rows = await store.read("parked_like", **{"from": "1", "to": "2"}, limit=9)
            assert [(row[0], row[7]) for row in rows] == [(second, None), (first, T0 + 5)]

    async def test_parked_work_is_counted_by_kind_with_its_oldest(self) -> None:
        async with self.store() as store:
            for n, key in enumerate(("1", "2", "3")):
                await park(store, key, now_ms=T0 + 5 - n)
            await park(store, "4", reason="unknown_sku")
            await park(store, "1", operation="apply", now_ms=T0 + 9)
            at = {"system": "erp", "operation": "put_order", "key": "3"}
            await put(store, "parked_resolve", **at, resolution="released", by="ann", now_ms=T0 + 9)
            assert await store.read("parked_groups") == [
                ("erp", "apply", "rejected", 1, T0 + 9),
                ("erp", "put_order", "rejected", 2, T0 + 4),
                ("erp", "put_order", "unknown_sku", 1, T0),
            ]

    async def test_only_an_open_entry_can_be_edited(self) -> None:
        async with self.store() as store:
            (first,) = (await park(store))[0]
            assert await put(store, "parked_edit", id=first, payload="new") == [(first,)]
            await put(
                store, "parked_resolve", system="erp", operation="put_order", key="1", resolution="r", by="b",
                now_ms=T0,
            )  # fmt: skip
            assert await put(store, "parked_edit", id=first, payload="newer") == []
            assert (await store.read("parked_get", id=first))[0][6] == "new"

    # --- reports ---------------------------------------------------------------------------------

    async def test_traces_tell_what_became_of_a_fact(self) -> None:
        async with self.store() as store:
            row = {"kind": "order", "key": "1", "system": "shop", "via": "event", "now_ms": T0}
            for offset, verdict in ((2, "older"), (1, "applied"), (1, "duplicate")):
                assert await put(store, "trace_put", **row, offset=offset, verdict=verdict) == [("1",)]
            rows = await store.read("traces", kind="order", key="1", limit=9)
            assert rows == [
                ("order", "1", 1, "shop", "event", "duplicate", T0), ("order", "1", 2, "shop", "event", "older", T0),
            ]  # fmt: skip

    async def test_lags_are_summed_up_by_route(self) -> None:
        async with self.store() as store:
            for n, (route, kept) in enumerate((("a", 1), ("b", 0), ("a", 0), ("a", 1))):
                await put(store, "lag_put", route=route, key=f"k{n}", lag_ms=n * 10, kept=kept, now_ms=T0 + n)
            rows = await store.read("lags", route="a", since=T0, limit=2)
            assert rows == [("k3", T0 + 3, 30, 1), ("k2", T0 + 2, 20, 0)]
            assert await store.read("lag_totals", route="a", since=T0) == [(3, 2, 30)]
            assert await store.read("lag_totals", route="a", since=T0 + 9) == [(0, 0, 0)]

    async def test_lags_are_found_by_their_moment(self) -> None:
        async with self.store() as store:
            for n in range(4):
                await put(store, "lag_put", route="a", key=f"k{n}", lag_ms=n, kept=1, now_ms=T0 + n)
            await put(store, "lag_put", route="b", key="k1", lag_ms=1, kept=1, now_ms=T0 + 1)
            at = {"route": "a", "moments": [T0 + 3, T0 + 1, T0, T0 + 99]}
            rows = await store.read("lags_at", **at, **{"from": "k1", "to": "l"})
            assert rows == [("a", "k1", T0 + 1, 1, 1), ("a", "k3", T0 + 3, 3, 1)]
            assert await store.read("lags_at", **at, **{"from": "k0", "to": "k1"}) == [("a", "k0", T0, 0, 1)]

    async def test_the_audit_keeps_its_order(self) -> None:
        async with self.store() as store:
            assert await store.read("audit_last") == []
            rows = [
                {"actor": "ann", "action": "edit", "subject": "s", "before": "b", "after": "a", "chain": chain,
                 "now_ms": T0}
                for chain in "zyx"
            ]  # fmt: skip
            await store.write(Write("audit_put", rows))
            assert await store.read("audit_last") == [("x",)]
            kept = await store.read("audits", after=0, limit=9)
            assert [row[1:] for row in kept] == [(T0, "ann", "edit", "s", "b", "a", chain) for chain in "zyx"]
            assert await store.read("audits", after=kept[1][0], limit=9) == kept[2:]
            assert await store.read("audit_tail", before=kept[2][0], limit=9) == kept[1::-1]

    async def test_accounts_are_put_and_dropped(self) -> None:
        async with self.store() as store:
            await put(store, "account_put", name="bob", role="viewer", token_hash="1", now_ms=T0)  # noqa: S106
            await put(store, "account_put", name="ann", role="viewer", token_hash="2", now_ms=T0)  # noqa: S106
            await put(store, "account_put", name="bob", role="operator", token_hash="3", now_ms=T0 + 1)  # noqa: S106
            rows = await store.read("accounts")
            assert rows == [("ann", "viewer", "2", T0), ("bob", "operator", "3", T0)]
            assert await put(store, "account_drop", name="bob") == [("bob",)]
            assert await put(store, "account_drop", name="bob") == []
            assert [row[0] for row in await store.read("accounts")] == ["ann"]

    async def test_a_session_that_was_ended_stays_so_until_it_would_be_over(self) -> None:
        async with self.store() as store:
            assert await store.read("session_ended", hash="a") == []
            assert await put(store, "session_end", hash="a", ends_at_ms=T0 + 5) == [("a",)]
            await put(store, "session_end", hash="b", ends_at_ms=T0 + 6)
            assert (
                await put(store, "session_end", hash="a", ends_at_ms=T0 + 99) == []
            )  # its end is what it was
            assert await put(store, "forget_sessions", now_ms=T0 + 4) == []
            assert await store.read("session_ended", hash="a") == [(T0 + 5,)]
            assert await put(store, "forget_sessions", now_ms=T0 + 5) == [("a",)]
            assert await store.read("session_ended", hash="a") == []
            assert await store.read("session_ended", hash="b") == [(T0 + 6,)]

    # --- retention -------------------------------------------------------------------------------

    async def test_only_old_events_that_were_applied_are_forgotten(self) -> None:
        async with self.store() as store:
            for n in range(6):
                await store.append([event(str(n))], received_at_ms=T0 + n)
            for applied, before, forgotten in ((0, T0 + 9, []), (4, T0 + 2, [1, 2]), (4, T0 + 9, [3, 4])):
                rows = await put(store, "forget_events", before=before, applied=applied, limit=STEP)
                assert sorted(row[0] for row in rows) == forgotten
            rows = await put(store, "forget_events", before=T0 + 9, applied=9, limit=1)
            assert rows == [(5,)]
            assert [one.offset for one in await store.events(0, 9)] == [6]

    async def test_old_buckets_of_event_ids_are_forgotten(self) -> None:
        async with self.store() as store:
            days = (0, 16, 32)
            for n in days:
                await store.append([event(f"{n}.{m}") for m in range(3)], received_at_ms=T0 + n * DAY_MS)
            bucket = T0 // (16 * DAY_MS)
            assert await put(store, "forget_seen", bucket=bucket + 1, limit=2) == [(bucket,)] * 2
            assert await put(store, "forget_seen", bucket=bucket + 1, limit=STEP) == [(bucket,)]
            assert await put(store, "forget_seen", bucket=bucket + 1, limit=STEP) == []
            again = await store.append([event(f"{n}.0") for n in days], received_at_ms=T0 + 32 * DAY_MS)
            assert again == [10, None, None]

    async def test_old_lags_and_traces_are_forgotten(self) -> None:
        async with self.store() as store:
            for n in range(4):
                await put(store, "lag_put", route="a", key=f"k{n}", lag_ms=1, kept=1, now_ms=T0 + n)
                await put(
                    store, "trace_put", kind="order", key=f"k{n}", offset=n, system="s", via="event", verdict="v",
                    now_ms=T0 + n,
                )  # fmt: skip
            assert len(await put(store, "forget_lags", before=T0 + 3, limit=2)) == 2
            assert len(await put(store, "forget_lags", before=T0 + 3, limit=2)) == 1
            assert [row[0] for row in await store.read("lags", route="a", since=0, limit=9)] == ["k3"]
            assert len(await put(store, "forget_traces", before=T0 + 3, limit=2)) == 2
            assert await put(store, "forget_traces", before=T0 + 3, limit=2) != []
            assert await put(store, "forget_traces", before=T0 + 3, limit=2) == []
            assert len(await store.read("traces", kind="order", key="k3", limit=9)) == 1

    async def test_attempts_are_forgotten_after_their_intent_and_in_full(self) -> None:
        """The sweep stops when a step comes back short, so every full step has to make room for the next."""
        async with self.store() as store:
            for n in range(5):
                await put(store, "intent_put", id=f"i{n}", system="s", operation="o", items="{}", now_ms=T0)
                for m in range(2):
                    await put(
                        store, "attempt_put", intent=f"i{n}", system="s", operation="o", key=f"k{m}", generation=1,
                        result="", message="", now_ms=T0,
                    )  # fmt: skip
                if n != 1:
                    await put(store, "intent_finish", id=f"i{n}", result="known", now_ms=T0 + n)
            old = {"before": T0 + 4, "limit": 2}
            assert await put(store, "forget_intents", **old) == [], "their attempts go first"
            counts = [len(await put(store, "forget_attempts", **old)) for _ in range(4)]
            assert counts == [2, 2, 2, 0]
            assert [len(await put(store, "forget_intents", **old)) for _ in range(3)] == [2, 1, 0]
            assert [row[0] for row in await store.read("intents_unfinished", system="s")] == ["i1"]
            rows = await store.read("attempts_like", **{"from": "k", "to": "l"}, limit=STEP)
            assert sorted(row[7] for row in rows) == ["i1", "i1", "i4", "i4"]

    async def test_only_deliveries_that_ended_are_forgotten(self) -> None:
        for state in ("available", "scheduled", "retryable", "running", "parked", "completed", "superseded",
                      "cancelled"):  # fmt: skip
            async with self.store() as store:
                await bring_to(store, state)
                ended = state in ("completed", "superseded", "cancelled")
                assert await put(store, "forget_deliveries", before=T0, limit=STEP) == []
                rows = await put(store, "forget_deliveries", before=T0 + 1, limit=STEP)
                assert rows == ([("A\x1f1",)] if ended else []), state
        async with self.store() as store:
            await touch(store)
            await put(
                store, "delivery_finish", system="shop", operation="set_stock", key="A\x1f1", state="completed",
                generation=1, not_before_ms=T0, reason="", uncounted=0, now_ms=T0,
            )  # fmt: skip
            assert await put(store, "forget_deliveries", before=T0 + 1, limit=0) == []
