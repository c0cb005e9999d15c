"""The part of the Store suite that is about what the hourly survey writes, and what is listed of holds."""

from __future__ import annotations

from syncline.testing.store_holds import LATER, confirm, shelve, take
from syncline.testing.store_tools import T0, Opens, put


class SurveyConformance(Opens):
    """What is found of each SKU, what is found on the whole, and who holds what."""

    async def test_a_standing_is_replaced_whole_and_dropped(self) -> None:
        async with self.store() as store:
            first = {"velocity": "high", "slow_since_ms": T0, "buffers": "3,,12"}
            then = {"velocity": "low", "slow_since_ms": None, "buffers": ""}
            for sku, found in (("B", first), ("A", then), ("A", first), ("B", then)):
                assert await put(store, "standing_put", sku=sku, **found) == [(sku,)]
            assert await store.read("standing_get", skus=["none", "B", "A"]) == [
                ("A", *first.values()),
                ("B", *then.values()),
            ]
            assert await put(store, "standing_drop", sku="A") == [("A",)]
            assert await put(store, "standing_drop", sku="A") == []
            assert await store.read("standing_get", skus=["A"]) == []
            assert await store.read("standing_get", skus=["B"]) == [("B", *then.values())]

    async def test_surveys_are_told_newest_first_and_forgotten_by_time(self) -> None:
        async with self.store() as store:
            for subject, at_ms, body in (("s", T0, "1"), ("s", T0 + 9, "2"), ("t", T0, "3"), ("s", T0, "4")):
                assert await put(store, "survey_put", subject=subject, at_ms=at_ms, body=body) == [(subject,)]
            assert await store.read("surveys", subject="s", since=T0, limit=9) == [(T0 + 9, "2"), (T0, "4")]
            assert await store.read("surveys", subject="s", since=T0 + 1, limit=9) == [(T0 + 9, "2")]
            assert await store.read("surveys", subject="s", since=0, limit=1) == [(T0 + 9, "2")]
            assert await put(store, "forget_surveys", before=T0, limit=9) == []
            assert len(await put(store, "forget_surveys", before=T0 + 9, limit=1)) == 1
            assert len(await put(store, "forget_surveys", before=T0 + 9, limit=9)) == 1
            assert await store.read("surveys", subject="s", since=0, limit=9) == [(T0 + 9, "2")]

    async def test_open_holds_are_listed_by_their_end_and_summed_up_by_channel(self) -> None:
        async with self.store() as store:
            await shelve(store, 50)
            await shelve(store, 50, sku="B")
            await shelve(store, 50, pool="q")
            await take(store, "r2", 2, expires_at_ms=LATER + 1)
            await take(store, "r2", 2, expires_at_ms=LATER + 1, pool="q", main=0)
            await take(store, "r2", 3, line=1, sku="B", expires_at_ms=LATER + 1)
            await take(store, "r1", 4, channel="market", now_ms=T0 + 5)
            await take(store, "r3", 1, now_ms=T0 + 7, asked=2)
            await take(store, "r4", 9)
            await put(store, "hold_release", reference="r4")
            await confirm(store, "r2")

            async def listed(channel: str = "", sku: str = "", limit: int = 9) -> list[tuple[str, int]]:
                rows = await store.read("holds_open", channel=channel, sku=sku, limit=limit)
                return [row[:2] for row in rows]

            assert await listed() == [("r1", 0), ("r3", 0), ("r2", 0), ("r2", 1)]
            assert await listed(limit=1) == [("r1", 0)]
            assert await listed(channel="shop") == [("r3", 0), ("r2", 0), ("r2", 1)]
            assert await listed(sku="B") == [("r2", 1)]
            assert (await store.read("holds_open", channel="shop", sku="A", limit=1))[0][2:] == (
                "shop", "A", "L", 2, 1, "open", "", "till", T0 + 7, LATER,
            )  # fmt: skip
            assert await store.read("holds_summary") == [
                ("market", "open", 1, 4, T0 + 5),
                ("shop", "confirmed", 1, 5, T0),
                ("shop", "open", 1, 1, T0 + 7),
            ]
