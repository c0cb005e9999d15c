"""The ``payments`` and ``returns`` streams: what was received for our orders, and what of them came back.

Both follow the documents that say so by their stamps, and are read only where a route carries them. A deposit entered in
the product is money; of an invoice the product tells what is left to be paid, not by what it was settled. So what was
received is at least the larger of what was deposited and what is settled, less the deposits that we wrote for payments of
the channel. A credit memo that was made from an invoice settles it without money, and is taken off. Of an order that goods
are to come back of, one that was not may have settled an invoice: then deposits alone count.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial

import msgspec

from syncline.connectors.netsuite import queries, rows, zones
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.delta import KEY_START, PAGES_MAX, Place, advance, begin
from syncline.connectors.netsuite.erpclock import ErpClock, Reading
from syncline.connectors.netsuite.kits import KitColumns
from syncline.connectors.netsuite.manifest import PAYMENTS, RETURNS, NetSuiteSettings
from syncline.model.change import Change, Cursor, Event, LoggedEvent, Via
from syncline.model.errors import Retryable
from syncline.model.records import ZERO
from syncline.ports import Clock, Page
from syncline.sdk import money
from syncline.sdk.money import RECEIPT, RETURN, Units, amount

TOPICS = money.TOPICS
REMEMBERED_MAX = 20_000
CHUNK = 100  # documents named in one query
SETTLED_MS = 2_000  # a stamp's second must be over before a reading of it is final
PAID = "B"  # the letter of an invoice that is paid in full
OUR_PAYMENT, OUR_REFUND = "-pay-", "-ref-"  # in the external ids of what we wrote for a channel

Tell = Callable[[list[int], int], Awaitable[list[Event]]]  # documents, and since when they may have changed


class ReceiptRow(money.ReceiptRow, frozen=True):
    """A receipt, with the account's clock when it was read."""

    erp_ms: int

    @property
    def version_ms(self) -> int:
        """Of the change."""
        return self.erp_ms


class ReturnRow(money.ReturnRow, frozen=True):
    """A receipt of returned goods, with the account's clock when it was read."""

    erp_ms: int

    @property
    def version_ms(self) -> int:
        """Of the change."""
        return self.erp_ms


_RECEIPT = msgspec.json.Decoder(ReceiptRow)
_RETURN = msgspec.json.Decoder(ReturnRow)


class Money:
    """Reads both streams of one account."""

    def __init__(
        self, system: str, settings: NetSuiteSettings, clock: Clock, client: Client, erp_clock: ErpClock
    ) -> None:
        self._system = system
        self._settings = settings
        self._clock = clock
        self._client = client
        self._erp = erp_clock
        self._kits = KitColumns()
        self._currencies = {ident: code for code, ident in settings.currencies.items()}
        self._seen: dict[str, OrderedDict[str, str]] = {
            PAYMENTS.name: OrderedDict(),
            RETURNS.name: OrderedDict(),
        }

    def payments(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """What was received for the orders of which an invoice or a deposit changed."""
        return self._read(PAYMENTS.name, ("CustInvc", "CustDep"), cursor, self._receipts)

    def returns(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Goods that came back for orders of ours, other than those that we were told of by their channel."""
        return self._read(RETURNS.name, ("ItemRcpt",), cursor, self._returns)

    async def _read(
        self, stream: str, types: Sequence[str], cursor: Cursor | None, tell: Tell
    ) -> AsyncGenerator[Page, None]:
        now_ms = self._clock.now_ms()
        reading = await self._erp.read()
        covers_ms = cursor.covers_ms if cursor else 0
        place = begin(cursor, reading, now_ms, self._erp.zone, self._settings.poll_overlap_s)
        for _ in range(PAGES_MAX):
            headers = await self._client.query(queries.changed(types), [place.stamp, place.stamp, place.id])
            seen = self._seen[stream]
            fresh = [h for h in headers if seen.get(str(h["id"])) != h.get("lm")]
            events = await tell([int(h["id"]) for h in fresh], covers_ms or now_ms)
            last = len(headers) < PAGE_MAX
            after = Place(place.next) if last else advance(place, headers[-1])
            position = msgspec.json.encode(after).decode()
            covered = place.began if last else covers_ms
            yield Page(tuple(events), Cursor(self._system, stream, position, covered), last)
            self._remember(seen, fresh, reading)
            if last:
                return
            place = after
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of changed {stream}.")

    def _remember(self, seen: OrderedDict[str, str], fresh: Iterable[Row], reading: Reading) -> None:
        """Not to tell again what the overlap brings again. What may still change under its stamp is told again."""
        for header in fresh:
            at_ms = self._instant(header.get("lm"), reading.utc_ms) if reading.proven else None
            if at_ms is not None and at_ms + SETTLED_MS <= reading.utc_ms:
                seen[str(header["id"])] = str(header.get("lm"))
        while len(seen) > REMEMBERED_MAX:
            seen.popitem(last=False)

    def _instant(self, stamp: object, near_ms: int) -> int | None:
        return None if self._erp.zone is None else zones.parse_local(stamp, self._erp.zone, near_ms)

    def _changed(self, row: Row, since_ms: int) -> int:
        at_ms = self._instant(row.get("lm"), self._erp.stamp(row))
        return since_ms if at_ms is None else at_ms

    # -- reading documents --------------------------------------------------------------------

    async def _chunks(self, sql: Callable[[int, str], str], wanted: Iterable[int]) -> list[Row]:
        """Rows of some documents, a hundred documents at a time, by the keyset (document, line)."""
        idents = sorted(set(wanted))
        found: list[Row] = []
        for start in range(0, len(idents), CHUNK):
            chunk = idents[start : start + CHUNK]
            at = (KEY_START, KEY_START)
            for _ in range(PAGES_MAX):
                page = await self._client.query(
                    sql(len(chunk), self._erp.expression), [*chunk, at[0], at[0], at[1]]
                )
                found += page
                if len(page) < PAGE_MAX:
                    break
                at = (int(page[-1]["txn"]), int(page[-1]["line"]))
        return found

    async def _orders(self, idents: Iterable[int]) -> dict[str, Row]:
        """Sales orders by id, with the names under which we know them; others are left out."""
        heads = await self._chunks(queries.documents_of, idents)
        return {
            str(row["txn"]): row
            for row in heads
            if row.get("type") == "SalesOrd" and rows.order_name(row, self._settings)
        }

    async def _receipts(self, documents: list[int], since_ms: int) -> list[Event]:
        changed = await self._chunks(queries.documents_of, documents)
        orders = await self._orders(int(x["createdfrom"]) for x in changed if x.get("createdfrom"))
        made: defaultdict[str, list[Row]] = defaultdict(list)
        for row in await self._chunks(queries.made_from, map(int, orders)):
            made[str(row["createdfrom"])].append(row)
        settled = (row for rows_ in made.values() for row in rows_ if _settled(row))
        credited: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in await self._chunks(queries.credits_of, (int(row["txn"]) for row in settled)):
            # SuiteQL states it as a negative number.
            credited[str(row["createdfrom"])] += abs(_amount(row, "total"))
        return [
            self._receipt(head, made[key], credited, since_ms) for key, head in orders.items() if made[key]
        ]

    def _receipt(
        self, head: Row, made: Sequence[Row], credited: Mapping[str, Decimal], since_ms: int
    ) -> Event:
        name = rows.order_name(head, self._settings)
        deposited = ours = settled = ZERO
        returns = False
        for row in made:
            if row.get("type") == "CustDep":
                deposited += _amount(row, "total")
                ours += (
                    _amount(row, "total") if OUR_PAYMENT in str(row.get("externalid") or "").lower() else 0
                )
            elif row.get("type") == "CustInvc":
                settled += max(ZERO, _settled(row) - credited.get(str(row["txn"]), ZERO))
            else:
                returns = True
        received = max(ZERO, max(deposited, ZERO if returns else settled) - ours)
        changed_ms = max(self._changed(row, since_ms) for row in made)
        currency = self._currencies.get(str(head.get("currency") or ""), "")
        erp_ms = min(self._erp.stamp(row) for row in made)
        body = ReceiptRow(name, f"{received:f}", currency, changed_ms, erp_ms)
        stamps = sorted((str(row["txn"]), str(row.get("lm"))) for row in made)
        event_id = f"receipt:{head['txn']}:{rows.digest(name, body.received, currency, stamps)}"
        return Event(self._system, RECEIPT, event_id, Via.POLL, changed_ms, msgspec.json.encode(body))

    async def _returns(self, documents: list[int], since_ms: int) -> list[Event]:
        received = await self._chunks(queries.documents_of, documents)
        from_return = {
            str(row["txn"]): row
            for row in await self._chunks(
                queries.documents_of, (int(x["createdfrom"]) for x in received if x.get("createdfrom"))
            )
            if row.get("type") == "RtnAuth"
            and row.get("createdfrom")
            and OUR_REFUND not in str(row.get("externalid") or "").lower()
        }
        wanted = [x for x in received if str(x.get("createdfrom")) in from_return]
        orders = await self._orders(int(row["createdfrom"]) for row in from_return.values())
        lines: defaultdict[str, list[Row]] = defaultdict(list)
        for row in await self._kits.read(partial(self._lines, [int(x["txn"]) for x in wanted])):
            if rows.moved(row, leaves=False):
                lines[str(row["txn"])].append(row)
        events = []
        for head in wanted:
            order = orders.get(str(from_return[str(head["createdfrom"])]["createdfrom"]))
            if order is not None and (goods := lines[str(head["txn"])]):
                name = rows.order_name(order, self._settings)
                events.append(self._return(head, name, goods, self._changed(head, since_ms)))
        return events

    async def _lines(self, documents: Sequence[int], kits: str) -> list[Row]:
        return await self._chunks(partial(queries.lines_of, kits=kits), documents)

    def _return(self, head: Row, order_key: str, goods: Sequence[Row], changed_ms: int) -> Event:
        units: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in goods:
            units[rows.sku_of(row), str(row.get("location") or "")] += abs(_amount(row, "quantity"))
        told = tuple(Units(sku, place, f"{n:f}") for (sku, place), n in units.items())
        body = ReturnRow(str(head["txn"]), order_key, changed_ms, told, self._erp.stamp(head))
        event_id = f"return:{body.id}:{rows.digest(head.get('lm'), order_key, told)}"
        return Event(self._system, RETURN, event_id, Via.POLL, changed_ms, msgspec.json.encode(body))


def _settled(invoice: Row) -> Decimal:
    """What was settled of an invoice; nothing of what is none.

    One that does not say what is left of it, and not that it is paid, counts as unpaid: what NetSuite leaves out must not
    pass for money.
    """
    if invoice.get("type") != "CustInvc":
        return ZERO
    if queries.letter(invoice.get("status")) == PAID:
        return _amount(invoice, "total")
    return ZERO if invoice.get("unpaid") is None else _amount(invoice, "total") - _amount(invoice, "unpaid")


def _amount(row: Row, name: str) -> Decimal:
    return amount(row, name, "NetSuite")


def decode(logged: LoggedEvent) -> list[Change]:
    """The change that a row of these streams states.

    Raises:
        Rejected: the content cannot be understood.
    """
    return money.decode(logged, _RECEIPT.decode, _RETURN.decode, "NetSuite")
