"""The ``deletions`` stream: what was listed before, is listed no more, and was not posted either.

The API shows nothing of a record that was deleted, and a notification of it names an id that leads nowhere. So everything that
waits is listed whole once in a while: orders with an external document number, our lines of the payment journal, our drafts
of credit memos. What is missing is looked for among what was posted. An order that is in neither place holds no units any
more; missing from two lists in a row it was called off, and its channel hears of it. Of a payment or a credit memo that
somebody deleted a person is told.

Source: Microsoft Learn, "Working with Webhooks" (a deletion among the changes leaves the filter out), and the codeunits
that delete a sales order once it is invoiced whole (contract sheet, section 4).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import msgspec
import structlog

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import quoted
from syncline.connectors.business_central.manifest import DELETIONS
from syncline.connectors.business_central.reading import Reading
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.errors import Rejected, Retryable
from syncline.model.records import ErpOrder
from syncline.ports import Page

ORDER, REPORT = "erp_order.deleted", "deleted.row"
TOPICS = (ORDER, REPORT)
PAGES_MAX = 100
LISTED_MAX = 50_000  # of one kind; more, and nothing is concluded
NAMES_PER_CALL = 20
DOUBTED_MIN = 20  # so many at once, and more than half, are looked at three times before they are believed
DOUBTED_READS = 3
REPORTED_MAX = 100
OURS = {"payments": "-PAY-", "memos": "-REF-"}  # what our references have in them

log = structlog.get_logger(__name__)


class Listed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cursor's position: what waited when it was listed last, by reference.

    ``missing`` are orders that were not listed any more. ``doubted`` is how many lists in a row lacked most of them.
    """

    orders: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    memos: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    doubted: int = 0


class DeletedOrder(msgspec.Struct, frozen=True):
    """``erp_order.deleted``: an order that holds nothing any more since a moment of the product's clock."""

    key: str
    erp_ms: int
    cancelled: bool


class Deleted(msgspec.Struct, frozen=True):
    """``deleted.row``: words for a person."""

    says: str


class Deletions:
    """Lists what waits in one company. ``now`` asks for the product's clock, in milliseconds."""

    def __init__(self, reading: Reading) -> None:
        self._system, self._settings, self._clock, self._client, self._now = reading

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """One list, compared with the one before."""
        began_ms = self._clock.now_ms()
        there = Listed(await self._orders(), await self._payments(), await self._memos())
        events: list[Event] = []
        if cursor is not None and cursor.position:
            before = msgspec.json.decode(cursor.position, type=Listed)
            events, there = await self._compare(before, there)
        position = msgspec.json.encode(there).decode()
        yield Page(tuple(events), Cursor(self._system, DELETIONS.name, position, began_ms), last=True)

    async def _compare(self, before: Listed, there: Listed) -> tuple[list[Event], Listed]:
        missing = await self._lost(
            (*before.orders, *before.missing), there.orders, "salesOrders", "salesInvoices"
        )
        fresh = [reference for reference in missing if reference not in before.missing]
        most = len(fresh) > max(DOUBTED_MIN, len(before.orders) // 2)
        if most and before.doubted + 1 < DOUBTED_READS:
            log.warning("most orders are gone", action="deletions_doubted", orders=len(fresh))
            kept = msgspec.structs.replace(
                there, orders=before.orders, missing=before.missing, doubted=before.doubted + 1
            )
            return [], kept
        now_ms = await self._now()
        events = [
            _order_event(self._system, reference, now_ms, cancelled=reference in before.missing)
            for reference in missing
        ]
        payments = await self._lost(before.payments, there.payments)
        if payments:
            payments = await self._unposted(payments)
        memos = await self._lost(before.memos, there.memos, "salesCreditMemos")
        says = [
            f"Payment {name.lower()} was deleted from the payment journal before it was posted: enter it again there, or "
            "discard this if the money is booked in another way."
            for name in payments
        ] + [
            f"The draft of credit memo {name.lower()} was deleted: write it again there, or discard this if the return is "
            "booked in another way."
            for name in memos
        ]
        events += [self._report(words, now_ms) for words in says[:REPORTED_MAX]]
        if len(says) > REPORTED_MAX:
            more = f"{len(says) - REPORTED_MAX} more payments and credit memos of ours were deleted."
            events.append(self._report(more, now_ms))
        return events, msgspec.structs.replace(there, missing=tuple(fresh))

    def _report(self, words: str, at_ms: int) -> Event:
        body = msgspec.json.encode(Deleted(words))
        return Event(self._system, REPORT, f"deleted:{rows.digest(words)}", Via.POLL, at_ms, body)

    # -- lists --------------------------------------------------------------------------------

    async def _orders(self) -> tuple[str, ...]:
        return await self._list("salesOrders", "externalDocumentNumber ne ''", "externalDocumentNumber")

    async def _memos(self) -> tuple[str, ...]:
        query = "status eq 'Draft' and externalDocumentNumber ne ''"
        found = await self._list("salesCreditMemos", query, "externalDocumentNumber")
        return tuple(name for name in found if OURS["memos"] in name)

    async def _payments(self) -> tuple[str, ...]:
        """Our lines of the payment journal, by the description that they keep when they are posted."""
        if not self._settings.payment_journal:
            return ()
        code = quoted(self._settings.payment_journal.upper())
        journals = await self._client.rows(
            "customerPaymentJournals", {"filter": f"code eq {code}", "select": "id"}
        )
        if not journals:
            return ()
        path = f"customerPaymentJournals({rows.text(journals[0], 'id')})/customerPayments"
        found = await self._list(path, "description ne ''", "description")
        return tuple(name for name in found if OURS["payments"] in name.upper())

    async def _list(self, entity: str, only: str, name: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        follow = self._client.url(entity, {"filter": only, "select": f"id,{name}"})
        for _ in range(PAGES_MAX):
            page, follow = await self._client.page(follow)
            found |= dict.fromkeys(rows.text(row, name) for row in page)
            if len(found) > LISTED_MAX:
                raise Retryable(
                    f"Business Central lists more than {LISTED_MAX} {entity} that wait: which of them are deleted is not told."
                )
            if not follow:
                return tuple(found)
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of {entity} that wait.")

    async def _lost(self, before: Sequence[str], there: Sequence[str], *entities: str) -> list[str]:
        """What is listed no more, and found in none of these entities by its external document number."""
        listed = set(there)
        lost = [name for name in dict.fromkeys(before) if name not in listed]
        for entity in entities:
            found = await self._named(entity, "externalDocumentNumber", lost)
            lost = [name for name in lost if name.upper() not in found]
        return lost

    async def _unposted(self, names: Sequence[str]) -> list[str]:
        found = await self._named("generalLedgerEntries", "description", names)
        return [name for name in names if name.upper() not in found]

    async def _named(self, entity: str, field: str, names: Sequence[str]) -> set[str]:
        """Which of some names an entity has, in capitals."""
        found: set[str] = set()
        for start in range(0, len(names), NAMES_PER_CALL):
            some = names[start : start + NAMES_PER_CALL]
            query = {
                "filter": " or ".join(f"{field} eq {quoted(name)}" for name in some),
                "select": f"id,{field}",
            }
            found |= {rows.text(row, field).upper() for row in await self._client.rows(entity, query)}
        return found


def _order_event(system: str, reference: str, now_ms: int, *, cancelled: bool) -> Event:
    body = DeletedOrder(reference, now_ms, cancelled)
    event_id = f"order-deleted:{reference}:{now_ms}:{cancelled}"
    return Event(system, ORDER, event_id, Via.POLL, now_ms, msgspec.json.encode(body))


def decode(logged: LoggedEvent) -> list[Change]:
    """The change that an event states; what only a person can do something about is refused with its words.

    Raises:
        Rejected: the event is for a person, or cannot be read.
    """
    event = logged.event
    try:
        if event.topic == REPORT:
            raise Rejected(msgspec.json.decode(event.body, type=Deleted).says)
        row = msgspec.json.decode(event.body, type=DeletedOrder)
    except msgspec.MsgspecError as error:
        raise Rejected(f"A record of Business Central cannot be read: {error}") from error
    order = ErpOrder(
        row.key,
        "",
        "Deleted",
        commits_stock=False,
        lines=(),
        erp_stamp_ms=row.erp_ms,
        cancelled=row.cancelled,
    )
    return [Change(Kind.ERP_ORDER, row.key, row.erp_ms, 0, event.occurred_at_ms, order)]
