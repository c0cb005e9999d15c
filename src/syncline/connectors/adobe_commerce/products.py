"""Writing products: what is there is read, what differs is saved, and nothing is taken away.

Saving a product sets the fields that are sent and leaves the others. What is read to be as it should be is not saved again. A
product without a price is disabled until it has one. What has variants is made in steps, each of which begins with what is
there: its variants, then the product that holds them together.

So many SKUs or more of one call go through the shop's queue, and then all that they should be is sent, whatever is there: what
was queued under the same key before may still be under way, and the same content has to follow it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from syncline.connectors.adobe_commerce import families, wire
from syncline.connectors.adobe_commerce.categories import Categories
from syncline.connectors.adobe_commerce.client import Client, Missing
from syncline.connectors.adobe_commerce.definitions import Definitions
from syncline.connectors.adobe_commerce.gallery import Gallery
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.productqueue import Body, ProductQueue
from syncline.connectors.adobe_commerce.shelves import (
    CONFIGURABLE,
    DISABLED,
    ENABLED,
    PRODUCTS,
    Seen,
    by_sku,
    variants_of,
)
from syncline.connectors.adobe_commerce.stock import LIMIT, PATH, Stock, outcome_of
from syncline.freshness.patience import Patience
from syncline.model.change import Event, Via
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, SynclineError
from syncline.model.payloads import SetListing, SetProduct, SetWording
from syncline.model.products import Goods, ProductStatus
from syncline.ports import Clock, Transport
from syncline.sdk.oauth1 import escape

ASSIGN_MAX = 100  # in one call, unless the shop says that it takes fewer
UNPRICED_FIRST_S = (
    4.0  # until it is looked again whether a new product has its price; twice as long each time
)
UNPRICED_S = 120.0  # at most
UNKNOWN_S = 60.0  # until it is looked again whether a product is there
SKUS_MAX = 1_000  # of one call, with all variants; what has more waits for the next
ALONE, TOGETHER = 1, 4  # visibility: not by itself; in catalog and search
NOT_THERE = Outcome(Result.WAIT, "the shop does not have the product yet", retry_after_s=UNKNOWN_S)
NEXT = Outcome(Result.WAIT, f"one call writes {SKUS_MAX} SKUs", retry_after_s=0.0)
UNPRICED = "disabled until it has a price in the shop"
FURTHER = "what is there is looked at"
_NUMBERS = re.compile(r"\d+(,\d+)+")

Post = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class _Plan:
    """What is saved of one product, what is added once that is saved, and what follows if all of it is taken."""

    then: Outcome
    new: list[Body] = field(default_factory=list)
    changed: list[Body] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)


class ProductWriter:
    """Writes one shop's products, their texts in store views, and its shared catalogs."""

    def __init__(
        self,
        system: str,
        settings: AdobeCommerceSettings,
        client: Client,
        clock: Clock,
        stock: Stock,
        outside: Transport | None = None,
    ) -> None:
        self._system = system
        self._client = client
        self._clock = clock
        self._stock = stock
        self._bulk_from = settings.bulk_from
        self._attribute_set = settings.attribute_set_id
        self._definitions = Definitions(settings, client, clock)
        self._categories = Categories(settings, client, clock)
        self._gallery = Gallery(settings, client, outside)
        self._queue = ProductQueue(client, clock)
        self._unpriced = Patience(UNPRICED_FIRST_S, UNPRICED_S)
        self._currency: str | None = None
        self._assign_max = ASSIGN_MAX
        self._rows_max = settings.stock_items_max

    async def set(self, items: Sequence[Item], key: str) -> list[Outcome]:
        """Make products what they should be."""
        outcomes: list[Outcome | None] = [_refused(item.payload) for item in items]
        asked: list[int] = []
        many = 0
        for at, outcome in enumerate(outcomes):
            if outcome is None:
                many += len(_skus(items[at].payload))
                if asked and many > SKUS_MAX:
                    outcomes[at] = NEXT
                else:
                    asked.append(at)
        skus = [sku for at in asked for sku in _skus(items[at].payload)]
        queued = bool(skus) and (len(skus) >= self._bulk_from or await self._queue.holds(key))
        earlier = await self._queue.earlier(key) if queued else {}
        if isinstance(earlier, Outcome):
            return [outcome or earlier for outcome in outcomes]
        seen = await by_sku(self._client, skus)
        plans: dict[int, _Plan] = {}
        for at in asked:
            try:
                plans[at] = await self._planned(items[at].payload, seen, whole=queued)
            except AuthExpired:
                raise
            except SynclineError as error:
                outcomes[at] = outcome_of(error)
        saved: dict[str, Outcome] = {}
        for way in ("POST", "PUT"):
            bodies = [
                body for plan in plans.values() for body in (plan.new if way == "POST" else plan.changed)
            ]
            if queued:
                saved |= await self._through_the_queue(way, key, bodies, earlier)
            else:
                saved |= {body["sku"]: await self._save(way, body) for body in bodies}
        for at, plan in plans.items():
            outcomes[at] = await self._ended(plan, saved)
        return [outcome or Outcome(Result.RETRY, "nothing was done") for outcome in outcomes]

    async def _ended(self, plan: _Plan, saved: Mapping[str, Outcome]) -> Outcome:
        """What became of a product whose own fields were saved, or were not."""
        done = [saved[body["sku"]] for body in (*plan.new, *plan.changed)]
        failed = [one for one in done if one.result is not Result.DONE]
        if failed:
            return failed[0] if len(failed) == len(done) else _partly(failed[0])
        for number, post in enumerate(plan.posts):
            try:
                await post()
            except AuthExpired:
                raise
            except SynclineError as error:
                outcome = outcome_of(error)
                return _partly(outcome) if done or number else outcome
        return plan.then

    # --- planning ---------------------------------------------------------------------------------

    async def _planned(self, payload: SetProduct, seen: Mapping[str, Seen], *, whole: bool) -> _Plan:
        content = payload.content
        if not any(sku in seen for sku in _skus(payload)) and content.status not in (
            ProductStatus.ACTIVE,
            None,
        ):
            return _Plan(Outcome(Result.DONE))  # what is not there need not be archived
        if content.options:
            return await self._family(payload, seen, whole=whole)
        product = seen.get(payload.key)
        if product is not None and product.type_id not in families.BUYABLE:
            raise Rejected(f"{payload.key}: the shop has a {product.type_id} product of that SKU")
        then = await self._then(payload, seen)
        wanted: Body = _named(payload)
        if content.status is not None or product is None:
            sold = content.status is ProductStatus.ACTIVE and then.result is Result.DONE
            wanted["status"] = ENABLED if sold else DISABLED
        plan = _Plan(then)
        await self._around(plan, payload, wanted, product, new=self._new(payload, "simple"), whole=whole)
        return plan

    async def _family(self, payload: SetProduct, seen: Mapping[str, Seen], *, whole: bool) -> _Plan:
        """A configurable product and its variants."""
        content = payload.content
        options = [await self._definitions.option_of(name) for name in content.options]
        families.check(payload, options, seen)
        product, sold = seen.get(payload.key), content.status is ProductStatus.ACTIVE
        plan = _Plan(await self._then(payload, seen))
        values: list[list[str]] = []
        differ = False
        for one in content.variants:
            there = seen.get(one.sku)
            if there is None and content.status not in (ProductStatus.ACTIVE, None):
                continue
            values.append(
                [
                    await self._definitions.value(option.attribute_code, text)
                    for option, text in zip(options, one.values, strict=True)
                ]
            )
            chosen = {option.attribute_code: value for option, value in zip(options, values[-1], strict=True)}
            name = families.called(content.title or payload.key, one)
            wanted: Body = {"name": name} if content.title else {}
            if content.status is not None or there is None:
                wanted["status"] = ENABLED if sold and there is not None and there.price else DISABLED
            new = self._new(payload, "simple") | {"name": name, "visibility": ALONE}
            differ |= self._add(plan, one.sku, wanted, chosen, there, new=new, whole=whole)
        bodies = [
            families.option_body(name, at, option, [one[at] for one in values[: self._rows_max]])
            for at, (name, option) in enumerate(zip(content.options, options, strict=True))
        ]
        if any(one.sku not in seen for one in content.variants):
            if product is None or sold:
                return plan  # its variants come first
        elif product is not None:
            plan.posts += [
                partial(self._attach, payload.key, one)
                for one in families.additions(payload, product, seen, bodies)
            ]
        if product is None and (differ or content.status not in (ProductStatus.ACTIVE, None)):
            return plan
        wanted = _named(payload)
        if product is None or not sold:
            wanted |= {"status": DISABLED} if product is None or content.status is not None else {}
        else:
            priced = [bool(seen[one.sku].price) for one in content.variants]
            # What is sold already stays so while a new variant waits for its price: that one is disabled.
            if all(priced) or product.status != ENABLED or not any(priced):
                wanted["status"] = ENABLED if all(priced) else DISABLED
        new = self._new(payload, CONFIGURABLE)
        new["extension_attributes"] = {
            "configurable_product_options": bodies,
            "configurable_product_links": [
                seen[one.sku].id for one in content.variants[: self._rows_max] if one.sku in seen
            ],
        }
        await self._around(plan, payload, wanted, product, new=new, whole=whole)
        return plan

    async def _attach(self, sku: str, addition: families.Addition) -> None:
        """Add to a configurable product; what is refused may be there, for an earlier call may arrive late."""
        try:
            await self._client.post(addition.path, addition.body, Any)
        except Rejected:
            if not addition.made((await by_sku(self._client, [sku])).get(sku)):
                raise

    async def _around(
        self,
        plan: _Plan,
        payload: SetProduct,
        wanted: Body,
        product: Seen | None,
        *,
        new: Body,
        whole: bool,
    ) -> None:
        """What a product has besides its variants: its own fields, its category, its images."""
        content, sku = payload.content, payload.key
        images = self._gallery.additions(sku, content.images, product)
        if product is None:
            links = await self._categories.links(content.category)
            if links:
                new["extension_attributes"] = new.get("extension_attributes", {}) | {"category_links": links}
        else:
            before = payload.had.category if payload.had is not None else None
            plan.posts += await self._categories.moves(product, sku, content.category, before)
            plan.posts += images
        attributes = await self._attributes(content)
        self._add(plan, sku, wanted, attributes, product, new=new, whole=whole)

    def _add(
        self,
        plan: _Plan,
        sku: str,
        wanted: Body,
        attributes: Mapping[str, str],
        seen: Seen | None,
        *,
        new: Body,
        whole: bool,
    ) -> bool:
        """Have a product saved if it is not there, or is not what it should be, which is the answer."""
        there = {} if seen is None else {"name": seen.name, "status": seen.status}
        fields = {name: value for name, value in wanted.items() if there.get(name) != value}
        values = {
            code: value
            for code, value in attributes.items()
            if seen is None or not _same(seen.attribute(code), value)
        }
        differs = bool(seen is None or fields or values)
        if whole:
            fields, values = wanted, dict(attributes)
        body: Body = {"sku": sku, **(new if seen is None else {}), **fields}
        if values:
            body["custom_attributes"] = [
                {"attribute_code": code, "value": value} for code, value in values.items()
            ]
        if seen is None:
            plan.new.append(body)
        elif len(body) > 1:
            plan.changed.append(body)
        return differs

    def _new(self, payload: SetProduct, kind: str) -> Body:
        """What the shop needs of a product that it does not have; a configurable one has no price of its own."""
        given: Body = {
            "name": payload.content.title or payload.key,
            "attribute_set_id": self._attribute_set,
            "type_id": kind,
            "visibility": TOGETHER,
        }
        return given if kind == CONFIGURABLE else {**given, "price": 0}

    async def _attributes(self, content: Goods) -> dict[str, str]:
        """The description, and attributes by code: those that the shop has."""
        found = {} if content.description is None else {"description": content.description}
        if content.attributes:
            known = await self._definitions.all()
            for name, text in content.attributes.items():
                code = self._definitions.code_of(name)
                if code in known:
                    found[code] = await self._definitions.value(code, text)
        return found

    async def _then(self, payload: SetProduct, seen: Mapping[str, Seen]) -> Outcome:
        """What follows if it is saved."""
        product = seen.get(payload.key)
        there = {one.sku: seen[one.sku] for one in payload.content.variants if one.sku in seen}
        facts: dict[str, Any] = {} if product is None else {"external_id": str(product.id)}
        if any(payload.ids.get(sku, ("",))[0] != str(one.id) for sku, one in there.items()):
            await self._place(payload, list(there))
            facts["event"] = await self._event(list(there.values()))
        sold = payload.content.status is ProductStatus.ACTIVE
        ends = payload.content.status not in (ProductStatus.ACTIVE, None)
        if not ends and (product is None or len(there) < len(payload.content.variants)):
            return Outcome(Result.WAIT, UNPRICED if sold else FURTHER, retry_after_s=0.0, facts=facts)
        if sold and not all(one.price for one in there.values()):
            pause_s = self._unpriced.pause_s(payload.key)
            return Outcome(Result.WAIT, UNPRICED, retry_after_s=pause_s, facts=facts)
        self._unpriced.over(payload.key)
        return Outcome(Result.DONE, facts=facts)

    async def _place(self, payload: SetProduct, skus: Sequence[str]) -> None:
        """Assign SKUs to the sources where their stock is written, with nothing, unless they are there already."""
        if not payload.places:
            return
        there = {(row.sku, row.source_code) for row in await self._stock.rows(sorted(skus), payload.places)}
        rows = [
            {"sku": sku, "source_code": place, "quantity": 0, "status": 0}
            for sku in skus
            for place in payload.places
            if (sku, place) not in there
        ]
        for start in range(0, len(rows), self._rows_max):
            await self._client.post(PATH, {"sourceItems": rows[start : start + self._rows_max]}, Any)

    async def _event(self, seen: Sequence[Seen]) -> Event:
        """Products as the stream of items would tell them."""
        if self._currency is None:
            stores = await self._client.get("store/storeConfigs", (), tuple[wire.StoreConfig, ...])
            currencies = {store.base_currency_code for store in stores}
            self._currency = currencies.pop() if len(currencies) == 1 else ""
        rows = [_row(one, self._currency) for one in seen]
        body = msgspec.json.encode(rows[0] if len(rows) == 1 else rows)
        topic = "item" if len(rows) == 1 else "items"
        event_id = f"item:{hashlib.sha256(body).hexdigest()}"
        return Event(self._system, topic, event_id, Via.READ, self._clock.now_ms(), body)

    # --- saving -----------------------------------------------------------------------------------

    async def _save(self, way: str, body: Body) -> Outcome:
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

    async def _through_the_queue(
        self, way: str, key: str, bodies: Sequence[Body], earlier: Mapping[str, tuple[Body, Outcome]]
    ) -> dict[str, Outcome]:
        """Queue what was not queued just so under this key before."""
        saved = {
            body["sku"]: earlier[body["sku"]][1]
            for body in bodies
            if body["sku"] in earlier and earlier[body["sku"]][0] == body
        }
        fresh = [body for body in bodies if body["sku"] not in saved]
        if fresh:
            done = await self._queue.save(way, key, fresh)
            saved |= {body["sku"]: outcome for body, outcome in zip(fresh, done, strict=True)}
        return saved

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
                body["custom_attributes"] = [{"attribute_code": "description", "value": texts["description"]}]
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
        """Products into shared catalogs, or out of them, with their variants: each SKU has to be assigned itself.

        Assumed, for what is not assigned cannot be chosen (developer.adobe.com/commerce/php/module-reference,
        module-configurable-shared-catalog).
        """
        outcomes: list[Outcome | None] = [None if item.payload.product_id else NOT_THERE for item in items]
        groups: dict[tuple[str, bool], list[int]] = {}
        for at, item in enumerate(items):
            payload: SetListing = item.payload
            if outcomes[at] is None:
                groups.setdefault((payload.assortment, payload.content.shown), []).append(at)
        known = [items[at].payload.key for members in groups.values() for at in members]
        variants = await variants_of(self._client, await by_sku(self._client, known)) if known else {}
        for (name, shown), members in groups.items():
            path = f"sharedCatalog/{escape(name)}/{'assignProducts' if shown else 'unassignProducts'}"
            skus = {at: _with(items[at].payload.key, variants) for at in members}
            asked = list(dict.fromkeys(sku for some in skus.values() for sku in some))
            done = dict(zip(asked, await self._assign(path, asked), strict=True))
            for at in members:
                ended = [done[sku] for sku in skus[at]]
                outcomes[at] = next((one for one in ended if one.result is not Result.DONE), ended[0])
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


def _skus(payload: SetProduct) -> list[str]:
    """The SKUs under which the shop has a product: its own, and those of its variants."""
    return list(dict.fromkeys((payload.key, *(one.sku for one in payload.content.variants))))


def _with(sku: str, variants: Mapping[str, Sequence[Seen]]) -> list[str]:
    return [sku, *(one.sku for one in variants.get(sku, ()))]


def _named(payload: SetProduct) -> Body:
    return {"name": payload.content.title} if payload.content.title else {}


def _same(there: Any, value: str) -> bool:
    """Whether an attribute has a value; several chosen ones stand in no order."""
    text = str(there)
    if _NUMBERS.fullmatch(value):
        return sorted(text.split(",")) == sorted(value.split(","))
    return text == value


def _row(seen: Seen, currency: str) -> wire.Product:
    """What the stream of items tells of it."""
    told = {name: getattr(seen, name) for name in wire.Product.__struct_fields__}
    return wire.Product(**told | {"currency": currency if seen.price is not None else ""})


def _partly(outcome: Outcome) -> Outcome:
    """A failure after something of the same product was saved: nobody may take it for what it was before."""
    if outcome.result in (Result.NOT_SENT, Result.RETRY, Result.THROTTLED):
        return Outcome(Result.UNKNOWN, outcome.message, retry_after_s=outcome.retry_after_s)
    return outcome


def _refused(payload: Any) -> Outcome | None:
    why = families.unfit(payload)
    return Outcome(Result.REJECTED, f"{payload.key}: {why}") if why else None
