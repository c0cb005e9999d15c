"""A check of one shop that says how to mend what is missing. Events are subscribed by a person, in Adobe's console."""

from __future__ import annotations

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.categories import PATH as CATEGORIES
from syncline.connectors.adobe_commerce.categories import Node
from syncline.connectors.adobe_commerce.client import Client, Search
from syncline.connectors.adobe_commerce.definitions import Definitions
from syncline.connectors.adobe_commerce.journal import Journal
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.messages import Messages
from syncline.connectors.adobe_commerce.wire import Found
from syncline.model.errors import SynclineError
from syncline.ports import Clock

SOURCES_SHOWN = 8


class Setup:
    """``check`` of one shop."""

    def __init__(
        self,
        settings: AdobeCommerceSettings,
        client: Client,
        clock: Clock,
        messages: Messages | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._messages = messages
        self._journal = journal

    async def check(self) -> list[tuple[str, bool, str]]:
        """What works and what does not: (what, ok, how to mend)."""
        try:
            stores = await self._client.get(
                "store/storeConfigs", (), tuple[wire.StoreConfig, ...], urgent=True
            )
        except SynclineError as error:
            return [("credential", False, str(error))]
        currencies = sorted({store.base_currency_code for store in stores})
        found = [
            (f"credential: {len(stores)} store views ({', '.join(currencies)})", True, ""),
            (
                "one base currency",
                len(currencies) == 1,
                "the shop's websites have several base currencies; orders are taken over, prices of products are not",
            ),
        ]
        for what, path, kind in (
            ("orders", "orders", Found[wire.OrderStamp]),
            ("shipments", "shipments", Found[wire.Shipment]),
            ("source items", "inventory/source-items", Found[wire.SourceItem]),
            ("products", "products", Found[wire.Product]),
        ):
            found.append(await self._may_read(what, path, kind))
        found.append(await self._check_sources())
        found += await self._check_catalog()
        if self._messages is not None:
            found.append(await self._messages.check())
        if self._journal is not None:
            found.append(await self._journal.check())
        elif not self._settings.event_client_id:
            found.append(("events: none configured, so orders are polled", True, ""))
        else:
            mend = (
                "no event can be believed yet: set event_public_keys to the keys that the headers of a delivery "
                "name, as Adobe's console shows it"
            )
            found.append(("event keys", bool(self._settings.event_public_keys), mend))
        return [(what, ok, "" if ok else mend) for what, ok, mend in found]

    async def _check_catalog(self) -> list[tuple[str, bool, str]]:
        """What the settings name of the shop's catalog."""
        found: list[tuple[str, bool, str]] = []
        held = self._settings
        if held.attributes:
            try:
                known = await Definitions(held, self._client, self._clock).all()
            except SynclineError as error:
                found.append(("attributes", False, str(error)))
            else:
                missing = sorted(set(held.attributes.values()) - set(known))
                mend = f"the shop has no attribute {', '.join(missing)}: make it there, or name another code"
                found.append(("attributes", not missing, mend))
        if held.category_root:
            query = (("rootCategoryId", str(held.category_root)),)
            try:
                node = await self._client.get(CATEGORIES, query, Node)
            except SynclineError as error:
                found.append((f"category {held.category_root}", False, str(error)))
            else:
                found.append((f"categories below {node.name or node.id}", True, ""))
        return found

    async def _may_read(self, what: str, path: str, kind: type) -> tuple[str, bool, str]:
        try:
            await self._client.get(path, Search(size=1).pairs(), kind, urgent=True)
        except SynclineError as error:
            return (what, False, str(error))
        return (what, True, "")

    async def _check_sources(self) -> tuple[str, bool, str]:
        try:
            found = await self._client.get(
                "inventory/sources", Search(size=100).pairs(), Found[wire.Source], urgent=True
            )
        except SynclineError as error:
            return ("sources", False, str(error))
        codes = [source.source_code for source in found.items if source.enabled]
        more = "" if len(codes) <= SOURCES_SHOWN else f" and {len(codes) - SOURCES_SHOWN} more"
        return (
            f"sources: {', '.join(codes[:SOURCES_SHOWN])}{more}",
            bool(codes),
            "no source is enabled: in the shop's admin enable one under Stores, Sources",
        )
