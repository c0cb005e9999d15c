"""The ``payments`` and ``returns`` streams: invoices that are settled, and credit memos that people posted.

The API tells what remains of an invoice, and neither who paid it nor which journal line did: so what a channel told of is in
what it says, and an invoice counts once all of it is settled, less what a credit memo that applies to it has settled. A credit
memo that applies to an invoice is a return of goods. Those that we write name none, and by their reference they are known
where somebody has applied them: they are not told back.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from syncline.connectors.business_central import mapping, rows
from syncline.connectors.business_central.client import Missing, Row, quoted
from syncline.connectors.business_central.manifest import PAYMENTS, RETURNS
from syncline.connectors.business_central.places import Places
from syncline.connectors.business_central.reading import Reading
from syncline.model.change import Change, Cursor, Event, LoggedEvent, Via
from syncline.model.errors import Rejected, Retryable
from syncline.model.records import ZERO
from syncline.ports import Page
from syncline.sdk import money
from syncline.sdk.money import RECEIPT, RETURN, Units, amount

TOPICS = money.TOPICS
PAGES_MAX = 10_000
REMEMBERED_MAX = 50_000
FIRST_LOOK_BACK_MS = 24 * 3600 * 1000
POSTED = ("Open", "Paid")

Tell = Callable[[Sequence[Row]], Awaitable[list[Event]]]


class Place(msgspec.Struct, frozen=True):
    """A cursor's position: the product's clock that the last whole read reached, and within a read the next page."""

    mark: int = 0
    next: int = 0
    follow: str = ""
    began: int = 0


class ReceiptRow(money.ReceiptRow, frozen=True):
    """What is settled of one order's invoices."""

    received_at_ms: int = msgspec.field(name="changed_ms")


class ReturnRow(money.ReturnRow, frozen=True):
    """One posted credit memo of goods."""

    returned_at_ms: int = msgspec.field(name="changed_ms")


class Untold(msgspec.Struct, frozen=True):
    """In the place of a credit memo of which no channel is told: words for a person."""

    untold: str


_RECEIPT = msgspec.json.Decoder(ReceiptRow)
_RETURN = msgspec.json.Decoder(ReturnRow)


class Money:
    """Reads both streams of one company. ``now`` asks for the product's clock, in milliseconds."""

    def __init__(self, reading: Reading, places: Places) -> None:
        self._system, self._settings, self._clock, self._client, self._now = reading
        self._places = places
        self._seen: OrderedDict[str, str] = OrderedDict()  # versions that were told, by id

    def payments(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """What is settled of the orders of which an invoice changed."""
        query = {"filter": "externalDocumentNumber ne ''"}
        return self._read(PAYMENTS.name, "salesInvoices", query, cursor, self._receipts)

    def returns(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Goods that were credited for orders of ours, other than those that their channel told of."""
        query = {"filter": "status ne 'Draft'", "expand": "salesCreditMemoLines"}
        return self._read(RETURNS.name, "salesCreditMemos", query, cursor, self._memos)

    async def _read(
        self, stream: str, entity: str, query: Mapping[str, str], cursor: Cursor | None, tell: Tell
    ) -> AsyncGenerator[Page, None]:
        place = Place()
        if cursor is not None and cursor.position:
            place = msgspec.json.decode(cursor.position, type=Place)
        covers_ms = cursor.covers_ms if cursor else 0
        resumed = bool(place.began)
        if not resumed:
            place = await self._begin(entity, query, place.mark)
        for _ in range(PAGES_MAX):
            try:
                found, follow = await self._client.page(place.follow)
            except Rejected:
                if not resumed:
                    raise
                # An address of a page from before a restart, which the product takes no more: read from the mark.
                place, resumed = await self._begin(entity, query, place.mark), False
                continue
            fresh = [x for x in found if self._seen.get(rows.text(x, "id")) != x.get("@odata.etag")]
            events = await tell(fresh)
            after = msgspec.structs.replace(place, follow=follow) if follow else Place(place.next)
            position = msgspec.json.encode(after).decode()
            covered = covers_ms if follow else place.began
            yield Page(tuple(events), Cursor(self._system, stream, position, covered), not follow)
            self._seen.update((rows.text(x, "id"), str(x.get("@odata.etag"))) for x in fresh)
            while len(self._seen) > REMEMBERED_MAX:
                self._seen.popitem(last=False)
            if not follow:
                return
            place = after
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of changed {entity}.")

    async def _begin(self, entity: str, query: Mapping[str, str], reached_ms: int) -> Place:
        began_ms, now_ms = self._clock.now_ms(), await self._now()
        since_ms = min(reached_ms or now_ms - FIRST_LOOK_BACK_MS, now_ms)
        since = rows.iso(since_ms - self._settings.poll_overlap_s * 1000)
        options = {
            **query,
            "filter": f"lastModifiedDateTime gt {since} and {query['filter']}",
            "orderby": "lastModifiedDateTime",
        }
        return Place(reached_ms, now_ms, self._client.url(entity, options), began_ms)

    # -- payments -----------------------------------------------------------------------------

    async def _receipts(self, changed: Sequence[Row]) -> list[Event]:
        events = []
        for number in dict.fromkeys(rows.text(x, "externalDocumentNumber") for x in changed):
            invoices = await self._client.rows(
                "salesInvoices", {"filter": f"externalDocumentNumber eq {quoted(number)}"}
            )
            if invoices:
                events.append(await self._receipt(number, invoices))
        return events

    async def _receipt(self, number: str, invoices: Sequence[Row]) -> Event:
        settled = [
            x for x in invoices if rows.text(x, "status") in POSTED and not _amount(x, "remainingAmount")
        ]
        received = sum((_amount(x, "totalAmountIncludingTax") for x in settled), ZERO)
        received = max(ZERO, received - await self._credited(settled))
        currency = rows.text(invoices[0], "currencyCode") or self._settings.currency
        changed_ms = max(rows.instant(x.get("lastModifiedDateTime")) for x in invoices)
        body = ReceiptRow(number.lower(), f"{received:f}", currency, changed_ms)
        event_id = f"receipt:{number}:{rows.digest(body.received, currency, changed_ms)}"
        return Event(self._system, RECEIPT, event_id, Via.POLL, changed_ms, msgspec.json.encode(body))

    async def _credited(self, settled: Sequence[Row]) -> Decimal:
        """What credit memos have settled of these invoices: nobody paid that."""
        if not settled:
            return ZERO
        named = " or ".join(f"invoiceNumber eq {quoted(rows.text(x, 'number'))}" for x in settled)
        options = {"filter": named, "select": "status,totalAmountIncludingTax"}
        memos = await self._client.rows("salesCreditMemos", options)
        posted = (x for x in memos if rows.text(x, "status") in POSTED)
        return sum((_amount(x, "totalAmountIncludingTax") for x in posted), ZERO)

    # -- returns ------------------------------------------------------------------------------

    async def _memos(self, changed: Sequence[Row]) -> list[Event]:
        events = []
        for memo in changed:
            invoice = rows.text(memo, "invoiceId")
            if rows.text(memo, "status") not in POSTED or invoice in ("", rows.NO_GUID):
                continue
            try:
                origin = await self._client.get(
                    f"salesInvoices({invoice})", {"select": "externalDocumentNumber"}
                )
            except Missing:
                continue
            key = rows.text(origin, "externalDocumentNumber")
            # Whoever posts a draft of ours may apply it to the invoice; its channel has given that money back already.
            if key and not mapping.refunds(rows.text(memo, "externalDocumentNumber").upper(), key):
                events += await self._return(memo, key.lower())
        return events

    async def _return(self, memo: Row, order_key: str) -> list[Event]:
        lines = memo.get("salesCreditMemoLines") or ()
        places, variants = await self._places.known(lines)
        base = await self._places.units(rows.text(line, "itemId") for line in lines)
        units: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for line in lines:
            if rows.text(line, "lineType") == "Item":
                if not rows.in_base_units(line, base):
                    return [self._odd(memo, line, base)]
                variant = variants.get(rows.text(line, "itemVariantId"), "")
                sku = rows.sku_of(
                    rows.text(line, "lineObjectNumber"), variant, self._settings.variant_separator
                )
                units[sku, places.get(rows.text(line, "locationId"), "")] += _amount(line, "quantity")
        told = tuple(Units(sku, place, f"{n:f}") for (sku, place), n in units.items() if n > 0)
        if not told:
            return []
        changed_ms = rows.instant(memo.get("lastModifiedDateTime"))
        body = ReturnRow(rows.text(memo, "id"), order_key, changed_ms, told)
        event_id = f"return:{body.id}:{rows.digest(changed_ms, order_key, told)}"
        return [Event(self._system, RETURN, event_id, Via.POLL, changed_ms, msgspec.json.encode(body))]

    def _odd(self, memo: Row, line: Row, base: Mapping[str, str]) -> Event:
        """A credit memo of boxes: how many pieces came back the API does not tell, and its channel would repay one for each."""
        changed_ms = rows.instant(memo.get("lastModifiedDateTime"))
        body = msgspec.json.encode(
            Untold(
                f"Credit memo {rows.text(memo, 'number')} brings back {_amount(line, 'quantity'):f} "
                f"{rows.text(line, 'unitOfMeasureCode')} of {rows.text(line, 'lineObjectNumber')}, whose base unit is "
                f"{base.get(rows.text(line, 'itemId'), '') or 'not known'}, so its channel is not told: enter the return there, "
                "then discard this."
            )
        )
        return Event(
            self._system, RETURN, f"odd:{rows.digest(changed_ms, body.decode())}", Via.POLL, changed_ms, body
        )


def _amount(row: Row, name: str) -> Decimal:
    return amount(row, name, "Business Central")


def _untold(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Untold).untold
    except msgspec.MsgspecError:
        return ""


def decode(logged: LoggedEvent) -> list[Change]:
    """The change that a row of these streams states.

    Raises:
        Rejected: the content cannot be understood.
    """
    if logged.event.topic == RETURN and (untold := _untold(logged.event.body)):
        raise Rejected(untold)
    return money.decode(logged, _RECEIPT.decode, _RETURN.decode, "Business Central", of_channel=True)
