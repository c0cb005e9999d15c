"""Writing products: what is there is read, only what differs is written, and nothing is taken away.

`productSet` deletes variants, images and metafields that its lists omit, so it makes new products and nothing else. What
is there is changed by calls that add and patch. A product without prices is not shown to anybody: it stays a draft until all of
its variants have one.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import productdocs as documents
from syncline.connectors.shopify import wire
from syncline.connectors.shopify.bulk import BulkRunner
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.productdocs import ADD, BY_HANDLE, BY_ID, CHANGE, SET, UPDATE
from syncline.connectors.shopify.wire import to_ms
from syncline.freshness.patience import Patience
from syncline.model.change import Event, Via
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, SynclineError
from syncline.model.payloads import SetProduct
from syncline.model.products import Goods, ProductStatus, Variant
from syncline.ports import Clock
from syncline.sdk.outcomes import outcome_of

OPTIONS_MAX = 3
VARIANTS_MAX = 2048
ARRAY_MAX = 250
PAGES_MAX = 12
FETCHED_MS = 3_600_000  # by then an image that was named has been fetched, or never will be
MADE_MAX = 1_000  # products just made that are remembered
UNPRICED_FIRST_S = 4.0  # until it is looked again whether a new product has its prices; then twice as long
UNPRICED_S = 120.0  # at most, and so much longer for each further product of a call
UNPRICED_EACH_S = 4.0
TITLE_MAX = 255
TOPIC = "items"
ATTRIBUTES = "custom"  # the namespace of metafields that a shop's own themes read
DONE = Outcome(Result.DONE)
STATUS = {
    ProductStatus.ACTIVE: "ACTIVE",
    ProductStatus.DRAFT: "DRAFT",
    ProductStatus.ARCHIVED: "ARCHIVED",
}
_KEY = re.compile(r"[^A-Za-z0-9_-]+")
_SLUG = re.compile(r"[^a-z0-9]+")


class _Option(Struct, frozen=True):
    name: str
    value: str


class _Seen(wire.Variant, frozen=True, rename="camel"):
    barcode: str | None = None
    selected_options: tuple[_Option, ...] = ()


class _Metafield(Struct, frozen=True):
    value: str


class _Count(Struct, frozen=True):
    count: int


class Seen(Struct, frozen=True, rename="camel"):
    """A product as it is in the shop."""

    id: wire.Gid
    status: str
    variants: wire.Connection[_Seen]
    title: str = ""
    description_html: str = ""
    product_type: str = ""
    metafield: _Metafield | None = None
    media_count: _Count | None = None
    updated_at: wire.Moment | None = None

    def images(self, now_ms: int) -> tuple[str, ...] | None:
        """The addresses of our images that are there; ``None``: nobody can tell which are.

        The shop has copies, and does not say what of. We remember what was added, and the shop says how much it has. Images are
        fetched some time after they were named, so none at all means something only where nothing has changed for a while.
        """
        added = self.metafield.value.split("\n") if self.metafield is not None else []
        there = len(added) if self.media_count is None else self.media_count.count
        if there >= len(added):
            return tuple(added)
        quiet = self.updated_at is not None and to_ms(self.updated_at, "updatedAt") < now_ms - FETCHED_MS
        return () if quiet and not there else None


class _Found(Struct, frozen=True):
    id: wire.Gid
    product: wire.Ref
    sku: str | None = None


class _Written(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]


class _Variants(Struct, frozen=True):
    variants: wire.Connection[_Seen]


class _More(Struct, frozen=True):
    product: _Variants | None = None


@dataclass(slots=True)
class _Plan:
    """What is to be written of one product, and what follows if all of it is taken."""

    calls: list[tuple[str, Any, Any]]
    then: Outcome = DONE
    makes: SetProduct | None = None  # what is not there yet


class ProductReader:
    """Reads products of one shop as they are."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, payloads: Sequence[SetProduct]) -> tuple[list[Seen | None], str]:
        """Each product, ``None`` if the shop does not have it; and the shop's currency.

        Raises:
            Rejected: a handle or SKU leads to another product.
        """
        found: list[Seen | None] = []
        currency = ""
        for start in range(0, len(payloads), documents.READS_MAX):
            some = payloads[start : start + documents.READS_MAX]
            ways = tuple(BY_ID if product_id_of(one) else BY_HANDLE for one in some)
            variables: dict[str, Any] = {}
            for n, one in enumerate(some):
                if ways[n] == BY_ID:
                    variables[f"i{n}"] = product_id_of(one)
                else:
                    variables[f"h{n}"] = handle_of(one.key)
                    variables[f"q{n}"] = documents.any_of([v.sku for v in one.content.variants])
            answer = await self._client.call(documents.read_products(ways), variables, dict[str, Any])
            currency = msgspec.convert(answer.pop("shop"), wire.Shop).currency_code
            for n, one in enumerate(some):
                node = answer.get(f"p{n}")
                seen = None if node is None else msgspec.convert(node, Seen)
                if ways[n] == BY_HANDLE:
                    seen = await self._ours(one, seen, answer[f"s{n}"])
                elif seen is None:  # deleted there, and perhaps made again
                    seen = await self._anew(one)
                found.append(None if seen is None else await self.whole(seen))
        return found, currency

    async def _anew(self, payload: SetProduct) -> Seen | None:
        variables = {
            "h0": handle_of(payload.key),
            "q0": documents.any_of([one.sku for one in payload.content.variants]),
        }
        answer = await self._client.call(documents.read_products((BY_HANDLE,)), variables, dict[str, Any])
        seen = None if answer.get("p0") is None else msgspec.convert(answer["p0"], Seen)
        return await self._ours(payload, seen, answer["s0"])

    async def _ours(self, payload: SetProduct, seen: Seen | None, listed: Any) -> Seen | None:
        """The product that has one of our SKUs; a handle alone proves nothing."""
        hits = msgspec.convert(listed, wire.Connection[_Found]).nodes
        skus = {one.sku for one in payload.content.variants}
        owner = next((hit.product.id for hit in hits if hit.sku in skus), "")
        if seen is not None and any(node.sku in skus for node in seen.variants.nodes):
            return seen
        if owner:
            document = documents.read_products((BY_ID,))
            answer = await self._client.call(document, {"i0": owner}, dict[str, Any])
            return None if answer.get("p0") is None else msgspec.convert(answer["p0"], Seen)
        if seen is not None:
            raise Rejected(
                f"{payload.key}: the shop has another product under the address {handle_of(payload.key)}; give that one "
                "another address, or one of its variants this SKU"
            )
        return None

    async def whole(self, seen: Seen) -> Seen:
        """With all of its variants."""
        nodes = list(seen.variants.nodes)
        info = seen.variants.page_info
        for _ in range(PAGES_MAX):
            if not info.has_next_page:
                break
            variables = {"id": seen.id, "after": info.end_cursor}
            more = await self._client.call(documents.MORE_VARIANTS, variables, _More)
            if more.product is None:
                break
            nodes += more.product.variants.nodes
            info = more.product.variants.page_info
        return msgspec.structs.replace(seen, variants=wire.Connection(tuple(nodes)))


class ProductWriter:
    """Writes one shop's products."""

    def __init__(
        self, system: str, client: Client, bulk: BulkRunner, clock: Clock, *, bulk_from: int
    ) -> None:
        self._system = system
        self._client = client
        self._bulk = bulk
        self._clock = clock
        self._bulk_from = bulk_from
        self._reader = ProductReader(client)
        # What was just made is there as it was given.
        self._made: OrderedDict[str, Goods] = OrderedDict()
        self._unpriced = Patience(UNPRICED_FIRST_S, UNPRICED_S)

    async def set(self, items: Sequence[Item], key: str) -> list[Outcome]:
        """Make products what they should be; ``bulk_from`` or more of one kind go as a bulk operation.

        The same key again finds the operation that was started under it, waits for it, and believes its result.
        """
        if len(items) >= self._bulk_from:
            earlier = await self._bulk.find(key)
            if earlier:
                changed = set()
                for operation in earlier:
                    results = await self._bulk.results(await self._bulk.ended(operation))
                    if f"mutation Syncline_{UPDATE}" in operation.query:
                        changed |= {one.product_id for _, one in results if not one.refusal}
                again = Outcome(Result.RETRY, "its bulk operation has ended: looked at again", 0.0)
                return [
                    DONE
                    if _direct(item.payload) is not None and product_id_of(item.payload) in changed
                    else again
                    for item in items
                ]
        outcomes: list[Outcome | None] = [_unfit(item.payload) for item in items]
        plans: dict[int, _Plan] = {}
        unread: list[int] = []
        for at, item in enumerate(items):
            if outcomes[at] is None:
                plan = _direct(item.payload)
                if plan is None:
                    unread.append(at)
                else:
                    plans[at] = plan
        for start in range(0, len(unread), documents.READS_MAX):
            await self._plan(items, unread[start : start + documents.READS_MAX], plans, outcomes)
        for kind in (SET, UPDATE):
            alone = [at for at, plan in plans.items() if [call[0] for call in plan.calls] == [kind]]
            if len(alone) >= self._bulk_from:
                await self._in_bulk(kind, key, alone, plans, outcomes)
        await self._one_by_one(plans, outcomes)
        return _patient([outcome or Outcome(Result.RETRY, "nothing was done") for outcome in outcomes])

    async def _plan(
        self,
        items: Sequence[Item],
        some: Sequence[int],
        plans: dict[int, _Plan],
        outcomes: list[Outcome | None],
    ) -> None:
        """Read some products and plan them; where one cannot be read, it alone has to wait."""
        try:
            seen, currency = await self._reader.read([items[at].payload for at in some])
        except AuthExpired:
            raise
        except Rejected as error:
            if len(some) == 1:
                outcomes[some[0]] = Outcome(Result.REJECTED, str(error))
                return
            for at in some:
                await self._plan(items, [at], plans, outcomes)
            return
        except SynclineError as error:
            for at in some:
                outcomes[at] = outcome_of(error)
            return
        for at, one in zip(some, seen, strict=True):
            plan = self._planned(items[at].payload, one, currency)
            if plan.calls:
                plans[at] = plan
            else:
                outcomes[at] = plan.then

    def _planned(self, payload: SetProduct, seen: Seen | None, currency: str) -> _Plan:
        content = payload.content
        if seen is None:
            if content.status not in (ProductStatus.ACTIVE, None):
                return _Plan([])  # what is not there need not be archived
            return _created(payload)
        there = {node.sku: node for node in seen.variants.nodes if node.sku}
        missing = [one for one in content.variants if one.sku not in there]
        facts: dict[str, Any] = {"external_id": seen.id}
        known = [there[one.sku] for one in content.variants if one.sku in there]
        if any(payload.ids.get(node.sku or "") != (node.id, node.product.id) for node in known):
            facts["event"] = self._event(known, currency)
        unpriced = bool(missing) or any(not _priced(node) for node in known)
        status = STATUS[content.status] if content.status is not None else None
        then = Outcome(Result.DONE, facts=facts)
        if status == "ACTIVE" and unpriced:
            status = "DRAFT"
            why = "a draft until each of its variants has a price in the shop"
            pause_s = 0.0 if missing else self._unpriced.pause_s(payload.key)
            then = Outcome(Result.WAIT, why, retry_after_s=pause_s, facts=facts)
        elif missing:
            then = Outcome(Result.WAIT, "its new variants are looked at", retry_after_s=0.0, facts=facts)
        if not unpriced:
            self._unpriced.over(payload.key)
        if self._made.pop(payload.key, None) == content and seen.status == status and not missing:
            return _Plan([], then)
        media, metafields = _images(content, seen, self._clock.now_ms()), _attributes(content)
        plan = _Plan([(UPDATE, _patch(seen.id, content, status, metafields), media)], then)
        for start in range(0, len(missing), ARRAY_MAX):
            some = missing[start : start + ARRAY_MAX]
            plan.calls.append((ADD, seen.id, [_new(one, content, payload.places) for one in some]))
        changed = [
            {"id": there[one.sku].id, "barcode": one.barcode}
            for one in content.variants
            if one.sku in there and one.barcode and one.barcode != (there[one.sku].barcode or "")
        ]
        plan.calls += [
            (CHANGE, seen.id, changed[start : start + ARRAY_MAX])
            for start in range(0, len(changed), ARRAY_MAX)
        ]
        return plan

    def _event(self, nodes: Sequence[_Seen], currency: str) -> Event:
        """The variants as the stream of items would tell them."""
        body = msgspec.json.encode([msgspec.structs.replace(node, currency_code=currency) for node in nodes])
        event_id = f"items:{hashlib.sha256(body).hexdigest()}"
        return Event(self._system, TOPIC, event_id, Via.READ, self._clock.now_ms(), body)

    # --- writing ------------------------------------------------------------------------------------------

    async def _in_bulk(
        self,
        kind: str,
        key: str,
        alone: Sequence[int],
        plans: dict[int, _Plan],
        outcomes: list[Outcome | None],
    ) -> None:
        lines = [{"x": plans[at].calls[0][1], "y": plans[at].calls[0][2]} for at in alone]
        try:
            results = await self._bulk.run(kind, key, lines)
        except AuthExpired:
            raise
        except SynclineError as error:
            for at in alone:
                outcomes[at] = outcome_of(error)
                del plans[at]
            return
        for at, result in zip(alone, results, strict=True):
            if result is None:
                outcomes[at] = Outcome(Result.RETRY, "the result of a bulk operation says nothing of it", 0.0)
            elif result.refusal:
                outcomes[at] = Outcome(Result.REJECTED, f"Shopify: {result.refusal}")
            else:
                outcomes[at] = plans[at].then
            del plans[at]

    async def _one_by_one(self, plans: Mapping[int, _Plan], outcomes: list[Outcome | None]) -> None:
        """Plans in requests of several mutations; all mutations of a product in one, in their order."""
        group: list[int] = []
        room = 0
        for at, plan in plans.items():
            if group and len(plan.calls) > room:
                await self._write(group, plans, outcomes)
                group = []
            if not group:
                room = documents.WRITES_MAX
            group.append(at)
            room -= len(plan.calls)
        if group:
            await self._write(group, plans, outcomes)

    async def _write(
        self, group: Sequence[int], plans: Mapping[int, _Plan], outcomes: list[Outcome | None]
    ) -> None:
        calls = [(at, call) for at in group for call in plans[at].calls]
        variables: dict[str, Any] = {}
        for n, (_, (_, x, y)) in enumerate(calls):
            variables[f"x{n}"], variables[f"y{n}"] = x, y
        document = documents.write_products(tuple(call[0] for _, call in calls))
        try:
            answer = await self._client.call(document, variables, dict[str, _Written | None])
            if any(answer.get(f"m{n}") is None for n in range(len(calls))):
                raise OutcomeUnknown("Shopify said nothing about some of the products that were set")
        except AuthExpired:
            raise
        except SynclineError as error:
            for at in group:
                outcomes[at] = outcome_of(error)
            return
        for n, (at, _) in enumerate(calls):
            written = answer[f"m{n}"]
            assert written is not None
            if written.user_errors and outcomes[at] is None:
                words = "; ".join(error.message for error in written.user_errors)
                outcomes[at] = Outcome(Result.REJECTED, f"Shopify: {words}")
        for at in group:
            if outcomes[at] is None:
                outcomes[at] = plans[at].then
                if (made := plans[at].makes) is not None:
                    self._made[made.key] = made.content
        while len(self._made) > MADE_MAX:
            self._made.popitem(last=False)


def _patient(outcomes: list[Outcome]) -> list[Outcome]:
    """Many products without a price are looked at less often, so that looking leaves the limit to others."""
    waiting = [one.result is Result.WAIT and bool(one.retry_after_s) for one in outcomes]
    more_s = UNPRICED_EACH_S * (sum(waiting) - 1)
    return [
        msgspec.structs.replace(one, retry_after_s=(one.retry_after_s or 0.0) + more_s) if waits else one
        for one, waits in zip(outcomes, waiting, strict=True)
    ]


# --- what is sent -----------------------------------------------------------------------------------------


def product_id_of(payload: SetProduct) -> str:
    """The shop's id of the product, where all known variants agree on it."""
    found = {product for _, product in payload.ids.values() if product}
    return found.pop() if len(found) == 1 else ""


def handle_of(key: str) -> str:
    """The end of the product's address in the shop; made of the source's name of it, so it is always the same."""
    slug = _SLUG.sub("-", key.lower()).strip("-")[:200]
    if slug == key.lower():
        return slug
    return f"{slug or 'product'}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def _direct(payload: SetProduct) -> _Plan | None:
    """A plan that needs no reading: it is surely known what is there, and only texts and attributes differ."""
    had, content = payload.had, payload.content
    same = (
        had is not None
        and (had.variants, had.options, had.images) == (content.variants, content.options, content.images)
        and all(one.sku in payload.ids for one in content.variants)
        and product_id_of(payload)
    )
    if had is None or not same:
        return None
    if content.status is ProductStatus.ACTIVE and had.status is not ProductStatus.ACTIVE:
        return None  # perhaps a price is missing
    status = STATUS[content.status] if content.status is not None else None
    product_id = product_id_of(payload)
    patch = _patch(product_id, content, status, _attributes(content))
    done = Outcome(Result.DONE, facts={"external_id": product_id})
    return _Plan([(UPDATE, patch, [])], done)


def _patch(
    product_id: str, content: Goods, status: str | None, metafields: list[dict[str, str]]
) -> dict[str, Any]:
    """Scalars that we own, and attributes that are added to those that there are."""
    return {
        "id": product_id,
        **_scalars(content, status),
        **({"metafields": metafields} if metafields else {}),
    }


def _scalars(content: Goods, status: str | None) -> dict[str, Any]:
    told = {
        "title": content.title,
        "descriptionHtml": content.description,
        "productType": content.category,
        "status": status,
    }
    return {name: value for name, value in told.items() if value is not None}


def _attributes(content: Goods) -> list[dict[str, str]]:
    """Metafields; an empty one cannot be written."""
    found = [
        {
            "namespace": ATTRIBUTES,
            "key": _KEY.sub("_", name.lower())[:64].ljust(2, "_"),
            "type": "multi_line_text_field" if "\n" in text else "single_line_text_field",
            "value": text,
        }
        for name, text in (content.attributes or {}).items()
        if text.strip()
    ]
    if content.images:
        found.append(
            {
                "namespace": documents.NAMESPACE,
                "key": documents.IMAGES_KEY,
                "type": "multi_line_text_field",
                "value": "\n".join(content.images),
            }
        )
    return found


def _images(content: Goods, seen: Seen, now_ms: int) -> list[dict[str, str]]:
    """Those that were not added before. Of what somebody took away one by one, nothing is added again."""
    added = seen.metafield.value.split("\n") if seen.metafield is not None else []
    there = seen.images(now_ms)
    had = added if there is None else there
    return [
        {"mediaContentType": "IMAGE", "originalSource": address}
        for address in content.images or ()
        if address not in had
    ]


def _created(payload: SetProduct) -> _Plan:
    content = payload.content
    options = content.options or ("Title",)
    variants = [
        {
            "sku": one.sku,
            "barcode": one.barcode or None,
            "optionValues": [
                {"optionName": name, "name": value}
                for name, value in zip(options, one.values or ("Default Title",), strict=True)
            ],
            "inventoryItem": {"sku": one.sku, "tracked": True},
            "inventoryPolicy": "DENY",
            "inventoryQuantities": [
                {"locationId": _location(place), "name": "available", "quantity": 0}
                for place in payload.places
            ],
        }
        for one in content.variants[:ARRAY_MAX]
    ]
    made = content.variants[:ARRAY_MAX]
    metafields = _attributes(content)
    given = {
        **_scalars(content, "DRAFT"),
        "title": content.title or payload.key,
        "handle": handle_of(payload.key),
        "productOptions": [
            {
                "name": name,
                "values": [{"name": text} for text in dict.fromkeys(_value(one, n) for one in made)],
            }
            for n, name in enumerate(options)
        ],
        "variants": variants,
        **({"metafields": metafields} if metafields else {}),
    }
    if content.images:
        given["files"] = [{"originalSource": one, "contentType": "IMAGE"} for one in content.images]
    then = Outcome(
        Result.WAIT, "a draft until each of its variants has a price in the shop", retry_after_s=0.0
    )
    return _Plan([(SET, {"handle": handle_of(payload.key)}, given)], then, makes=payload)


def _value(variant: Variant, n: int) -> str:
    return variant.values[n] if variant.values else "Default Title"


def _new(variant: Variant, content: Goods, places: Sequence[str]) -> dict[str, Any]:
    return {
        "barcode": variant.barcode or None,
        "optionValues": [
            {"optionName": name, "name": value}
            for name, value in zip(content.options, variant.values, strict=True)
        ],
        "inventoryItem": {"sku": variant.sku, "tracked": True},
        "inventoryPolicy": "DENY",
        "inventoryQuantities": [{"locationId": _location(place), "availableQuantity": 0} for place in places],
    }


def _location(place: str) -> str:
    return f"gid://shopify/Location/{place}"


def _priced(node: _Seen) -> bool:
    return any(digit in "123456789" for digit in node.price)


def _unfit(payload: Any) -> Outcome | None:
    """Refuse what cannot be one product in Shopify."""
    assert isinstance(payload, SetProduct)
    content = payload.content
    problem = ""
    if len(content.options) > OPTIONS_MAX:
        problem = (
            f"Shopify has {OPTIONS_MAX} options at most, and its variants differ in {len(content.options)}"
        )
    elif len(content.variants) > VARIANTS_MAX:
        problem = f"Shopify has {VARIANTS_MAX} variants at most, and it has {len(content.variants)}"
    elif any(not value for one in content.variants for value in one.values):
        problem = "one of its variants lacks an option"
    elif content.title is not None and len(content.title) > TITLE_MAX:
        problem = f"its title is longer than {TITLE_MAX} characters"
    elif len({product for _, product in payload.ids.values() if product}) > 1:
        problem = "its variants belong to several products of the shop; make them one there, or leave the product out"
    return Outcome(Result.REJECTED, f"{payload.key}: {problem}") if problem else None
