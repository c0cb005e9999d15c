"""Prices, customers, credit and products as rows of files: what a channel is told of them, in columns that it asked for.

Together the rows of one thing are all of it: a contact, a break or a SKU that is not among them is gone. What a column asks for and
nobody may say is refused, since an empty cell would take away what the channel has there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import asdict

from syncline.connectors.files.batches import Batches, Key, Rows
from syncline.connectors.files.declared import CARD_COLUMNS, Write
from syncline.connectors.files.orders import buyer_key
from syncline.connectors.files.spool import Spool
from syncline.connectors.files.told import Content
from syncline.model.copying import replace
from syncline.model.customers import CustomerCard, CustomerField, MatchKey
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import Rejected
from syncline.model.payloads import (
    PutCustomer,
    SetCredit,
    SetListing,
    SetPrice,
    SetProduct,
    SetWording,
    StatePayload,
)
from syncline.model.pricing import ONE
from syncline.model.products import plain_name
from syncline.ports import Clock, Folder

SEP = "\x1f"
UNKNOWN_S = 60.0  # until it is looked again whether the channel was told of a product
NUMBERS = frozenset(("price", "compare_at", "minimum", "available", "limit"))
NOT_THERE = Outcome(Result.WAIT, "the channel was not told of the product yet", retry_after_s=UNKNOWN_S)
TWICE = Outcome(Result.WAIT, "what the channel calls the same stands in this file", retry_after_s=0.0)
FORGOTTEN = (
    "it was written before, and the spool does not know what: a whole file would leave out whatever else it has forgotten. Put "
    'the spool back from its backup, or declare scope = "delta", and release this'
)
Row = dict[str, Any]


class Told:
    """What was told of one kind, as the spool has it: a book for ``Batches``."""

    def __init__(self, write: Write, spool: Spool) -> None:
        self._kind = write.kind
        self._spool = spool
        self.next_number = spool.next_number
        self.unpend = spool.unpend_contents

    def key(self, entry: Content) -> Key:
        """Its own."""
        return (entry.key,)

    def rows(self, entry: Content, now_ms: int) -> Rows:
        """Numbers as such: in the spool they are texts."""
        return [
            {
                **{
                    name: Decimal(str(v)) if name in NUMBERS and v is not None else v
                    for name, v in row.items()
                },
                "stamp": now_ms,
            }
            for row in entry.rows
        ]

    def gone(self, entry: Content) -> bool:
        """As it says."""
        return entry.gone

    def told(self) -> Iterable[Content]:
        """All of it."""
        return (content for content, _ in self._spool.contents(self._kind))

    def pending(self) -> list[tuple[str, int, list[Content]]]:
        """As the spool has them."""
        return self._spool.pending_contents(self._kind)

    def pend(self, entries: Sequence[Content], file: str, now_ms: int) -> None:
        """With what stands in it."""
        self._spool.pend_contents(self._kind, entries, file, now_ms)

    def hold(self, entries: Sequence[Content], file: str) -> None:
        """What is gone is not kept."""
        self._spool.hold_contents(self._kind, entries, file)


class Contents:
    """Makes contents of payloads, for one kind of file."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._fields = {column.field for column in write.columns if not column.value}
        self._currency = next((each.value for each in write.columns if each.field == "currency"), "")

    def of(self, payload: StatePayload) -> Content | Outcome:
        """What is to be written, or why nothing is."""
        try:
            if isinstance(payload, SetWording | SetListing) and not payload.product_id:
                return NOT_THERE
            key, rows, gone = self._made(payload)
            owner = payload.key if isinstance(payload, PutCustomer) else ""
            return Content(key, [self._asked(row) for row in rows], gone, owner)
        except Rejected as error:
            return Outcome(Result.REJECTED, str(error))

    def facts(self, payload: StatePayload) -> dict[str, Any]:
        """What a channel that was told knows it by."""
        if isinstance(payload, PutCustomer):
            id_ = self._customer_id(payload)
            return {"external_id": id_, "buyers": (buyer_key(id_),)}
        return {"external_id": payload.key} if isinstance(payload, SetProduct) else {}

    def _made(self, payload: StatePayload) -> tuple[str, Iterable[Row], bool]:
        if isinstance(payload, SetPrice):
            rows = list(self._prices(payload))
            return f"{payload.price_list}{SEP}{payload.sku}", rows, not payload.content.breaks
        if isinstance(payload, PutCustomer):
            return self._customer_id(payload), self._customer(payload), False
        if isinstance(payload, SetCredit):
            return payload.external_id, (self._credit(payload),), False
        if isinstance(payload, SetProduct):
            return payload.key, self._product(payload), False
        if isinstance(payload, SetWording):
            texts = {name: payload.content.texts.get(name, "") for name in ("title", "description")}
            wording: Row = {"product": payload.key, "language": payload.locale, **texts}
            return f"{payload.locale}{SEP}{payload.key}", (wording,), False
        listing = {"product": payload.key, "assortment": payload.assortment, "shown": payload.content.shown}
        return f"{payload.assortment}{SEP}{payload.key}", (listing,), False

    def _asked(self, row: Mapping[str, Any]) -> Row:
        """What a column asks for, and nothing else; what a column always says has to be so."""
        if self._currency and row.get("currency") not in (None, "", self._currency):
            raise Rejected(f"currency: it is {row['currency']}, and its column always says {self._currency}")
        return {
            name: f"{value:f}" if isinstance(value, Decimal) else value
            for name, value in row.items()
            if name in self._fields
        }

    # --- prices -----------------------------------------------------------------------------------------

    def _prices(self, payload: SetPrice) -> Iterator[Row]:
        """A row for each break; one without a price where the list says nothing of it any more."""
        tag, where = payload.content, f"{payload.sku}{payload.price_list and ' in ' + payload.price_list}"
        if any(one.minimum != ONE for one in tag.breaks) and "minimum" not in self._fields:
            raise Rejected(
                f"{where}: it has prices from other quantities on, and no column of the field minimum"
            )
        if tag.compare_at is not None and "compare_at" not in self._fields:
            raise Rejected(
                f"{where}: it is shown beside a higher price, and no column is of the field compare_at"
            )
        head = {
            "sku": payload.sku,
            "item_id": payload.item_id,
            "list": payload.price_list,
            "currency": tag.currency,
        }
        if not tag.breaks:
            yield {**head, "price": None}
        for one in tag.breaks:
            yield {
                **head,
                "minimum": one.minimum,
                "price": self._amount(where, one.amount),
                "compare_at": None if tag.compare_at is None else self._amount(where, tag.compare_at),
            }

    def _amount(self, where: str, amount: Decimal) -> Decimal:
        """With as many decimals as are declared.

        Raises:
            Rejected: it has more; a price is not rounded behind the back of whoever approved it.
        """
        fixed = amount.quantize(Decimal(1).scaleb(-self._write.decimals))
        if fixed != amount:
            raise Rejected(f"{where}: {amount:f} has more than {self._write.decimals} decimals")
        return fixed

    # --- customers --------------------------------------------------------------------------------------

    def _customer_id(self, payload: PutCustomer) -> str:
        """By what the channel knows a customer: as it was told of it first, so that it stays the same."""
        if payload.external_id or self._write.known_by == "key":
            return payload.external_id or payload.key
        number = dict(payload.content.keys).get(MatchKey.NUMBER.value, "")
        if not number:
            raise Rejected(
                f"customer {payload.key} has no number by which the channel could know it: give it one at its source, and "
                "name it in match of the route"
            )
        return number

    def _customer(self, payload: PutCustomer) -> Iterator[Row]:
        """A row for the company itself, then one for each contact and each address."""
        card, id_ = payload.content, self._customer_id(payload)
        self._check_owned(payload.key, card)
        head = {"company": id_, "name": card.name}
        number = dict(card.keys).get(MatchKey.NUMBER.value, "")
        own = {name: getattr(card, name) for name in ("active", "tax_id", "terms", "group", "phone")}
        yield {**head, "record": "company", "number": number, **own}
        for record, parts in (("contact", card.contacts), ("site", card.sites)):
            for part in parts or ():
                told = asdict(part)
                key = {record: told.pop("key")}
                yield {**head, "record": record, **key, **{f"{record}_{name}": v for name, v in told.items()}}

    def _check_owned(self, key: str, card: CustomerCard) -> None:
        for one, fields in CARD_COLUMNS.items():
            held = card.sites if one is CustomerField.ADDRESSES else getattr(card, one.value)
            if held is None and self._fields.intersection(fields):
                raise Rejected(
                    f"customer {key}: a column asks for {one.value}, which the route leaves to the channel or has no words for. "
                    "Leave the column out, or say it in the route"
                )

    # --- credit -----------------------------------------------------------------------------------------

    @staticmethod
    def _credit(payload: SetCredit) -> Row:
        """What may be bought: an empty cell where anything may."""
        tag = payload.content
        return {
            "account": payload.external_id,
            "currency": tag.currency,
            "available": tag.room,
            "limit": tag.limit,
            "blocked": tag.blocked,
            "reason": tag.reason,
        }

    # --- products ---------------------------------------------------------------------------------------

    def _product(self, payload: SetProduct) -> Iterator[Row]:
        goods = payload.content
        for name in ("title", "description", "category", "status"):
            self._check_told(payload.key, name, getattr(goods, name), {name})
        attributes = {name for name in self._fields if name.startswith("attribute.")}
        self._check_told(payload.key, "attributes", goods.attributes, attributes)
        images = goods.images or ()
        self._check_told(
            payload.key,
            "images",
            goods.images,
            {"images", *(each for each in self._fields if each.startswith("image."))},
        )
        if "images" in self._fields and any(len(one.split()) != 1 for one in images):
            raise Rejected(
                f"{payload.key}: an address of an image has a space in it, which stands between them"
            )
        if (
            "option_value.1" in self._fields
            and f"option_value.{max(1, len(goods.options))}" not in self._fields
        ):
            raise Rejected(
                f"{payload.key}: it has {len(goods.options)} options, and not as many columns option_value.…"
            )
        known = {plain_name(name): text for name, text in (goods.attributes or {}).items()}
        head = {
            "product": payload.key,
            **{name: getattr(goods, name) for name in ("title", "description", "category", "status")},
            "images": " ".join(images),
            **{f"image.{n}": one for n, one in enumerate(images, 1)},
            **{name: known.get(plain_name(name.partition(".")[2]), "") for name in attributes},
            **{f"option_name.{n}": name for n, name in enumerate(goods.options, 1)},
        }
        for variant in goods.variants:
            values = {f"option_value.{n}": text for n, text in enumerate(variant.values, 1)}
            item_id = payload.ids.get(variant.sku, ("", ""))[0]
            yield {**head, **values, "sku": variant.sku, "barcode": variant.barcode, "item_id": item_id}

    def _check_told(self, key: str, what: str, told: object, columns: set[str]) -> None:
        if told is None and columns & self._fields:
            raise Rejected(
                f"{key}: a column asks for {what}, which its source does not tell or the route leaves to the channel. Leave the "
                "column out"
            )


class ContentFiles:
    """The files of one kind of content."""

    def __init__(self, write: Write, spool: Spool, folder: Folder, clock: Clock) -> None:
        self._write = write
        self._spool = spool
        self._contents = Contents(write)
        self._batches: Batches[Content] = Batches(write, folder, clock, Told(write, spool))

    async def put(self, items: Sequence[Item]) -> list[Outcome]:
        """One file with these, or with all there is; an outcome for each."""
        seen: set[str] = set()
        made = [self._checked(item.payload, self._contents.of(item.payload), seen) for item in items]
        outcomes = await self._batches.put(made)
        return [
            replace(outcome, facts=self._contents.facts(item.payload))
            if outcome.result is Result.DONE
            else outcome
            for item, outcome in zip(items, outcomes, strict=True)
        ]

    def _checked(self, payload: StatePayload, made: Content | Outcome, seen: set[str]) -> Content | Outcome:
        """What may be written of it; ``seen`` are those of the same file, and this one from now on."""
        if isinstance(made, Outcome):
            return made
        if made.key in seen:
            return TWICE
        seen.add(made.key)
        owner = self._spool.owner_of_content(self._write.kind, made.key)
        if owner is None:
            # A whole file would leave out what was written before: the channel would take it for gone.
            lost = self._write.scope == "full" and _before(payload)
            return Outcome(Result.REJECTED, FORGOTTEN) if lost else made
        if isinstance(payload, PutCustomer) and not payload.external_id and owner != payload.key:
            why = f"customer {payload.key}: the channel knows customer {owner} by the same {self._write.known_by}"
            return Outcome(Result.REJECTED, why)
        return made


def _before(payload: StatePayload) -> bool:
    """Whether something was surely written before."""
    if isinstance(payload, PutCustomer):
        return payload.before is not None
    return bool(payload.had) if isinstance(payload, SetPrice | SetProduct | SetWording) else False
