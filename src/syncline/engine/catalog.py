"""Which id a SKU has in each system. Read at every derivation, so it is kept in memory."""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern

from syncline.engine.codec import decode
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.records import Item
from syncline.ports import Store

PAGE = 5_000
CATEGORY_SKUS_MIN = 20  # fewer cannot tell how all of them sell; so the number of profiles is bounded as well


class Catalog:
    """SKU to item, by system, as the store holds it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._items: dict[str, dict[str, Item]] = {}
        self._sizes: dict[str, dict[str, int]] = {}
        self._vanished: dict[str, set[str]] = {}
        self._by_stock_id: dict[str, dict[str, str]] = {}  # of systems that were asked for one

    async def load(self, systems: Iterable[str]) -> None:
        """Read every system's items; called once before anything is derived."""
        for system in systems:
            self._items[system], self._sizes[system] = {}, {}
            self._by_stock_id.pop(system, None)
            after = ""
            while True:
                rows = await self._store.read(
                    "records_after",
                    system=system,
                    kind=Kind.ITEM.value,
                    after=after,
                    limit=PAGE,
                )
                for _, _, _, _, body, _, _ in rows:
                    self.put(system, decode(Kind.ITEM, body))
                if len(rows) < PAGE:
                    break
                after = rows[-1][0]
            await self.look_for_vanished(system)

    async def look_for_vanished(self, system: str) -> None:
        """Read which items a system's last full read lacked. They stay what they were until it says otherwise."""
        found: set[str] = set()
        after = ""
        while rows := await self._store.read(
            "vanished", system=system, kind=Kind.ITEM.value, after=after, limit=PAGE
        ):
            after = rows[-1][0]
            found.update(row[0] for row in rows)
        self._vanished[system] = found

    def put(self, system: str, item: Item) -> None:
        """Remember an item that was just stored."""
        items, sizes = self._items.setdefault(system, {}), self._sizes.setdefault(system, {})
        before = items.get(item.sku)
        if before is not None and before.category:
            sizes[before.category] -= 1
        if item.category:
            item = replace(item, category=intern(item.category))  # one text for all goods of a category
            sizes[item.category] = sizes.get(item.category, 0) + 1
        items[item.sku] = item
        if system in self._by_stock_id:
            self._by_stock_id[system][item.stock_id] = item.sku
        self._vanished.get(system, set()).discard(item.sku)

    def listed(self, system: str, sku: str) -> bool:
        """Whether a system has a SKU, and its last full read did as well."""
        return self.get(system, sku) is not None and sku not in self._vanished.get(system, ())

    def get(self, system: str, sku: str) -> Item | None:
        """The item of a SKU in a system; ``None`` if it does not exist there."""
        return self._items.get(system, {}).get(sku)

    def sku_of(self, system: str, stock_id: str) -> str:
        """The SKU that a system keeps stock of under an id; "" if there is none."""
        found = self._by_stock_id.get(system)
        if found is None:
            items = self._items.get(system, {})
            found = self._by_stock_id[system] = {item.stock_id: sku for sku, item in items.items()}
        return found.get(stock_id, "")

    def skus(self, system: str) -> list[str]:
        """The SKUs of a system, as they are now."""
        return list(self._items.get(system, ()))

    def category(self, sku: str) -> str:
        """The category of a SKU in the first system that has one of some size for it; "" without."""
        for system, items in self._items.items():
            item = items.get(sku)
            if item is not None and item.category and self._sizes[system][item.category] >= CATEGORY_SKUS_MIN:
                return item.category
        return ""

    def count(self, system: str) -> int:
        """How many SKUs a system has."""
        return len(self._items.get(system, {}))
