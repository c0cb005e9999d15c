"""What a store keeps of the other side's records: ids, versions, and the number that a channel holds."""

from __future__ import annotations

from typing import Any

from syncline.ports import Row, Store
from syncline.testing.store_tools import T0, Opens, put

LATER = T0 + 100_000  # long after the first reading
# Of a reading that counts whatever was heard since it was asked for.
ANYHOW: dict[str, Any] = {"rev": None, "exact": True}


async def held(store: Store, key: str = "A\x1f1") -> Row:
    """(held, unseen, rev, confirmed_at_ms) of a stock binding."""
    rows = await store.read("bindings_get", system="shop", kind="stock", keys=[key])
    return rows[0][4:] if rows else ()


async def explain(
    store: Store, by: int, moved_at_ms: int = T0 - 9_000, until_ms: int | None = None
) -> list[Row]:
    """An order took units, by default before the reading."""
    return await put(
        store, "held_explain", system="shop", key="A\x1f1", by=by, moved_at_ms=moved_at_ms,
        until_ms=moved_at_ms if until_ms is None else until_ms,
    )  # fmt: skip


async def hold(store: Store, quantity: int, unseen: int = 0, *, seen_ms: int = T0) -> None:
    """Make the channel hold ``quantity`` at revision 1 or 2, ``unseen`` of a loss unexplained since a reading."""
    if unseen:
        await put(
            store, "held_seen", system="shop", key="A\x1f1", held=quantity + unseen, **ANYHOW, now_ms=T0
        )
    now_ms = seen_ms if unseen else T0
    await put(store, "held_seen", system="shop", key="A\x1f1", held=quantity, **ANYHOW, now_ms=now_ms)


class BindingConformance(Opens):
    """Bindings, and what is believed of a channel's number."""

    async def test_a_binding_remembers_the_newest_version_sent(self) -> None:
        async with self.store() as store:
            row = {"system": "erp", "kind": "order", "key": "1"}
            for external_id, version, kept in (("x1", 5, 5), ("x2", 3, 5), ("x3", 9, 9)):
                stored = {**row, "external_id": external_id, "version": version, "hash": external_id + "h"}
                assert await put(store, "binding_put", **stored, now_ms=T0 + version) == [("1",)]
                rows = await store.read("bindings_get", system="erp", kind="order", keys=["1", "2"])
                assert [r[:4] for r in rows] == [("1", external_id, kept, external_id + "h")]
                assert rows[0][7] == T0 + version
            rows = await store.read("bindings_get", system="erp", kind="order", keys=["1"])
            assert rows[0][4:7] == (None, 0, 3)
            assert await store.read("bindings_external", ids=["x3", "x1"], limit=9) == [("erp", "order", "1")]

    async def test_what_is_being_written_again_is_no_longer_known_and_nothing_else_is_forgotten(self) -> None:
        async with self.store() as store:
            row: dict[str, Any] = {"system": "erp", "kind": "order", "key": "1"}
            others = [{**row, "key": "2"}, {**row, "kind": "payment"}, {**row, "system": "books"}]
            for one in (row, *others):
                await put(store, "binding_put", **one, external_id="x", version=5, hash="h", now_ms=T0)
            assert await put(store, "binding_unsure", **row, hash="?") == [("1",)]
            assert await put(store, "binding_unsure", **{**row, "key": "none"}, hash="?") == []

            async def hashes(one: dict[str, Any]) -> list[Row]:
                system, kind, key = one.values()
                found = await store.read("bindings_get", system=system, kind=kind, keys=[key])
                return [(*each[1:4], each[7]) for each in found]

            assert await hashes(row) == [("x", 5, "?", T0)]
            assert [await hashes(one) for one in others] == [[("x", 5, "h", T0)]] * 3

    async def test_bindings_are_paged_by_key(self) -> None:
        async with self.store() as store:
            for key in ("b", "a", "c"):
                await put(
                    store, "binding_put", system="erp", kind="order", key=key, external_id="x", version=1, hash="",
                    now_ms=T0,
                )  # fmt: skip
            rows = await store.read("bindings_after", system="erp", kind="order", after="a", limit=9)
            assert [row[0] for row in rows] == ["b", "c"]
            assert len(await store.read("bindings_after", system="erp", kind="order", after="", limit=2)) == 2
            assert await store.read("bindings_external", ids=["x"], limit=2) == [
                ("erp", "order", "a"), ("erp", "order", "b"),
            ]  # fmt: skip

    async def test_the_first_look_at_a_channel_explains_itself(self) -> None:
        async with self.store() as store:
            row = {"system": "shop", "key": "A\x1f1", "held": 7, **ANYHOW, "now_ms": T0}
            assert await put(store, "held_seen", **row) == [("A\x1f1", 0)]
            assert await held(store) == (7, 0, 1, T0)

    async def test_what_was_set_aside_before_the_first_look_is_unseen(self) -> None:
        row = {"system": "shop", "key": "A\x1f1"}
        for known in (False, True):
            async with self.store() as store:
                if known:  # a binding that has no number yet
                    bound = {"kind": "stock", "external_id": "x", "version": 1, "hash": "", "now_ms": T0}
                    await put(store, "binding_put", **row, **bound)
                rev = int(known)
                assert await put(store, "held_first", **row, held=9, now_ms=T0) == [("A\x1f1",)]
                assert await held(store) == (9, 0, rev, T0)
                assert await put(store, "held_seen", **row, held=7, rev=rev, exact=True, now_ms=T0) == [
                    ("A\x1f1", 2)
                ]
                assert await put(store, "held_first", **row, held=9, now_ms=T0) == []
                assert await held(store) == (7, 2, rev + 1, T0)
                # It was the first reading: what moved before it and is heard of later may be in it.
                await put(store, "held_explain", **row, by=2, moved_at_ms=T0, until_ms=T0)
                rows = await store.read("bindings_of_skus", system="shop", skus=["A"])
                assert rows == [("A\x1f1", None, 0, rev + 2, T0)]

    async def test_a_binding_without_a_number_has_lost_nothing(self) -> None:
        async with self.store() as store:
            await put(
                store, "binding_put", system="shop", kind="stock", key="A\x1f1", external_id="x", version=1, hash="",
                now_ms=T0,
            )  # fmt: skip
            row = {"system": "shop", "key": "A\x1f1"}
            assert await put(store, "held_shift", **row, by=1, moved_at_ms=T0) == []
            assert await explain(store, 1) == []
            assert await put(store, "held_seen", **row, held=2, **ANYHOW, now_ms=T0 + 1) == [("A\x1f1", 0)]
            assert await held(store) == (2, 0, 2, T0 + 1)

    async def test_units_that_vanish_are_unseen_until_they_come_back(self) -> None:
        async with self.store() as store:
            await hold(store, 10)
            for seen, unseen in ((7, 3), (5, 5), (6, 4), (11, -1), (12, -2), (11, -1)):
                row = {"system": "shop", "key": "A\x1f1", "held": seen, **ANYHOW, "now_ms": T0 + seen}
                assert await put(store, "held_seen", **row) == [("A\x1f1", unseen)]
                assert (await held(store))[:2] == (seen, unseen)
            assert (await held(store))[2:] == (7, T0 + 11)

    async def test_an_order_explains_unseen_units_first(self) -> None:
        for quantity, unseen, by, left in (
            (10, 0, 3, (7, 0)), (10, 5, 3, (10, 2)), (10, 3, 3, (10, 0)), (10, 2, 5, (7, 0)), (0, 0, 2, (-2, 0)),
        ):  # fmt: skip
            async with self.store() as store:
                await hold(store, quantity, unseen, seen_ms=LATER + 9)
                *_, rev, at_ms = await held(store)
                assert await explain(store, by, LATER, LATER + 9) == [("A\x1f1",)]
                assert await held(store) == (*left, rev + 1, at_ms)
                # A reading that missed some of what is said to have been gone by then is not believed.
                believed = None if 0 < unseen < by else left[0]
                assert (await store.read("bindings_of_skus", system="shop", skus=["A"]))[0][1] == believed

    async def test_an_order_explains_nothing_that_was_missed_before_it(self) -> None:
        async with self.store() as store:
            await hold(store, 10, 5, seen_ms=LATER)
            assert await explain(store, 3, LATER + 1, LATER + 1) == [("A\x1f1",)]
            assert (await held(store))[:2] == (7, 5)  # the units that are missed are another order's
            look = {"system": "shop", "key": "A\x1f1", "held": 7, **ANYHOW, "now_ms": LATER + 9}
            assert await put(store, "held_seen", **look) == [("A\x1f1", 5)]
            assert (await store.read("bindings_of_skus", system="shop", skus=["A"]))[0][1] == 7
            await explain(store, 5, LATER + 2, LATER + 9)
            assert (await held(store))[:2] == (7, 0)

    async def test_what_an_order_may_explain_is_read_again(self) -> None:
        for unseen, by, from_ms, until_ms, known in (
            (5, 3, LATER, LATER + 1, False), (5, 3, LATER - 9, LATER + 9, False), (5, 3, LATER + 1, LATER + 2, True),
            (5, 3, LATER - 9, LATER, True), (0, 3, LATER - 9, LATER + 9, True), (5, 0, LATER - 9, LATER + 9, True),
            (2, 3, LATER + 1, LATER + 2, True),
        ):  # fmt: skip
            async with self.store() as store:
                await hold(store, 10, unseen, seen_ms=LATER)
                again = {"system": "shop", "key": "A\x1f1", "held": 10, **ANYHOW, "now_ms": LATER}
                await put(store, "held_seen", **again)
                await explain(store, by, from_ms, until_ms)
                explained = min(unseen, by) if until_ms <= LATER else 0
                assert (await held(store))[:2] == (10 - by + explained, unseen - explained)
                number = (await store.read("bindings_of_skus", system="shop", skus=["A"]))[0][1]
                assert (number is not None) is known
                # Whether it was in that reading or not, the next one tells.
                for seen in (10, 7):
                    row = {"system": "shop", "key": "A\x1f1", "held": seen, **ANYHOW, "now_ms": LATER + 99}
                    ((_, left),) = await put(store, "held_seen", **row)
                    if not known:
                        assert left == (2 if seen == 10 else 5)

    async def test_a_reading_is_as_old_as_the_question(self) -> None:
        async with self.store() as store:
            await hold(store, 10, 5, seen_ms=LATER)
            row = {"system": "shop", "key": "A\x1f1", "now_ms": LATER}
            assert await put(store, "held_asked", **{**row, "key": "B\x1f1"}, asked_ms=LATER - 9) == []
            assert await put(store, "held_asked", **{**row, "now_ms": LATER + 1}, asked_ms=LATER + 1) == []
            assert await put(store, "held_asked", **row, asked_ms=LATER - 9) == [("A\x1f1",)]
            await explain(store, 3, LATER - 8, LATER - 8)
            assert (await held(store))[:2] == (7, 5)
            await explain(store, 3, LATER - 9, LATER - 9)
            assert (await held(store))[:2] == (7, 2)

    async def test_a_first_reading_that_may_contain_an_order_heard_later_is_not_believed(self) -> None:
        for moved_at_ms, believed in ((T0 + 4_999, None), (T0 - 60_000, None), (T0 + 5_000, 3)):
            # It did contain the order; most of it; it did not; it did, and more came back; it did not, and one is gone.
            for seen, unseen in ((7, 0), (6, 0), (3, 0), (9, -2), (2, 1)):
                async with self.store() as store:
                    await hold(store, 10)
                    written = {"system": "shop", "key": "A\x1f1", "by": -3, "now_ms": T0 + 7_000}
                    await put(store, "held_written", **written)  # whatever else happened to the number since
                    assert await explain(store, 4, moved_at_ms) == [("A\x1f1",)]
                    rows = await store.read("bindings_of_skus", system="shop", skus=["A"])
                    assert rows == [("A\x1f1", believed, 0, 3, T0 + 7_000)]
                    look = {"system": "shop", "key": "A\x1f1", "held": seen, **ANYHOW, "now_ms": T0 + 9_000}
                    left = unseen if believed is None else 3 - seen
                    assert await put(store, "held_seen", **look) == [("A\x1f1", left)]
                    assert await held(store) == (seen, left, 4, T0 + 9_000)
                    # The doubt is gone: what is missing from now on is missing.
                    again = {**look, "held": seen - 1, "now_ms": T0 + 9_001}
                    assert await put(store, "held_seen", **again) == [("A\x1f1", left + 1)]
                    back = {**look, "held": seen + 1, "now_ms": T0 + 9_002}
                    assert await put(store, "held_seen", **back) == [("A\x1f1", left - 1)]

    async def test_a_first_reading_that_may_contain_a_return_heard_later_is_not_believed(self) -> None:
        for moved_at_ms, believed in ((T0 + 4_999, None), (T0 + 5_000, 14)):
            for seen, unseen in ((10, 0), (12, 0), (14, 0), (15, -1), (9, 1)):
                async with self.store() as store:
                    await hold(store, 10)
                    row = {"system": "shop", "key": "A\x1f1", "by": 4, "moved_at_ms": moved_at_ms}
                    assert await put(store, "held_shift", **row) == [("A\x1f1",)]
                    rows = await store.read("bindings_of_skus", system="shop", skus=["A"])
                    assert rows == [("A\x1f1", believed, 0, 2, T0)]
                    look = {"system": "shop", "key": "A\x1f1", "held": seen, **ANYHOW, "now_ms": T0 + 9_000}
                    left = unseen if believed is None else 14 - seen
                    assert await put(store, "held_seen", **look) == [("A\x1f1", left)]

    async def test_what_is_explained_is_not_in_doubt(self) -> None:
        async with (
            self.store() as store
        ):  # the units were missed already when their order, or return, was heard of
            await hold(store, 10, 3)
            row = {"system": "shop", "key": "A\x1f1", "by": 3, "moved_at_ms": T0}
            await explain(store, 3, T0)
            look = {"system": "shop", "key": "A\x1f1", "held": 12, **ANYHOW, "now_ms": T0}
            assert await put(store, "held_seen", **look) == [("A\x1f1", -2)]
            await put(store, "held_shift", **{**row, "by": 2})
            assert await put(store, "held_seen", **{**look, "held": 11}) == [("A\x1f1", 1)]

    async def test_the_first_reading_is_the_first_that_was_read(self) -> None:
        async with self.store() as store:
            row = {"system": "shop", "kind": "stock", "key": "A\x1f1"}
            await put(store, "binding_put", **row, external_id="x", version=1, hash="", now_ms=T0 - 90_000)
            await hold(store, 10)
            late = {"system": "shop", "key": "A\x1f1", "held": 10, **ANYHOW, "now_ms": LATER}
            await put(store, "held_seen", **late)
            for at_ms, believed in ((T0 + 5_000, 9), (T0 + 4_999, None)):
                await explain(store, 1, at_ms)
                rows = await store.read("bindings_of_skus", system="shop", skus=["A"])
                assert rows[0][1] == believed

    async def test_an_order_and_a_return_that_may_be_in_a_reading_are_two_doubts(self) -> None:
        for seen, unseen in ((10, 0), (8, 0), (13, 0), (7, 1), (14, -1)):
            async with self.store() as store:
                await hold(store, 10)
                row = {"system": "shop", "key": "A\x1f1", "moved_at_ms": T0}
                await explain(store, 2, T0)  # believed: 8, or still 10
                await put(store, "held_shift", **row, by=3)  # believed: 11, or still 8
                look = {"system": "shop", "key": "A\x1f1", "held": seen, **ANYHOW, "now_ms": T0}
                left = await put(store, "held_seen", **look)
                assert left == [("A\x1f1", unseen)], seen

    async def test_what_moved_before_a_reading_that_had_to_decide_is_in_doubt_too(self) -> None:
        row = {"system": "shop", "key": "A\x1f1"}
        for kind in ("order", "return", "order whose units were missed"):
            for moved_at_ms, sure in ((LATER + 4_999, False), (LATER + 5_000, True)):
                async with self.store() as store:
                    await hold(store, 10, 0 if kind == "return" else 3)
                    if kind == "return":
                        await put(store, "held_shift", **row, by=3, moved_at_ms=T0)
                    else:
                        at_ms = T0 if kind == "order whose units were missed" else T0 + 1
                        await explain(store, 3, at_ms)
                    await put(store, "held_seen", **row, held=10, **ANYHOW, now_ms=LATER)
                    await explain(store, 1, moved_at_ms)
                    rows = await store.read("bindings_of_skus", system="shop", skus=["A"])
                    assert (rows[0][1] is not None) is sure, kind

    async def test_an_order_that_nobody_had_told_when_a_doubt_was_decided_counts_once(self) -> None:
        # An order of three is in the first reading and heard of late. Another one is in the second, too, where it was
        # taken for nothing or for less, and a third one in the next.
        for units in (2, 3, 5):
            async with self.store() as store:
                await hold(store, 10)
                row = {"system": "shop", "key": "A\x1f1", **ANYHOW}
                await explain(store, 3, T0)
                await put(store, "held_seen", **row, held=10 - units, now_ms=LATER)
                for seen, read_ms in ((10 - 2 * units, LATER + 9_000), (10 - 2 * units, LATER + 18_000)):
                    await explain(store, units, read_ms - 9_009)
                    rows = await store.read("bindings_of_skus", system="shop", skus=["A"])
                    assert rows[0][1] is None
                    await put(store, "held_seen", **row, held=seen, now_ms=read_ms)
                assert (await held(store))[:2] == (10 - 2 * units, 0)

    async def test_what_is_still_set_aside_was_not_explained_by_an_order_from_before(self) -> None:
        row = {"system": "shop", "key": "A\x1f1"}
        told = {**row, "ours_ms": 0, **ANYHOW}
        for moved_at_ms, aside, left in ((T0, 0, 0), (T0, 1, 1), (T0, 2, 2), (T0, 9, 2), (T0 + 5_000, 2, 0)):
            async with self.store() as store:
                assert await put(store, "held_aside", **told, aside=2) == []
                bound = {"kind": "stock", "external_id": "x", "version": 1, "hash": "", "now_ms": T0}
                for key in ("A\x1f1", "B\x1f1"):
                    await put(store, "binding_put", **{**row, "key": key}, **bound)
                assert await put(store, "held_aside", **told, aside=2) == []
                await put(store, "held_first", **row, held=9, now_ms=T0)
                await put(store, "held_seen", **row, held=7, **ANYHOW, now_ms=T0)
                await put(store, "held_asked", **row, asked_ms=LATER, now_ms=T0)
                await explain(store, 2, moved_at_ms)
                assert (await held(store))[:2] == (7, 0)
                rev = (await held(store))[2]
                await put(store, "held_seen", **{**row, "key": "B\x1f1"}, held=7, **ANYHOW, now_ms=T0)
                assert await put(store, "held_aside", **{**told, "key": "B\x1f1"}, aside=2) == [("B\x1f1",)]
                assert await put(store, "held_aside", **{**told, "system": "till"}, aside=2) == []
                assert await put(store, "held_aside", **told, aside=aside) == [("A\x1f1",)]
                assert (await held(store))[2] == rev
                look = {**row, "held": 7, **ANYHOW, "now_ms": LATER}
                assert await put(store, "held_seen", **look) == [("A\x1f1", left)]
                # That is all that this order may have explained wrongly.
                await put(store, "held_aside", **told, aside=9)
                assert await put(store, "held_seen", **look) == [("A\x1f1", left)]
                # What is set aside says nothing about later orders.
                await put(store, "held_seen", **{**look, "held": 4})
                await explain(store, 3, LATER + 5_000, LATER)
                assert await put(store, "held_seen", **{**look, "held": 4}) == [("A\x1f1", left)]

    async def test_what_is_still_set_aside_did_not_come_back_with_an_order_from_before(self) -> None:
        row = {"system": "shop", "key": "A\x1f1"}
        later_ms = T0 + 5_000
        for by, moved_at_ms, aside, left in (
            (5, T0, 0, 0), (5, T0, 1, 1), (5, T0, 9, 2), (5, later_ms, 1, 2), (5, later_ms, 9, 2), (1, T0, 9, 2)
        ):  # fmt: skip
            async with self.store() as store:
                await hold(store, 8, 2)
                await put(store, "held_shift", **row, by=by, moved_at_ms=moved_at_ms)
                await put(store, "held_aside", **row, aside=aside, ours_ms=0, **ANYHOW)
                look = {**row, "held": 8 + by, **ANYHOW, "now_ms": LATER}
                assert await put(store, "held_seen", **look) == [("A\x1f1", left)]

    async def test_what_is_set_aside_beside_others_who_write_is_missing_until_it_is_so_no_more(self) -> None:
        row = {"system": "shop", "key": "A\x1f1"}
        for missed, before, aside, left in (
            (0, 0, 2, 2), (2, 0, 2, 2), (3, 0, 2, 3), (2, 2, 0, 0), (3, 2, 0, 1), (2, 2, 1, 1), (-1, 0, 0, 0), (-1, 0, 2, 2),
        ):  # fmt: skip
            for ours_ms, rev, known in (
                (T0 + 1, None, left), (T0, None, missed), (T0 + 1, 2, left), (T0 + 1, 1, missed),
            ):  # fmt: skip
                async with self.store() as store:
                    look = {**row, **ANYHOW, "now_ms": T0}
                    await put(store, "held_seen", **look, held=9)
                    await put(store, "held_aside", **row, aside=before, ours_ms=0, **ANYHOW)
                    await put(store, "held_seen", **look, held=9 - missed)
                    more = {"aside": aside, "ours_ms": ours_ms, "rev": rev, "exact": True}
                    told = await put(store, "held_aside", **row, **more)
                    assert told == ([] if rev == 1 else [("A\x1f1",)])
                    assert await held(store) == (9 - missed, known, 2, T0)

    async def test_what_a_blind_write_may_have_undone_is_in_doubt(self) -> None:
        for moved_at_ms, believed in ((LATER + 4_999, None), (LATER + 5_000, 9)):
            async with self.store() as store:
                await hold(store, 10)
                rev = (await held(store))[2]
                row = {"system": "shop", "key": "A\x1f1"}
                assert await put(store, "held_blind", **row, until_ms=LATER, by=0) == [("A\x1f1",)]
                assert await held(store) == (10, 0, rev + 1, T0)
                await explain(store, 1, moved_at_ms)
                rows = await store.read("bindings_of_skus", system="shop", skus=["A"])
                assert rows[0][1] == believed
                assert await put(store, "held_blind", **{**row, "key": "B\x1f1"}, until_ms=LATER, by=0) == []

    async def test_a_blind_write_of_which_nobody_knows_is_in_doubt_itself(self) -> None:
        for by, readings in (
            (-4, ((10, 0), (6, 0), (8, 0), (5, 1), (11, -1))),
            (3, ((10, 0), (13, 0), (14, -1), (9, 1))),
        ):
            for seen, unseen in readings:
                async with self.store() as store:
                    await hold(store, 10)
                    row = {"system": "shop", "key": "A\x1f1"}
                    await put(store, "held_blind", **row, until_ms=T0, by=by)
                    look = {**row, "held": seen, **ANYHOW, "now_ms": T0}
                    assert await put(store, "held_seen", **look) == [("A\x1f1", unseen)]
                    again = {**look, "held": seen - 1}
                    assert await put(store, "held_seen", **again) == [("A\x1f1", unseen + 1)]

    async def test_a_reading_that_was_overtaken_changes_nothing(self) -> None:
        async with self.store() as store:
            row: dict[str, Any] = {"system": "shop", "key": "A\x1f1", "exact": True}
            first = {**row, "held": 10, "rev": 0, "now_ms": T0}
            assert await put(store, "held_seen", **first) == [("A\x1f1", 0)]
            await explain(store, 1, LATER)
            known = await held(store)
            assert known == (9, 0, 2, T0)
            assert await put(store, "held_seen", **{**row, "held": 7, "rev": 1, "now_ms": LATER}) == []
            assert await held(store) == known
            assert await put(store, "held_seen", **{**row, "held": 7, "rev": 2, "now_ms": LATER}) == [
                ("A\x1f1", 2)
            ]
            assert await held(store) == (7, 2, 3, LATER)

    async def test_an_overtaken_reading_that_need_not_be_exact_counts_where_nothing_is_in_doubt(self) -> None:
        """What was heard meanwhile is in it or not; without a doubt, one of the next readings makes up for it."""
        row: dict[str, Any] = {"system": "shop", "key": "A\x1f1"}
        readings: dict[str, dict[str, Any]] = {
            "held_seen": {"held": 6, "now_ms": LATER + 1},
            "held_learned": {"held": 6, "ours_ms": LATER, "now_ms": LATER + 1},
            "held_aside": {"aside": 1, "ours_ms": 0},
        }
        for statement, reading in readings.items():
            for exact in (True, False):
                for unseen, heard, more, sure in (
                    (0, "held_explain", {"by": 1, "moved_at_ms": T0 + 5_000, "until_ms": LATER}, True),
                    (0, "held_shift", {"by": 1, "moved_at_ms": T0 + 5_000}, True),
                    (0, "held_explain", {"by": 1, "moved_at_ms": T0 + 4_999, "until_ms": LATER}, False),
                    (0, "held_shift", {"by": 1, "moved_at_ms": T0 + 4_999}, False),
                    (1, "held_explain", {"by": 1, "moved_at_ms": T0 - 1, "until_ms": T0 - 1}, False),
                ):
                    async with self.store() as store:
                        await hold(store, 9, unseen)
                        rev = (await held(store))[2]
                        await put(store, heard, **row, **more)
                        told = await put(store, statement, **row, **reading, rev=rev, exact=exact)
                        assert bool(told) == (sure and not exact), (statement, exact, heard, more)

    async def test_a_shift_moves_what_is_held_and_nothing_else(self) -> None:
        row = {"system": "shop", "key": "A\x1f1", "moved_at_ms": LATER}
        async with self.store() as store:
            await hold(store, 10, 4)
            assert await put(store, "held_shift", **row, by=3) == [("A\x1f1",)]
            assert await put(store, "held_shift", **row, by=-20) == [("A\x1f1",)]
            assert await held(store) == (-7, 4, 4, T0)
            assert await put(store, "held_shift", **{**row, "key": "B\x1f1"}, by=1) == []
            assert await held(store, "B\x1f1") == ()
        async with self.store() as store:  # a return that was seen before it was heard of counts once
            await hold(store, 10)
            await put(store, "held_seen", system="shop", key="A\x1f1", held=15, **ANYHOW, now_ms=T0)
            await put(store, "held_shift", **row, by=3)
            assert (await held(store))[:2] == (15, -2)
            await put(store, "held_shift", **row, by=4)
            assert (await held(store))[:2] == (17, 0)

    async def test_a_write_moves_what_is_held_by_its_difference(self) -> None:
        async with self.store() as store:
            await hold(store, 10, 4)
            row = {"system": "shop", "key": "A\x1f1", "by": -3, "now_ms": T0 + 9}
            assert await put(store, "held_written", **row) == [("A\x1f1",)]
            assert await held(store) == (7, 4, 3, T0 + 9)

    async def test_a_refuted_number_is_unknown_until_it_is_read_again(self) -> None:
        async with self.store() as store:
            await hold(store, 10)
            assert await put(store, "held_refuted", system="shop", key="A\x1f1") == [("A\x1f1",)]
            assert await put(store, "held_refuted", system="shop", key="B\x1f1") == []
            assert await store.read("bindings_of_skus", system="shop", skus=["A"]) == [
                ("A\x1f1", None, 0, 2, T0)
            ]
            await put(store, "held_shift", system="shop", key="A\x1f1", by=-1, moved_at_ms=LATER)
            assert await held(store) == (9, 0, 3, T0)
            await put(store, "held_seen", system="shop", key="A\x1f1", held=7, **ANYHOW, now_ms=T0 + 1)
            assert await store.read("bindings_of_skus", system="shop", skus=["A"]) == [
                ("A\x1f1", 7, 2, 4, T0 + 1)
            ]

    async def test_unseen_units_are_found_by_sku_and_not_by_its_beginning(self) -> None:
        lost = ["A\x1f1", "A\x1f2", "A\x1f", "AB\x1f1", "A", "A 1", "A\x1e1", "a\x1f1", "Ä\x1f1"]
        numbers = [("shop", key, 3) for key in lost] + [
            ("shop", "B\x1f1", 9),
            ("shop", "C\x1f1", 5),
            ("till", "A\x1f1", 4),
        ]
        async with self.store() as store:
            for system, key, later in numbers:
                for held, at_ms in ((5, T0), (later, T0 + 1)):
                    await put(store, "held_seen", system=system, key=key, held=held, **ANYHOW, now_ms=at_ms)
            found = await store.read("unseen_of_skus", system="shop", skus=["A", "B", "C", "D", "Ä"])
            assert found == [(key, 2) for key in ("A\x1f", "A\x1f1", "A\x1f2", "Ä\x1f1")]
            assert await store.read("unseen_of_skus", system="till", skus=["A"]) == [("A\x1f1", 1)]
            assert await store.read("unseen_of_skus", system="erp", skus=["A"]) == []

    async def test_unseen_units_are_listed_and_can_be_let_go(self) -> None:
        async with self.store() as store:
            await hold(store, 10, 4)
            await put(store, "held_seen", system="shop", key="B\x1f1", held=4, **ANYHOW, now_ms=T0)
            assert await store.read("unseen", limit=9) == [("shop", "A\x1f1", 4, T0)]
            assert await put(store, "unseen_release", system="shop", key="A\x1f1") == [("A\x1f1",)]
            assert await put(store, "unseen_release", system="shop", key="A\x1f1") == []
            assert await held(store) == (10, 0, 3, T0)
            assert await store.read("unseen", limit=9) == []
