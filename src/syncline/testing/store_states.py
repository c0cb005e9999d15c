"""The part of the Store suite that is about state records: what is marked, and what channels were last told."""

from __future__ import annotations

from typing import Any

from syncline.ports import Row, Store, Write
from syncline.testing.store_tools import T0, Opens, put

ROUTE = "prices:erp->shop"


async def mark(store: Store, key: str, changed_at_ms: int, route: str = ROUTE) -> list[Row]:
    """Ask for a content to be computed."""
    return await put(store, "state_mark", route=route, key=key, changed_at_ms=changed_at_ms)


async def marked(store: Store, now_ms: int = T0, limit: int = 9) -> list[Row]:
    """What is to be computed by a moment."""
    return await store.read("state_marks", now_ms=now_ms, limit=limit)


class StateConformance(Opens):
    """Marks that are due or wait for their moment, and contents with what is known of them."""

    async def test_contents_are_computed_oldest_change_first_and_each_once(self) -> None:
        async with self.store() as store:
            assert await mark(store, "b", T0 + 5) == [("b",)]
            await mark(store, "a", T0 + 5)
            await mark(store, "c", T0 + 3, route="other")
            await mark(store, "b", T0 + 9)
            assert await marked(store) == [
                ("other", "c", 1, T0 + 3),
                (ROUTE, "a", 1, T0 + 5),
                (ROUTE, "b", 2, T0 + 5),
            ]
            await mark(store, "b", T0 + 1)
            assert await marked(store, limit=1) == [(ROUTE, "b", 3, T0 + 1)]

    async def test_what_is_marked_again_meanwhile_is_not_done(self) -> None:
        async with self.store() as store:
            await mark(store, "a", T0)
            await mark(store, "b", T0)
            await mark(store, "a", T0, route="other")
            await mark(store, "b", T0)
            done = [{"route": ROUTE, "key": key, "seq": 1} for key in ("a", "b", "none")]
            assert (await store.write(Write("state_done", done)))[0] == [("a",)]
            assert await marked(store) == [("other", "a", 1, T0), (ROUTE, "b", 2, T0)]
            assert await put(store, "state_done", route=ROUTE, key="b", seq=2) == [("b",)]
            assert await put(store, "state_done", route="other", key="a", seq=1) == [("a",)]
            assert await marked(store) == []

    async def test_a_mark_waits_for_its_moment_unless_something_changes_before(self) -> None:
        async with self.store() as store:

            async def defer(key: str, until_ms: int, seq: int = 1, route: str = ROUTE) -> list[Row]:
                return await put(store, "state_defer", route=route, key=key, seq=seq, until_ms=until_ms)

            assert await store.read("state_next", now_ms=T0) == [(None,)]
            for key in ("a", "b", "c"):
                await mark(store, key, T0 - 9)
            await mark(store, "a", T0 - 9, route="other")
            assert await defer("a", T0 + 50) == [("a",)]
            assert await defer("b", T0 + 20) == [("b",)]
            assert await defer("c", T0 + 10, seq=2) == []
            assert await defer("none", T0 + 10) == []
            at = {"route": ROUTE, "keys": ["a", "b", "c", "none"]}
            assert await store.read("state_marked", **at, now_ms=T0 + 19) == [(ROUTE, "c")]
            assert sorted(await store.read("state_marked", **at, now_ms=T0 + 20)) == [
                (ROUTE, "b"),
                (ROUTE, "c"),
            ]
            assert await store.read("state_marked", route="other", keys=["a"], now_ms=T0) == [("other", "a")]
            assert await marked(store, T0 + 19) == [("other", "a", 1, T0 - 9), (ROUTE, "c", 1, T0 - 9)]
            assert await store.read("state_next", now_ms=T0) == [(T0 + 20,)]
            assert await store.read("state_next", now_ms=T0 + 19) == [(T0 + 20,)]
            assert await store.read("state_next", now_ms=T0 + 20) == [(T0 + 50,)]
            # As old as its moment, and no older: what was known before is not late.
            assert (await marked(store, T0 + 20))[-1] == (ROUTE, "b", 1, T0 + 20)
            await mark(store, "a", T0 + 1)
            assert (ROUTE, "a", 2, T0 + 1) in await marked(store)
            assert await store.read("state_next", now_ms=T0) == [(T0 + 20,)]

    async def test_a_content_is_what_was_told_last_and_may_be_in_doubt(self) -> None:
        async with self.store() as store:

            async def told(*keys: str, system: str = "shop", kind: str = "price") -> list[Row]:
                return sorted(await store.read("contents_get", system=system, kind=kind, keys=list(keys)))

            row: dict[str, Any] = {"system": "shop", "kind": "price", "now_ms": T0}
            assert await put(store, "content_put", **row, key="a", hash="1", body="{}") == [("a",)]
            await put(store, "content_put", **row, key="b", hash="2", body="[]")
            await put(store, "content_put", **{**row, "system": "till"}, key="a", hash="3", body="t")
            await put(store, "content_put", **{**row, "kind": "other"}, key="a", hash="4", body="o")
            assert await told("a", "none") == [("a", "1", "{}", T0)]
            assert await told("b", "a") == [("a", "1", "{}", T0), ("b", "2", "[]", T0)]
            assert await put(store, "content_unsure", system="shop", kind="price", key="a") == [("a",)]
            assert await put(store, "content_unsure", system="shop", kind="price", key="none") == []
            assert await told("a", "b") == [("a", "", "{}", T0), ("b", "2", "[]", T0)]
            assert await told("a", system="till") == [("a", "3", "t", T0)]
            assert await told("a", kind="other") == [("a", "4", "o", T0)]
            await put(store, "content_put", **{**row, "now_ms": T0 + 7}, key="a", hash="5", body="n")
            assert await told("a") == [("a", "5", "n", T0 + 7)]

    async def test_records_are_told_with_whether_they_are_gone(self) -> None:
        async with self.store() as store:
            record = {
                "version": 1, "tiebreak": 0, "observed_at_ms": T0 + 2, "hash": "", "changed_at_ms": T0, "offset": 1,
            }  # fmt: skip
            for system, kind, key in (
                ("erp", "price", "a"),
                ("erp", "price", "b"),
                ("erp", "stock", "c"),
                ("shop", "price", "d"),
            ):
                await put(store, "record_put", system=system, kind=kind, key=key, body=f'"{key}"', **record)
            at = {"system": "erp", "kind": "price", "key": "b"}
            await put(store, "record_vanish", **at, began_ms=T0 + 3)
            await put(store, "record_gone", **at)
            rows = await store.read(
                "states_get", system="erp", kind="price", keys=["d", "c", "b", "a", "none"]
            )
            assert sorted(rows) == [("a", '"a"', 0, T0, T0 + 2), ("b", '"b"', 1, T0, T0 + 2)]
