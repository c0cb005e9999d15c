"""The part of the Store suite that is about proofs: what was read again, what differed, and what was decided."""

from __future__ import annotations

from typing import Any

from syncline.ports import Row, Store
from syncline.testing.store_tools import T0, Opens, put


async def prove(store: Store, id_: str, **more: Any) -> list[Row]:
    """Store a proof."""
    row = {
        "id": id_,
        "route": "r",
        "state": "running",
        "asked_by": "anna",
        "dry_run": 1,
        "started_at_ms": T0,
        "ended_at_ms": None,
        "position": "[0]",
        "rows": 5,
        "body": "{}",
    }
    return await put(store, "proof_put", **{**row, **more})


async def differ(store: Store, key: str, **more: Any) -> list[Row]:
    """Store a difference."""
    row = {
        "route": "r",
        "key": key,
        "cause": "rounding",
        "subject": "s",
        "detail": "d",
        "units": 2,
        "state": "named",
        "proof": "p1",
        "now_ms": T0,
    }
    return await put(store, "difference_put", **{**row, **more})


async def found(store: Store, route: str = "r", **asked: Any) -> list[Row]:
    """The open differences of a route."""
    return await store.read(
        "differences_open", **{"route": route, "state": "", "cause": "", "limit": 9, **asked}
    )


class ProofConformance(Opens):
    """Proofs and differences."""

    async def test_a_proof_is_kept_up_to_date_and_told_newest_first(self) -> None:
        async with self.store() as store:
            assert await prove(store, "p1") == [("p1",)]
            later = {"state": "done", "ended_at_ms": T0 + 9, "position": "[1]", "rows": 7, "body": "[]"}
            # Who began it, and when, does not change.
            await prove(store, "p1", asked_by="x", dry_run=0, started_at_ms=0, route="x", **later)
            first = ("p1", "r", "done", "anna", 1, T0, T0 + 9, "[1]", 7, "[]")
            assert await store.read("proof_get", id="p1") == [first]
            assert await store.read("proof_get", id="p9") == []
            await prove(store, "p2", started_at_ms=T0 + 1)
            await prove(store, "p3", started_at_ms=T0 + 1)
            await prove(store, "p4", route="q")

            async def listed(since: int = 0, limit: int = 9) -> list[str]:
                rows = await store.read("proofs", route="r", since=since, limit=limit)
                return [row[0] for row in rows]

            assert await listed() == ["p3", "p2", "p1"]
            assert await listed(since=T0 + 1) == ["p3", "p2"]
            assert await listed(limit=1) == ["p3"]
            assert (await store.read("proofs", route="r", since=0, limit=9))[2] == first

    async def test_proofs_that_ended_are_forgotten_by_time(self) -> None:
        async with self.store() as store:
            await prove(store, "p1", state="done")
            await prove(store, "p2")
            await prove(store, "p3", state="stopped")
            await prove(store, "p4", state="done", started_at_ms=T0 + 1)
            assert await put(store, "forget_proofs", before=T0, limit=9) == []
            assert len(await put(store, "forget_proofs", before=T0 + 1, limit=1)) == 1
            assert len(await put(store, "forget_proofs", before=T0 + 1, limit=9)) == 1
            assert [row[0] for row in await store.read("proofs", route="r", since=0, limit=9)] == ["p4", "p2"]

    async def test_a_difference_found_again_is_the_same_one(self) -> None:
        async with self.store() as store:
            assert await differ(store, "A") == [("A", "named")]
            again = {"subject": "t", "detail": "e", "units": 3, "proof": "p2", "now_ms": T0 + 5}
            assert await differ(store, "A", state="repairing", **again) == [("A", "repairing")]
            assert await found(store) == [
                ("r", "A", "rounding", "t", "e", 3, "repairing", T0, T0 + 5, 2, ""),
            ]

    async def test_what_a_person_has_to_decide_waits_and_stands(self) -> None:
        async with self.store() as store:
            for key in "ABC":
                await differ(store, key, state="waiting" if key != "C" else "named")
            assert await differ(store, "A", state="named") == [("A", "waiting")]
            by = {"route": "r", "cause": "rounding", "by": "anna"}
            assert await put(store, "difference_decide", key="A", state="declined", **by) == [("A",)]
            assert await put(store, "difference_decide", key="A", state="repairing", **by) == []
            assert await put(store, "difference_decide", key="C", state="repairing", **by) == []
            assert await put(store, "difference_decide", key="B", state="x", **{**by, "cause": "y"}) == []
            assert await put(store, "difference_decide", key="B", state="x", **{**by, "route": "q"}) == []
            assert await differ(store, "A", state="repairing") == [("A", "declined")]
            assert [(row[1], row[6], row[10]) for row in await found(store)] == [
                ("A", "declined", "anna"),
                ("B", "waiting", ""),
                ("C", "named", ""),
            ]

    async def test_what_a_whole_proof_did_not_find_is_gone(self) -> None:
        async with self.store() as store:
            for key, state in (("A", "waiting"), ("B", "named"), ("C", "waiting")):
                await differ(store, key, state=state)
            await differ(store, "B", proof="p2")
            await differ(store, "D", route="q")
            by = {"route": "r", "key": "A", "cause": "rounding", "by": "anna"}
            await put(store, "difference_decide", state="declined", **by)
            gone = {"route": "r", "proof": "p2", "now_ms": T0 + 9}
            assert sorted(await put(store, "difference_gone", **gone)) == [("A",), ("C",)]
            assert await put(store, "difference_gone", **gone) == []
            assert [row[1] for row in await found(store)] == ["B"]
            assert [row[1] for row in await found(store, route="q")] == ["D"]
            assert await store.read("differences_of", route="r", keys=["A", "B"]) == [
                ("B", "rounding", "named")
            ]
            assert await put(store, "difference_decide", state="repairing", **{**by, "key": "C"}) == []
            # Back again it is a new one: nobody has decided about it, and it began now.
            assert await differ(store, "A", state="repairing", now_ms=T0 + 20) == [("A", "repairing")]
            (back,) = [row for row in await found(store) if row[1] == "A"]
            assert back[6:] == ("repairing", T0 + 20, T0 + 20, 2, "")

    async def test_differences_are_listed_by_state_and_cause_and_counted(self) -> None:
        async with self.store() as store:
            await differ(store, "B", state="waiting", now_ms=T0 + 2)
            await differ(store, "A", now_ms=T0 + 3)
            await differ(store, "A", cause="duplicate", state="waiting")
            await differ(store, "C", state="waiting", units=5)
            await differ(store, "D", route="q")
            await put(store, "difference_gone", route="q", proof="p9", now_ms=T0)

            async def listed(**asked: Any) -> list[tuple[str, str]]:
                return [(row[1], row[2]) for row in await found(store, **asked)]

            every = [("A", "duplicate"), ("A", "rounding"), ("B", "rounding"), ("C", "rounding")]
            assert await listed() == every
            assert await listed(limit=1) == every[:1]
            assert await listed(state="waiting") == [every[0], *every[2:]]
            assert await listed(cause="duplicate") == every[:1]
            assert await listed(route="none") == []
            assert await store.read("differences_of", route="r", keys=["A", "none"]) == [
                ("A", "duplicate", "waiting"),
                ("A", "rounding", "named"),
            ]
            assert await store.read("differences_of", route="q", keys=["A"]) == []
            assert await store.read("difference_counts") == [
                ("r", "duplicate", "waiting", 1, 2, T0),
                ("r", "rounding", "named", 1, 2, T0 + 3),
                ("r", "rounding", "waiting", 2, 7, T0),
            ]

    async def test_differences_that_went_are_forgotten_by_time(self) -> None:
        async with self.store() as store:
            for key, at_ms in (("A", T0), ("B", T0), ("C", T0 + 1)):
                await differ(store, key)
                await put(store, "difference_gone", route="r", proof="p9", now_ms=at_ms)
            await differ(store, "D")
            assert await put(store, "forget_differences", before=T0, limit=9) == []
            assert len(await put(store, "forget_differences", before=T0 + 1, limit=1)) == 1
            assert await put(store, "forget_differences", before=T0 + 1, limit=9) == [("B",)]
            assert await put(store, "forget_differences", before=T0 + 2, limit=9) == [("C",)]
            assert [row[1] for row in await found(store)] == ["D"]

    async def test_a_binding_is_lost_and_can_be_made_again(self) -> None:
        async with self.store() as store:
            for system, kind, key in (
                ("erp", "order", "a"),
                ("erp", "order", "b"),
                ("erp", "payment", "a"),
                ("shop", "order", "a"),
            ):
                await put(
                    store, "binding_put", system=system, kind=kind, key=key, external_id="7", version=3, hash="h",
                    now_ms=T0,
                )  # fmt: skip
            assert await put(store, "binding_lost", system="erp", kind="order", key="a") == [("a",)]
            assert await put(store, "binding_lost", system="erp", kind="order", key="none") == []

            async def known(system: str, kind: str) -> list[Row]:
                rows = await store.read("bindings_get", system=system, kind=kind, keys=["a", "b"])
                return sorted((row[0], row[1], row[2], row[3], row[6]) for row in rows)

            assert await known("erp", "order") == [("a", "", 0, "", 2), ("b", "7", 3, "h", 1)]
            assert await known("erp", "payment") == [("a", "7", 3, "h", 1)]
            assert await known("shop", "order") == [("a", "7", 3, "h", 1)]

    async def test_which_of_some_skus_are_marked(self) -> None:
        async with self.store() as store:
            for sku in ("C", "A", "B"):
                await put(store, "dirty_mark", sku=sku, changed_at_ms=T0)
            assert await store.read("dirty_of", skus=["none", "C", "A"]) == [("A",), ("C",)]
            assert await store.read("dirty_of", skus=[]) == []
