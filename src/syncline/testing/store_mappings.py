"""The part of the Store suite that is about versions of the mapping."""

from __future__ import annotations

from syncline.testing.store_tools import T0, Opens, put


class MappingConformance(Opens):
    """Versions are added, never altered, and told from the newest."""

    async def test_a_version_of_the_mapping_is_added_once_and_never_altered(self) -> None:
        async with self.store() as store:
            row = {"now_ms": T0, "by": "Ada", "note": "n", "restores": 0, "text": "[erp.order]"}
            assert await store.read("mappings", limit=1) == []
            for number in (2, 10, 1):
                assert await put(store, "mapping_put", **row, number=number) == [(number,)]
            other = {"now_ms": T0 + 1, "by": "Otto", "note": "o", "restores": 1, "text": "x"}
            assert await put(store, "mapping_put", **other, number=2) == []
            assert await put(store, "mapping_put", **other, number=3) == [(3,)]
            assert await store.read("mapping_get", number=2) == [(2, T0, "Ada", "n", 0, "[erp.order]")]
            assert await store.read("mapping_get", number=3) == [(3, T0 + 1, "Otto", "o", 1, "x")]
            assert await store.read("mapping_get", number=4) == []
            assert [row[0] for row in await store.read("mappings", limit=3)] == [10, 3, 2]
            assert (await store.read("mappings", limit=2))[1] == (3, T0 + 1, "Otto", "o", 1, "x")
