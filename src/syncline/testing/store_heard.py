"""What a store keeps of the numbers that channels tell by themselves."""

from __future__ import annotations

from syncline.ports import Row, Store
from syncline.testing.store_deliveries import bring_to
from syncline.testing.store_tools import T0, Opens, put

KEY = "A\x1f1"


async def tell(
    store: Store, number: int | None, stamp_ms: int, check_ms: int = 0, key: str = KEY, system: str = "shop"
) -> list[Row]:
    """A channel tells its number."""
    row = {"system": system, "key": key, "number": number, "stamp_ms": stamp_ms, "check_ms": check_ms}
    return await put(store, "heard_put", **row)


async def heard(store: Store, keys: tuple[str, ...] = (KEY,)) -> list[Row]:
    """(key, held, unseen, rev, number, stamp_ms, check_ms, under way) of some numbers."""
    return await store.read("heard_get", system="shop", keys=list(keys))


async def see(store: Store, number: int, key: str = KEY, system: str = "shop") -> None:
    """The channel's number is read."""
    await put(store, "held_seen", system=system, key=key, held=number, rev=None, exact=True, now_ms=T0)


class HeardConformance(Opens):
    """The statements whose names begin with ``heard``."""

    async def test_what_a_channel_told_is_kept_until_it_tells_something_newer(self) -> None:
        async with self.store() as store:
            await see(store, 9)
            assert await heard(store) == [(KEY, 9, 0, 1, None, 0, 0, 0)]
            # What is older changes nothing; what bears the same stamp replaces.
            for number, stamp_ms, check_ms, kept in (
                (8, T0 + 5, 1, True), (7, T0 + 4, 2, False), (None, T0 + 5, 3, True), (6, T0 + 6, 0, True),
            ):  # fmt: skip
                assert await tell(store, number, stamp_ms, check_ms) == ([(KEY,)] if kept else [])
                if kept:
                    assert await heard(store) == [(KEY, 9, 0, 1, number, stamp_ms, check_ms, 0)]

    async def test_what_was_told_stands_beside_what_is_known(self) -> None:
        async with self.store() as store:
            for key in (KEY, "B\x1f1"):
                await see(store, 9, key)
                await see(store, 7, key)
            await see(store, 3, system="erp")
            await tell(store, 1, T0, system="erp")
            binding = {"system": "shop", "kind": "stock", "key": "C\x1f1", "external_id": "x", "version": 1}
            await put(store, "binding_put", **binding, hash="", now_ms=T0)
            binding = {**binding, "kind": "order", "key": KEY}
            await put(store, "binding_put", **binding, hash="", now_ms=T0)
            await put(store, "held_refuted", system="shop", key="B\x1f1")
            known = (KEY, 7, 2, 2, None, 0, 0, 0)
            assert await heard(store, ("D\x1f1", "C\x1f1", "B\x1f1", KEY)) == [
                known, ("B\x1f1", None, 2, 3, None, 0, 0, 0),
            ]  # fmt: skip
            assert await heard(store) == [known]

    async def test_a_write_under_way_is_told(self) -> None:
        for state, under_way in (("running", 1), ("retryable", 0), ("completed", 0), ("parked", 0)):
            async with self.store() as store:
                await bring_to(store, state)
                for key in (KEY, "B\x1f1"):
                    await see(store, 9, key)
                assert [row[7] for row in await heard(store, (KEY, "B\x1f1"))] == [under_way, 0], state
        async with self.store() as store:  # a reading is no write
            await see(store, 9)
            at = {"system": "shop", "operation": "read_stock", "key": KEY}
            row = {"route": "", "changed_at_ms": T0, "deliver_by_ms": T0, "not_before_ms": T0, "now_ms": T0}
            await put(store, "delivery_touch", **at, **row, wanted=1, rev=0)
            await put(store, "delivery_run", **at, now_ms=T0)
            assert [row[7] for row in await heard(store)] == [0]

    async def test_a_number_that_did_not_fall_with_its_order_is_looked_at_where_units_are_missing(
        self,
    ) -> None:
        for number, unseen, check_ms, again in (
            (5, 2, 0, True), (3, 2, 0, False), (5, 0, 0, False), (5, 2, 7, False), (None, 2, 0, False),
        ):  # fmt: skip
            async with self.store() as store:
                for system, key in (("shop", KEY), ("shop", "B\x1f1"), ("till", KEY), ("till", "B\x1f1")):
                    await see(store, 3 + unseen, key, system)
                    await see(store, 3, key, system)
                    await tell(store, number, T0, check_ms, key, system)
                row = {"system": "shop", "key": KEY, "check_ms": 9}
                assert await put(store, "heard_again", **row) == ([(KEY,)] if again else [])
                looked = [row[:5] for row in await store.read("heard_checks", limit=9) if row[4] == 9]
                assert looked == ([("shop", KEY, number, T0, 9)] if again else [])
                await put(store, "unseen_release", system="shop", key="B\x1f1")
                assert await put(store, "heard_again", **{**row, "key": "B\x1f1"}) == []

    async def test_numbers_to_be_looked_at_come_in_order_and_are_looked_at_once(self) -> None:
        async with self.store() as store:
            for key, check_ms in ((KEY, 9), ("B\x1f1", 7), ("C\x1f1", 0)):
                await see(store, 5, key)
                await tell(store, 4, T0, check_ms, key)
            await see(store, 3)
            await put(store, "held_refuted", system="shop", key="B\x1f1")
            await tell(store, None, T0, 8, "unread")
            first, second = ("shop", "B\x1f1", 4, T0, 7, None, 0), ("shop", KEY, 4, T0, 9, 3, 2)
            between = ("shop", "unread", None, T0, 8, None, 0)
            assert await store.read("heard_checks", limit=9) == [first, between, second]
            assert await store.read("heard_checks", limit=1) == [first]
            row = {"system": "shop", "key": KEY, "stamp_ms": T0, "check_ms": 9}
            for told in ({"stamp_ms": T0 - 1}, {"check_ms": 8}, {"system": "erp"}, {"key": "D\x1f1"}):
                assert await put(store, "heard_checked", **{**row, **told}) == []
            assert await put(store, "heard_checked", **row) == [(KEY,)]
            assert await store.read("heard_checks", limit=9) == [first, between]
            assert await heard(store) == [(KEY, 3, 2, 2, 4, T0, 0, 0)]
