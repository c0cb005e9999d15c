"""Writing products: what is there is read, and saved with what we own of it; nothing is taken away.

Saving a product sets the fields that are sent and leaves the others. Simple products only: what has variants would be a
configurable product with attributes of the shop's own, and is refused. A product without a price is disabled until it has one.

So many products or more of one call go through the shop's queue. The queue forgets nothing and knows no keys, so a call whose
answer was lost is made again with the same content; only when that was worked off, which is after the first, does anything newer follow.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client, Missing, Search
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.stock import (
    COMPLETE,
    LIMIT,
    OPEN,
    PATH,
    RETRIABLE,
    Stock,
    outcome_of,
    parts,
)
from syncline.model.change import Event, Via
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, SynclineError
from syncline.model.payloads import SetListing, SetProduct, SetWording
from syncline.model.products import Goods, ProductStatus
from syncline.ports import Clock
from syncline.sdk.oauth1 import escape
from syncline.sdk.patience import Patience

PRODUCTS = "products"
READ_MAX = 50  # products in one search
ASSIGN_MAX = 100  # in one call, unless the shop says that it takes fewer
UNPRICED_FIRST_S = (
    4.0  # until it is looked again whether a new product has its price; twice as long each time
)
UNPRICED_S = 120.0  # at most
UNKNOWN_S = 60.0  # until it is looked again whether a product is there
POLL_S = (2.0, 30.0)  # between two looks at a queued batch: first, and at most
WAIT_S_MAX = 1_800.0  # of one call; after that its outcome counts as unknown, and it is asked after again
KEPT_MAX = 1_000  # batches that are remembered by the key of their call
ENABLED, DISABLED = 1, 2
VISIBLE = 4  # in catalog and search
ATTRIBUTE_SET = 4  # the one that every shop begins with
NOT_THERE = Outcome(Result.WAIT, "the shop does not have the product yet", retry_after_s=UNKNOWN_S)
_CODE = re.compile(r"[^a-z0-9_]+")


class _Seen(wire.Product, frozen=True):
    status: int = ENABLED


class ProductWriter:
    """Writes one shop's products, their texts in store views, and its shared catalogs."""

    def __init__(
        self, system: str, settings: AdobeCommerceSettings, client: Client, clock: Clock, stock: Stock
    ) -> None:
        self._system = system
        self._client = client
        self._clock = clock
        self._stock = stock
        self._bulk_from = settings.bulk_from
        self._unpriced = Patience(UNPRICED_FIRST_S, UNPRICED_S)
        self._currency: str | None = None
        self._assign_max = ASSIGN_MAX
        self._queued: OrderedDict[tuple[str, str], wire.Accepted] = OrderedDict()  # by key and way

    async def set(self, items: Sequence[Item], key: str) -> list[Outcome]:
        """Make products what they should be."""
        outcomes: list[Outcome | None] = [_unfit(item.payload) for item in items]
        asked = [at for at, outcome in enumerate(outcomes) if outcome is None]
        seen: dict[str, _Seen] = {}
        for some in parts([items[at].payload.key for at in asked], READ_MAX):
            seen |= await self._read(some)
        then: dict[int, Outcome] = {}
        for at in asked:
            payload: SetProduct = items[at].payload
            found = seen.get(payload.key)
            if found is None and payload.content.status not in (ProductStatus.ACTIVE, None):
                outcomes[at] = Outcome(Result.DONE)  # what is not there need not be archived
            else:
                then[at] = await self._then(payload, found)
        bodies = {at: _body(items[at].payload, seen.get(items[at].payload.key), then[at]) for at in then}
        for way, members in (
            ("POST", [at for at in then if items[at].payload.key not in seen]),
            ("PUT", [at for at in then if items[at].payload.key in seen]),
        ):
            if len(members) >= self._bulk_from:
                done = await self._in_bulk(way, key, [bodies[at] for at in members])
            else:
                done = [await self._save(way, bodies[at]) for at in members]
            for at, outcome in zip(members, done, strict=True):
                outcomes[at] = then[at] if outcome.result is Result.DONE else outcome
        return [outcome or Outcome(Result.RETRY, "nothing was done") for outcome in outcomes]

    async def _read(self, skus: Sequence[str]) -> dict[str, _Seen]:
        search = Search(size=len(skus), fields="id,sku,name,price,type_id,updated_at,status")
        listed = ",".join(sku for sku in skus if "," not in sku)
        alone = [("sku", "eq", sku) for sku in skus if "," in sku]
        search.where(*([("sku", "in", listed)] if listed else []), *alone)
        answer = await self._client.get(PRODUCTS, search.pairs(), wire.Found[_Seen])
        return {row.sku: row for row in answer.items}

    async def _then(self, payload: SetProduct, seen: _Seen | None) -> Outcome:
        """What follows if it is saved."""
        if seen is None:
            return Outcome(Result.WAIT, "disabled until it has a price in the shop", retry_after_s=0.0)
        facts: dict[str, Any] = {"external_id": str(seen.id)}
        if payload.ids.get(payload.key, ("",))[0] != str(seen.id):
            await self._place(payload)
            facts["event"] = await self._event(seen)
        if payload.content.status is ProductStatus.ACTIVE and not seen.price:
            why = "disabled until it has a price in the shop"
            pause_s = self._unpriced.pause_s(payload.key)
            return Outcome(Result.WAIT, why, retry_after_s=pause_s, facts=facts)
        self._unpriced.over(payload.key)
        return Outcome(Result.DONE, facts=facts)

    async def _place(self, payload: SetProduct) -> None:
        """Assign a product to the sources where its stock is written, with nothing, unless it is there already."""
        if not payload.places:
            return
        there = {row.source_code for row in await self._stock.rows([payload.key], payload.places)}
        rows = [
            {"sku": payload.key, "source_code": place, "quantity": 0, "status": 0}
            for place in payload.places
            if place not in there
        ]
        if rows:
            await self._client.post(PATH, {"sourceItems": rows}, Any)

    async def _event(self, seen: _Seen) -> Event:
        """The product as the stream of items would tell it."""
        if self._currency is None:
            stores = await self._client.get("store/storeConfigs", (), tuple[wire.StoreConfig, ...])
            currencies = {store.base_currency_code for store in stores}
            self._currency = currencies.pop() if len(currencies) == 1 else ""
        priced = msgspec.structs.replace(seen, currency=self._currency if seen.price is not None else "")
        body = msgspec.json.encode(priced)
        event_id = f"item:{hashlib.sha256(body).hexdigest()}"
        return Event(self._system, "item", event_id, Via.READ, self._clock.now_ms(), body)

    # --- saving -----------------------------------------------------------------------------------

    async def _save(self, way: str, body: dict[str, Any]) -> Outcome:
        try:
            if way == "POST":
                await self._client.post(PRODUCTS, {"product": body}, Any)
            else:
                await self._client.put(f"{PRODUCTS}/{escape(body['sku'])}", {"product": body}, Any)
        except AuthExpired:
            raise
        except SynclineError as error:
            return outcome_of(error)
        return Outcome(Result.DONE)

    async def _in_bulk(self, way: str, key: str, bodies: Sequence[dict[str, Any]]) -> list[Outcome]:
        """Queue products, and wait until the shop has worked them off."""
        accepted = self._queued.get((key, way))
        if accepted is None:
            try:
                if way == "POST":
                    entries = [{"product": body} for body in bodies]
                    accepted = await self._client.post(PRODUCTS, entries, wire.Accepted, asynchronous=True)
                else:
                    named = [{"sku": body["sku"], "product": body} for body in bodies]
                    accepted = await self._client.put(
                        f"{PRODUCTS}/bySku", named, wire.Accepted, asynchronous=True
                    )
            except AuthExpired:
                raise
            except Rejected as error:  # what could be queued is queued all the same, and nobody says what
                return [Outcome(Result.UNKNOWN, str(error))] * len(bodies)
            except SynclineError as error:
                return [outcome_of(error)] * len(bodies)
            self._queued[key, way] = accepted
            while len(self._queued) > KEPT_MAX:
                self._queued.popitem(last=False)
        taken = [one for one in accepted.request_items if one.status == "accepted"]
        rows = await self._worked_off(accepted.bulk_uuid)
        if rows is None:
            words = f"bulk {accepted.bulk_uuid} is not worked off yet: does a consumer of the queue run?"
            return [Outcome(Result.UNKNOWN, words)] * len(bodies)
        del self._queued[key, way]
        ranked = sorted(rows, key=lambda row: row.id)
        told = dict(zip((one.id for one in taken), ranked, strict=False))
        return [_ended(accepted, place, told.get(place)) for place in range(len(bodies))]

    async def _worked_off(self, uuid: str) -> list[wire.Operation] | None:
        """The operations of a batch once none is open; ``None`` if that takes too long."""
        pause_s, until = POLL_S[0], self._clock.monotonic() + WAIT_S_MAX
        while self._clock.monotonic() < until:
            await self._clock.sleep(pause_s)
            pause_s = min(POLL_S[1], pause_s * 1.5)
            try:
                status = await self._client.get(f"bulk/{uuid}/status", (), wire.BulkStatus)
            except AuthExpired:
                raise
            except SynclineError:
                continue  # the batch goes on whether or not we can ask
            if all(row.status != OPEN for row in status.operations_list):
                return list(status.operations_list)
        return None

    # --- texts and assortments --------------------------------------------------------------------

    async def translate(self, items: Sequence[Item]) -> list[Outcome]:
        """Texts in a store view: what is saved there stands in place of the texts of all store views."""
        outcomes = []
        for item in items:
            payload: SetWording = item.payload
            texts = {name: text for name, text in payload.content.texts.items() if text.strip()}
            body: dict[str, Any] = {"sku": payload.key}
            if "title" in texts:
                body["name"] = texts["title"]
            if "description" in texts:
                body["custom_attributes"] = [_attribute("description", texts["description"])]
            try:
                if len(body) > 1:
                    path = f"{PRODUCTS}/{escape(payload.key)}"
                    await self._client.get(path, (("fields", "sku"),), Any)
                    await self._client.put(path, {"product": body}, Any, store=payload.locale)
                outcomes.append(Outcome(Result.DONE))
            except AuthExpired:
                raise
            except Missing:
                outcomes.append(NOT_THERE)
            except SynclineError as error:
                outcomes.append(outcome_of(error))
        return outcomes

    async def publish(self, items: Sequence[Item]) -> list[Outcome]:
        """Products into shared catalogs, or out of them."""
        outcomes: list[Outcome | None] = [None if item.payload.product_id else NOT_THERE for item in items]
        groups: dict[tuple[str, bool], list[int]] = {}
        for at, item in enumerate(items):
            payload: SetListing = item.payload
            if outcomes[at] is None:
                groups.setdefault((payload.assortment, payload.content.shown), []).append(at)
        for (name, shown), members in groups.items():
            path = f"sharedCatalog/{escape(name)}/{'assignProducts' if shown else 'unassignProducts'}"
            done = await self._assign(path, [items[at].payload.key for at in members])
            for at, outcome in zip(members, done, strict=True):
                outcomes[at] = outcome
        return [outcome or Outcome(Result.DONE) for outcome in outcomes]

    async def _assign(self, path: str, skus: Sequence[str]) -> list[Outcome]:
        """All of some products, or where one of them spoils it, or they are too many, each half by itself."""
        if len(skus) > self._assign_max:
            middle = self._assign_max
        else:
            try:
                if not await self._client.post(path, {"products": [{"sku": sku} for sku in skus]}, bool):
                    raise OutcomeUnknown("the shop did not say that the products were assigned")
            except AuthExpired:
                raise
            except SynclineError as error:
                if not isinstance(error, Rejected) or len(skus) == 1:
                    return [outcome_of(error)] * len(skus)
                limit = LIMIT.search(str(error))
                self._assign_max = max(1, int(limit[1])) if limit else self._assign_max
                middle = min(self._assign_max, len(skus) // 2)
            else:
                return [Outcome(Result.DONE)] * len(skus)
        return [*await self._assign(path, skus[:middle]), *await self._assign(path, skus[middle:])]


# --- what is sent ------------------------------------------------------------------------------------------


def _body(payload: SetProduct, seen: _Seen | None, then: Outcome) -> dict[str, Any]:
    """Fields that we own; a new product has what the shop needs besides."""
    content = payload.content
    body: dict[str, Any] = {"sku": payload.key}
    if content.title is not None:
        body["name"] = content.title
    if content.status is not None or seen is None:
        sold = content.status is ProductStatus.ACTIVE and then.result is Result.DONE
        body["status"] = ENABLED if sold else DISABLED
    attributes = _attributes(content)
    if attributes:
        body["custom_attributes"] = attributes
    if seen is None:
        new = {"attribute_set_id": ATTRIBUTE_SET, "type_id": "simple", "visibility": VISIBLE, "price": 0}
        body |= {"name": content.title or payload.key, **new}
    return body


def _attributes(content: Goods) -> list[dict[str, str]]:
    """The description, and attributes by code. An unknown code is ignored by the shop."""
    found = [] if content.description is None else [_attribute("description", content.description)]
    found += [
        _attribute(_CODE.sub("_", name.lower())[:60], text)
        for name, text in (content.attributes or {}).items()
    ]
    return found


def _attribute(code: str, value: str) -> dict[str, str]:
    return {"attribute_code": code, "value": value}


def _ended(accepted: wire.Accepted, place: int, row: wire.Operation | None) -> Outcome:
    """What became of one entry of a batch."""
    entry = next((one for one in accepted.request_items if one.id == place), None)
    if entry is not None and entry.status != "accepted":
        return Outcome(Result.REJECTED, f"Adobe Commerce: {entry.error_message or entry.status}")
    words = f"bulk {accepted.bulk_uuid}: {row.result_message or 'no reason given' if row else 'it says nothing of it'}"
    if row is None or row.status == RETRIABLE:
        return Outcome(Result.RETRY, words, 0.0)
    if row.status == COMPLETE:
        return Outcome(Result.DONE, words)
    return Outcome(Result.REJECTED, f"Adobe Commerce: {words}")


def _unfit(payload: Any) -> Outcome | None:
    """Refuse what cannot be one simple product."""
    assert isinstance(payload, SetProduct)
    if payload.content.options or [one.sku for one in payload.content.variants] != [payload.key]:
        return Outcome(
            Result.REJECTED,
            f"{payload.key}: it has variants; make it a configurable product in the shop, or leave it out of the catalog",
        )
    return None
