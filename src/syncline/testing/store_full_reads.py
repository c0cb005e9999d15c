"""The part of the Store suite that is about full reads: what they contain, what they lack, what they make doubtful."""

from __future__ import annotations

from typing import Any

from syncline.ports import Row, Store
from syncline.testing.store_statements import record
from syncline.testing.store_tools import T0, Opens, put

ERP = {"system": "erp", "kind": "stock"}
DOUBTED = {
    "system": "erp", "key": "A\x1f1", "version": 1, "tiebreak": 2, "changed_at_ms": 3, "observed_at_ms": 4,
    "offset": 5, "body": "b",
}  # fmt: skip


async def told(store: Store, key: str, at_ms: int = T0, **changes: Any) -> list[Row]:
    """The ERP told a figure."""
    row = {**ERP, "observed_at_ms": at_ms, "body": f"of {key}", **changes}
    return await record(store, key, row.pop("version", 1), **row)


async def absent(
    store: Store, began_ms: int, after: str = "", limit: int = 9, kind: str = "stock"
) -> list[Row]:
    """What a full read since a moment lacks."""
    return await store.read(
        "read_absent", system="erp", kind=kind, began_ms=began_ms, after=after, limit=limit
    )


async def vanished(store: Store, after: str = "", limit: int = 9, kind: str = "stock") -> list[Row]:
    """What is known to be in no full read any more."""
    return await store.read("vanished", system="erp", kind=kind, after=after, limit=limit)


class FullReadConformance(Opens):
    """What a read of everything does and does not contain."""

    async def test_places_are_counted_in_pieces(self) -> None:
        async with self.store() as store:
            for key, at_ms in (
                ("A\x1f1", 9),
                ("A\x1f2", 8),
                ("B\x1f1", 7),
                ("B\x1f2", 9),
                ("C\x1fx\x1f2", 8),
                ("D", 9),
            ):
                await told(store, key, T0 + at_ms)
            await told(store, "A\x1f1", T0 + 9, system="shop")
            await record(store, "B\x1f1", 1, system="erp")  # an order
            look = {"system": "erp", "began_ms": T0 + 8}
            assert await store.read("read_places", **look, after="", limit=9) == [
                ("1", 2, 1, 0, "D"), ("2", 2, 2, 0, "D"), ("D", 1, 1, 0, "D"), ("x\x1f2", 1, 1, 0, "D"),
            ]  # fmt: skip
            assert await store.read("read_places", **look, after="", limit=3) == [
                ("1", 2, 1, 0, "B\x1f1"), ("2", 1, 1, 0, "B\x1f1"),
            ]  # fmt: skip
            assert await store.read("read_places", **look, after="B\x1f2", limit=1) == [
                ("x\x1f2", 1, 1, 0, "C\x1fx\x1f2")
            ]
            assert await store.read("read_places", **look, after="D", limit=9) == []
            await put(store, "record_vanish", **ERP, key="B\x1f1", began_ms=T0 + 8)
            assert (await store.read("read_places", **look, after="", limit=9))[0] == ("1", 2, 1, 1, "D")
            await put(store, "record_seen", **ERP, key="B\x1f1", seen_ms=T0 + 8)
            assert (await store.read("read_places", **look, after="", limit=9))[0] == ("1", 2, 2, 0, "D")

    async def test_what_a_full_read_lacks_is_what_was_not_told_since_it_began(self) -> None:
        async with self.store() as store:
            for key, at_ms in (("A", T0), ("B", T0 + 9), ("C", T0), ("D", T0 + 8)):
                await told(store, key, at_ms)
            await told(store, "A", T0, system="shop")
            await told(store, "A", T0, kind="item")
            assert await absent(store, T0 + 9) == [("A", "of A"), ("C", "of C"), ("D", "of D")]
            assert await absent(store, T0 + 9, limit=2) == [("A", "of A"), ("C", "of C")]
            assert await absent(store, T0 + 9, after="C") == [("D", "of D")]
            assert await absent(store, T0 + 9, kind="item") == [("A", "of A")]
            assert await absent(store, T0) == []

    async def test_what_is_seen_again_is_there_although_it_says_nothing_newer(self) -> None:
        async with self.store() as store:
            await told(store, "A")
            await told(store, "A", kind="item")
            await told(store, "A", system="shop")
            await put(store, "record_vanish", **ERP, key="A", began_ms=T0 + 1)
            await put(store, "record_gone", **ERP, key="A")
            assert await put(store, "record_seen", **ERP, key="A", seen_ms=T0 + 5) == [("A",)]
            assert await put(store, "record_seen", **ERP, key="B", seen_ms=T0 + 5) == []
            assert (await absent(store, T0 + 5), await vanished(store)) == ([], [])
            await put(store, "record_seen", **ERP, key="A", seen_ms=T0 + 3)
            assert await absent(store, T0 + 5) == []  # never less than before
            assert await absent(store, T0 + 6) == [("A", "of A")]
            assert await absent(store, T0 + 5, kind="item") == [("A", "of A")]
            rows = await store.read("records_get", **ERP, keys=["A"])
            assert rows == [("A", 1, 0, "h1", "of A", 1, T0)]

    async def test_what_vanished_is_marked_once_until_it_is_told_again(self) -> None:
        async with self.store() as store:
            for key in ("B\x1f1", "A\x1f1", "C\x1f1"):
                await told(store, key)
            await told(store, "A\x1f1", kind="item")
            await told(store, "A\x1f1", system="shop")
            mark = {**ERP, "key": "A\x1f1"}
            assert await put(store, "record_vanish", **mark, began_ms=T0) == []  # it was told just then
            assert await put(store, "record_vanish", **mark, began_ms=T0 + 5) == [("A\x1f1",)]
            assert await put(store, "record_vanish", **mark, began_ms=T0 + 9) == []
            await put(store, "record_vanish", **{**mark, "system": "shop"}, began_ms=T0 + 5)
            assert await vanished(store) == [("A\x1f1", T0 + 5, 0)]
            assert await vanished(store, kind="item") == []
            await put(store, "record_vanish", **ERP, key="B\x1f1", began_ms=T0 + 9)
            assert await absent(store, T0 + 9) == [("C\x1f1", "of C\x1f1")]
            assert await vanished(store, limit=1) == [("A\x1f1", T0 + 5, 0)]
            assert await vanished(store, after="A\x1f1") == [("B\x1f1", T0 + 9, 0)]
            among = {**ERP, "keys": ["C\x1f1", "B\x1f1", "A\x1f1", "none"]}
            assert await store.read("vanished_among", **among) == [("A\x1f1",), ("B\x1f1",)]
            assert await store.read("vanished_among", **{**among, "kind": "item"}) == []
            assert await store.read("vanished_among", **{**among, "system": "shop"}) == [("A\x1f1",)]
            assert (
                await told(store, "A\x1f1", T0 + 20, version=1) == []
            )  # nothing newer, and not in a full read
            assert len(await vanished(store)) == 2
            assert await told(store, "A\x1f1", T0 + 20, version=2) == [("A\x1f1",)]
            assert await vanished(store) == [("B\x1f1", T0 + 9, 0)]

    async def test_only_what_vanished_can_be_gone(self) -> None:
        async with self.store() as store:
            for key in ("A\x1f1", "B\x1f1"):
                await told(store, key)
                await told(store, key, kind="item")
            assert await put(store, "record_gone", **ERP, key="A\x1f1") == []
            await put(store, "record_vanish", **ERP, key="A\x1f1", began_ms=T0 + 5)
            await put(store, "record_vanish", **{**ERP, "kind": "item"}, key="A\x1f1", began_ms=T0 + 5)
            assert await put(store, "record_gone", **ERP, key="A\x1f1") == [("A\x1f1",)]
            assert await put(store, "record_gone", **ERP, key="A\x1f1") == []
            assert (await vanished(store), (await vanished(store, kind="item"))[0][2]) == (
                [("A\x1f1", T0 + 5, 1)], 0,
            )  # fmt: skip
            rows = await store.read("stock_of_skus", system="erp", skus=["A", "B"])
            assert [row[4:] for row in rows] == [(T0 + 5, 1), (0, 0)]
            await told(store, "A\x1f1", T0 + 20, version=2)
            rows = await store.read("stock_of_skus", system="erp", skus=["A"])
            assert [row[4:] for row in rows] == [(0, 0)]

    async def test_what_is_doubted_is_kept_as_it_was_read_last(self) -> None:
        async with self.store() as store:
            newer = {
                **DOUBTED,
                "version": 6,
                "tiebreak": 7,
                "changed_at_ms": 8,
                "observed_at_ms": 9,
                "offset": 10,
                "body": "c",
            }
            assert await put(store, "doubted_put", **DOUBTED) == [("A\x1f1",)]
            for key in ("AB\x1f1", "A\x1f2", "B\x1f1"):
                await put(store, "doubted_put", **{**DOUBTED, "key": key})
            await put(store, "doubted_put", **{**DOUBTED, "system": "shop"})
            await put(store, "doubted_put", **newer)
            assert await store.read("doubted_of_skus", system="erp", skus=["A", "none"]) == [
                tuple(newer.values())[1:], ("A\x1f2", *tuple(DOUBTED.values())[2:]),
            ]  # fmt: skip
            first = await store.read("doubted_first", system="erp", limit=3)
            assert [row[0] for row in first] == ["A\x1f1", "A\x1f2", "AB\x1f1"]
            assert first[0] == tuple(newer.values())[1:]
            assert await put(store, "doubted_drop", system="erp", key="A\x1f1") == [("A\x1f1",)]
            assert await put(store, "doubted_drop", system="erp", key="A\x1f1") == []
            assert len(await store.read("doubted_first", system="erp", limit=9)) == 3
            assert len(await store.read("doubted_first", system="shop", limit=9)) == 1
