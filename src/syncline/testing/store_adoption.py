"""The part of the Store suite that is about what an adoption has read."""

from __future__ import annotations

from syncline.ports import Store
from syncline.testing.store_tools import Opens, put


async def keep(store: Store, system: str, kind: str, key: str, body: str = "{}") -> list[tuple[str]]:
    """Keep something that was read."""
    return await put(store, "adoption_put", system=system, kind=kind, key=key, body=body)


class AdoptionConformance(Opens):
    """What was read of both sides is kept, told in the order of its keys, and forgotten."""

    async def test_what_an_adoption_has_read_is_told_by_key_and_forgotten_by_kind(self) -> None:
        async with self.store() as store:
            for system, kind, key in (
                ("shop", "item", "2"),
                ("shop", "item", "1"),
                ("shop", "item", "3"),
                ("shop", "order", "1"),
                ("erp", "item", "1"),
            ):
                assert await keep(store, system, kind, key) == [(key,)]
            assert await keep(store, "shop", "item", "2", "[2]") == [("2",)]

            async def told(after: str = "", limit: int = 9) -> list[tuple[str, str]]:
                rows = await store.read(
                    "adoption_after", system="shop", kind="item", after=after, limit=limit
                )
                return [tuple(row) for row in rows]

            assert await told() == [("1", "{}"), ("2", "[2]"), ("3", "{}")]
            assert await told("1", 1) == [("2", "[2]")]
            assert len(await put(store, "forget_adoption", system="shop", kind="item", limit=2)) == 2
            assert len(await told()) == 1
            assert len(await put(store, "forget_adoption", system="shop", kind="item", limit=9)) == 1
            rows = await store.read("adoption_after", system="shop", kind="order", after="", limit=9)
            assert len(rows) == 1
            assert len(await store.read("adoption_after", system="erp", kind="item", after="", limit=9)) == 1
