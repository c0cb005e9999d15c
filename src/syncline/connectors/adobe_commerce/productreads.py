"""Reading products again, for comparison: what is shown of each, its texts in store views, and shared catalogs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client, Missing, Search
from syncline.connectors.adobe_commerce.products import ENABLED, PRODUCTS, READ_MAX
from syncline.connectors.adobe_commerce.stock import parts
from syncline.model.errors import Rejected, Retryable
from syncline.model.products import Goods, Listing, ProductStatus, Variant, Wording
from syncline.model.readings import Told
from syncline.model.records import Item
from syncline.ports import Clock, Part
from syncline.sdk.oauth1 import escape

GOODS, LOCALE, ASSORTMENT = "goods", "locale:", "assortment:"  # the groups, as contents are called


class _Attribute(Struct, frozen=True):
    attribute_code: str
    value: Any = None


class _Shown(Struct, frozen=True):
    sku: str
    name: str = ""
    status: int = ENABLED
    custom_attributes: tuple[_Attribute, ...] = ()

    @property
    def description(self) -> str:
        """The text of that attribute; "" without one."""
        return next(
            (str(one.value or "") for one in self.custom_attributes if one.attribute_code == "description"),
            "",
        )


class ShelfReader:
    """Reads products of one shop as contents."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read(self, groups: Sequence[str], items: Sequence[Item]) -> Part[Told]:
        """What is shown of some products; ``cost`` is how long calls were open, in seconds."""
        began_ms, began_s = self._clock.now_ms(), self._clock.monotonic()
        ids = {item.sku: item.external_id for item in items}
        rows: list[Told] = []
        try:
            for group in groups:
                if group.startswith(ASSORTMENT):
                    rows += await self._listed(group, ids)
                else:
                    rows += await self._texts(group, ids)
        except Rejected as error:  # what refuses a reading can be mended while we wait
            raise Retryable(str(error)) from error
        return Part(tuple(rows), began_ms, "", self._clock.monotonic() - began_s)

    async def _texts(self, group: str, ids: dict[str, str]) -> list[Told]:
        store = group.removeprefix(LOCALE) if group.startswith(LOCALE) else ""
        rows: list[Told] = []
        for some in parts(list(ids), READ_MAX):
            search = Search(size=len(some), fields="sku,name,status,custom_attributes")
            listed = ",".join(sku for sku in some if "," not in sku)
            alone = [("sku", "eq", sku) for sku in some if "," in sku]
            search.where(*([("sku", "in", listed)] if listed else []), *alone)
            found = await self._client.get(PRODUCTS, search.pairs(), wire.Found[_Shown], store=store)
            rows += [Told(group, ids[row.sku], _content(group, row)) for row in found.items if row.sku in ids]
        return rows

    async def _listed(self, group: str, ids: dict[str, str]) -> list[Told]:
        path = f"sharedCatalog/{escape(group.removeprefix(ASSORTMENT))}/products"
        try:
            listed = set(await self._client.get(path, (), list[str]))
        except Missing as error:
            raise Retryable(str(error)) from error
        return [Told(group, number, Listing(sku in listed)) for sku, number in ids.items()]


def _content(group: str, row: _Shown) -> Goods | Wording:
    if group.startswith(LOCALE):
        return Wording({"title": row.name, "description": row.description})
    # The shop has one word for what is not sold.
    status = ProductStatus.ACTIVE if row.status == ENABLED else ProductStatus.ARCHIVED
    return Goods((Variant(row.sku),), (), status, row.name, row.description)
