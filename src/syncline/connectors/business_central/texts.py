"""Texts, languages and attributes of items, which API v2.0 does not tell and our extension does.

Names in other languages are *item translations*, longer texts *extended texts*: those without a language describe the item, the
others translate that. Attributes are *item attributes*. One of them can name the addresses of images and another the assortments that
an item belongs to, for the product has a place for neither. The picture of an item card is content that only our own credential opens
(``picture``, contract sheet section 5), so no channel could fetch it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from msgspec import Struct

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import Client, Row, quoted
from syncline.connectors.business_central.manifest import EXTENSION, BusinessCentralSettings
from syncline.model.errors import Retryable

PAGES_MAX = 10_000  # of what some items have


class ItemTexts(Struct, frozen=True):
    """What is told of one item besides its card. ``None`` is not told by this company."""

    description: str | None = None
    translations: dict[str, dict[str, str]] = {}  # texts by field, by the company's code of a language
    attributes: dict[str, str] | None = None
    images: tuple[str, ...] | None = None
    assortments: tuple[str, ...] | None = None


NO_TEXTS = ItemTexts()


def pages_of(settings: BusinessCentralSettings) -> list[str]:
    """The entity sets of our extension that are read."""
    texts = ["itemTranslations", "itemTexts"] if settings.item_texts else []
    return texts + (["itemAttributes"] if settings.item_attributes else [])


class TextReader:
    """Reads what one company's items have besides their cards."""

    def __init__(self, settings: BusinessCentralSettings, client: Client) -> None:
        self._client = client
        self._texts = settings.item_texts
        self._attributes = settings.item_attributes
        self._images = settings.image_attribute
        self._assortments = settings.assortment_attribute

    async def of(self, numbers: Sequence[str]) -> dict[str, ItemTexts]:
        """What is told of some items that stand together in the order of their numbers.

        Raises:
            Throttled, Retryable, AuthExpired: nothing was learned; ask again.
        """
        if not numbers or not (self._texts or self._attributes):
            return {}
        between = f"itemNumber ge {quoted(numbers[0])} and itemNumber le {quoted(numbers[-1])}"
        names = await self._by_item("itemTranslations", between, "itemNumber,id") if self._texts else {}
        texts = (
            await self._by_item("itemTexts", between, "itemNumber,languageCode,textNumber,lineNumber")
            if self._texts
            else {}
        )
        values = await self._by_item("itemAttributes", between, "itemNumber,id") if self._attributes else {}
        return {
            number: self._one(names.get(number, ()), texts.get(number, ()), values.get(number, ()))
            for number in numbers
        }

    def _one(self, names: Sequence[Row], texts: Sequence[Row], values: Sequence[Row]) -> ItemTexts:
        spoken: dict[str, list[str]] = {}
        for row in texts:
            spoken.setdefault(rows.text(row, "languageCode"), []).append(rows.text(row, "text"))
        described = {language: "\n".join(lines).strip() for language, lines in spoken.items()}
        translations: dict[str, dict[str, str]] = {}
        for row in names:
            if not rows.text(row, "variantCode"):
                fields = translations.setdefault(rows.text(row, "languageCode"), {})
                fields["title"] = rows.text(row, "description").strip()
        for language, text in described.items():
            if language:
                translations.setdefault(language, {})["description"] = text
        told = {rows.text(row, "attributeName"): rows.text(row, "value").strip() for row in values}
        images, assortments = told.pop(self._images, ""), told.pop(self._assortments, "")
        return ItemTexts(
            described.get("") or None,  # what has no text here keeps the one that it has in the shop
            {language: fields for language, fields in sorted(translations.items()) if any(fields.values())},
            {name: text for name, text in sorted(told.items()) if name} if self._attributes else None,
            tuple(images.split()) if self._images else None,
            tuple(part for one in assortments.split(",") if (part := one.strip()))
            if self._assortments
            else None,
        )

    async def _by_item(self, entity: str, between: str, order: str) -> Mapping[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        async for row in self._all(entity, between, order):
            found.setdefault(rows.text(row, "itemNumber"), []).append(row)
        return found

    async def _all(self, entity: str, between: str, order: str) -> AsyncIterator[Row]:
        follow = self._client.url(entity, {"filter": between, "orderby": order}, EXTENSION)
        for _ in range(PAGES_MAX):
            found, follow = await self._client.page(follow)
            for row in found:
                yield row
            if not follow:
                return
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of {entity} for some items.")
