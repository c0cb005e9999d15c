"""Which id a SKU has in each system. Read at every derivation, so it is kept in memory."""

from __future__ import annotations

from collections.abc import Iterable

from syncline.engine.codec import decode
from syncline.model.change import Kind
from syncline.model.records import Item
from syncline.ports import Store

PAGE = 5_000


class Catalog:
    """SKU to item, by system, as the store holds it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._items: dict[str, dict[str, Item]] = {}

    async def load(self, systems: Iterable[str]) -> None:
        """Read every system's items; called once before anything is derived."""
        for system in systems:
            items: dict[str, Item] = {}
            after = ""
            while True:
                rows = await self._store.read(
                    "records_after",
                    system=system,
                    kind=Kind.ITEM.value,
                    after=after,
                    limit=PAGE,
                )
                for key, _, _, _, body, _, _ in rows:
                    items[key] = decode(Kind.ITEM, body)
                if len(rows) < PAGE:
                    break
                after = rows[-1][0]
            self._items[system] = items

    def put(self, system: str, item: Item) -> None:
        """Remember an item that was just stored."""
        self._items.setdefault(system, {})[item.sku] = item

    def get(self, system: str, sku: str) -> Item | None:
        """The item of a SKU in a system; ``None`` if it does not exist there."""
        return self._items.get(system, {}).get(sku)

    def count(self, system: str) -> int:
        """How many SKUs a system has."""
        return len(self._items.get(system, {}))
