"""Reading products again, for comparison: what is shown of each, its texts in store views, and shared catalogs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncline.connectors.adobe_commerce.categories import Categories
from syncline.connectors.adobe_commerce.client import Client, Missing
from syncline.connectors.adobe_commerce.definitions import CHOSEN, SHOWN, Definition, Definitions
from syncline.connectors.adobe_commerce.gallery import Gallery
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.shelves import ENABLED, Seen, by_sku, variants_of
from syncline.model.errors import Rejected, Retryable
from syncline.model.products import Goods, Listing, ProductStatus, Variant, Wording
from syncline.model.readings import Told
from syncline.model.records import Item
from syncline.ports import Clock, Part, Transport
from syncline.sdk.oauth1 import escape

LOCALE, ASSORTMENT = "locale:", "assortment:"  # the groups besides the goods, as contents are called


class ShelfReader:
    """Reads products of one shop as contents."""

    def __init__(
        self,
        settings: AdobeCommerceSettings,
        client: Client,
        clock: Clock,
        outside: Transport | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._definitions = Definitions(settings, client, clock)
        self._categories = Categories(settings, client, clock)
        self._gallery = Gallery(settings, client, outside)

    async def read(self, groups: Sequence[str], items: Sequence[Item]) -> Part[Told]:
        """What is shown of some products; ``cost`` is how long calls were open, in seconds."""
        began_ms, began_s = self._clock.now_ms(), self._clock.monotonic()
        ids = {item.sku: item.external_id for item in items}
        rows: list[Told] = []
        try:
            for group in groups:
                if group.startswith(ASSORTMENT):
                    rows += await self._listed(group, ids)
                elif group.startswith(LOCALE):
                    rows += await self._worded(group, ids)
                else:
                    rows += await self._goods(group, ids)
        except Rejected as error:  # what refuses a reading can be mended while we wait
            raise Retryable(str(error)) from error
        return Part(tuple(rows), began_ms, "", self._clock.monotonic() - began_s)

    async def _worded(self, group: str, ids: Mapping[str, str]) -> list[Told]:
        seen = await by_sku(self._client, list(ids), store=group.removeprefix(LOCALE))
        return [
            Told(group, ids[sku], Wording({"title": row.name, "description": _description(row)}))
            for sku, row in seen.items()
            if sku in ids
        ]

    async def _listed(self, group: str, ids: Mapping[str, str]) -> list[Told]:
        """A product is shown if all of its variants are: one that was added later is put in as well then."""
        path = f"sharedCatalog/{escape(group.removeprefix(ASSORTMENT))}/products"
        try:
            listed = set(await self._client.get(path, (), list[str]))
        except Missing as error:
            raise Retryable(str(error)) from error
        variants = await variants_of(
            self._client, await by_sku(self._client, [sku for sku in ids if sku in listed])
        )
        return [
            Told(
                group,
                number,
                Listing(sku in listed and all(one.sku in listed for one in variants.get(sku, ()))),
            )
            for sku, number in ids.items()
        ]

    async def _goods(self, group: str, ids: Mapping[str, str]) -> list[Told]:
        seen = await by_sku(self._client, list(ids))
        variants = await variants_of(self._client, seen)
        known = await self._definitions.all()
        if any(_strange(known, row) for rows in (seen.values(), *variants.values()) for row in rows):
            known = await self._definitions.anew()  # a value that was added since
        return [
            Told(group, ids[sku], await self._content(sku, row, variants.get(sku), known))
            for sku, row in seen.items()
            if sku in ids
        ]

    async def _content(
        self, sku: str, row: Seen, variants: Sequence[Seen] | None, known: Mapping[str, Definition]
    ) -> Goods:
        names = self._definitions.names()
        attributes = {
            names.get(code, code): _text(definition, row)
            for code, definition in known.items()
            if definition.frontend_input in SHOWN
        }
        # The shop has one word for what is not sold.
        status = ProductStatus.ACTIVE if row.status == ENABLED else ProductStatus.ARCHIVED
        numbered = {one.attribute_id: one for one in known.values()}
        options = [numbered[number] for number in row.choices if number in numbered]
        held = [Variant(one.sku, tuple(_text(option, one) for option in options)) for one in variants or ()]
        return Goods(
            (Variant(sku),) if variants is None else tuple(held),
            tuple(option.attribute_code for option in options),
            status,
            row.name,
            _description(row),
            await self._categories.told(row),
            attributes,
            self._gallery.told(row),
        )


def _strange(known: Mapping[str, Definition], row: Seen) -> bool:
    """Whether a product has a value that nobody has heard of."""
    return any(
        isinstance(one.value, str) and one.value != "" and not definition.label_of(one.value)
        for one in row.custom_attributes
        if (definition := known.get(one.attribute_code)) is not None and definition.frontend_input in CHOSEN
    )


def _text(definition: Definition, row: Seen) -> str:
    """What people read of an attribute."""
    value = row.attribute(definition.attribute_code)
    return definition.label_of(value) if definition.frontend_input in CHOSEN and value != "" else str(value)


def _description(row: Seen) -> str:
    return str(row.attribute("description"))
