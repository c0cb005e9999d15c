"""Codes for the GUIDs that lines name: of locations and of item variants. Learned when one is new."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from syncline.connectors.business_central.client import Client, Row
from syncline.connectors.business_central.rows import NO_GUID, text
from syncline.model.errors import Rejected

VARIANTS_MAX = 100_000


class Places:
    """What GUIDs mean in one company. A code that is changed there is learned after a restart."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._codes: dict[str, str] = {}  # location id -> code
        self._ids: dict[str, str] = {}  # location code -> id
        self._variants: OrderedDict[str, str] = OrderedDict()  # variant id -> code

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
