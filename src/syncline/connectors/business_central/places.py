"""Codes for the GUIDs that lines name: of locations, of item variants, and of items' base units. Learned when one is new."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from syncline.connectors.business_central.client import Client, Row
from syncline.connectors.business_central.rows import NO_GUID, text
from syncline.model.errors import Rejected

VARIANTS_MAX = 100_000
UNITS_MAX = 100_000
IDS_PER_CALL = 40  # a filter that names them stays within 2,000 characters


class Places:
    """What GUIDs mean in one company. A code that is changed there is learned after a restart."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._codes: dict[str, str] = {}  # location id -> code
        self._ids: dict[str, str] = {}  # location code -> id
        self._variants: OrderedDict[str, str] = OrderedDict()  # variant id -> code
        self._units: OrderedDict[str, str] = OrderedDict()  # item id -> its base unit

    async def known(
        self, lines: Sequence[Row], *, urgent: bool = False
    ) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Codes of locations and variants by id, at least of those that these lines name."""
        for line in lines:
            place, variant = text(line, "locationId"), text(line, "itemVariantId")
            if place not in ("", NO_GUID) and place not in self._codes:
                await self._read(urgent=urgent)
            if variant not in ("", NO_GUID) and variant not in self._variants:
                await self._read_variants(text(line, "itemId"), urgent=urgent)
        return self._codes, self._variants

    async def id_of(self, code: str) -> str:
        """The id of a location.

        Raises:
            Rejected: there is none of this code.
        """
        if code not in self._ids:
            await self._read(urgent=True)
        if code not in self._ids:
            raise Rejected(f"Business Central has no location {code!r}: correct the route's locations.")
        return self._ids[code]

    async def units(self, items: Iterable[str], *, urgent: bool = False) -> Mapping[str, str]:
        """The base units of items by id, at least of these as far as they exist: stock is counted in them.

        A line that names no unit gets the item's sales unit, which may be a box of them. Source: *Sales Line*,
        ``CopyFromItem``. An item's base unit cannot be changed any more once it has entries.
        """
        unknown = [
            item for item in dict.fromkeys(items) if item not in ("", NO_GUID) and item not in self._units
        ]
        for start in range(0, len(unknown), IDS_PER_CALL):
            some = " or ".join(f"id eq {item}" for item in unknown[start : start + IDS_PER_CALL])
            options = {"filter": some, "select": "id,baseUnitOfMeasureCode"}
            self.learn(await self._client.rows("items", options, urgent=urgent))
        return self._units

    def learn(self, items: Iterable[Row]) -> None:
        """Keep the base units of items that were read."""
        for row in items:
            self._units[text(row, "id")] = text(row, "baseUnitOfMeasureCode")
        while len(self._units) > UNITS_MAX:
            self._units.popitem(last=False)

    async def _read(self, *, urgent: bool) -> None:
        for row in await self._client.rows("locations", {"select": "id,code"}, urgent=urgent):
            self._codes[text(row, "id")] = text(row, "code")
            self._ids[text(row, "code")] = text(row, "id")

    async def _read_variants(self, item: str, *, urgent: bool) -> None:
        options = {"filter": f"itemId eq {item}", "select": "id,code"}
        for row in await self._client.rows("itemVariants", options, urgent=urgent):
            self._variants[text(row, "id")] = text(row, "code")
        while len(self._variants) > VARIANTS_MAX:
            self._variants.popitem(last=False)
