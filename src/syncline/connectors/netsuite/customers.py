"""The ``customers`` stream: every customer with contacts and addresses, page by page.

A customer's own stamp moves with none of the two others, so all are read each time, and what is as this process read it
last is not told again. A record is put together from three statements, and dated by the first of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable, Sequence

import msgspec

from syncline.connectors.netsuite import queries
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.manifest import CUSTOMERS, NetSuiteSettings
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.customers import Company, Contact, Site
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock, Page

TOPIC = "customer.rows"
PAGES_MAX = 10_000  # ten million customers
PER_EVENT = 25  # records; an event costs as much as ten of them
REMEMBERED_MAX = 1_000_000
START = -(2**31)


class Place(msgspec.Struct, frozen=True):
    """Where an unfinished scan stands: behind which customer; ``began`` is 0 between scans."""

    began: int = 0
    after: int = START


class CustomerRow(msgspec.Struct, frozen=True):
    """One of ``customer.rows``: a customer as read, and when it changed as far as is known."""

    company: Company
    erp_ms: int
    changed_ms: int


_ROWS = msgspec.json.Decoder(list[CustomerRow])


class CustomerScan:
    """Reads all customers of one account."""

    def __init__(
        self, system: str, settings: NetSuiteSettings, clock: Clock, client: Client, erp_clock: ErpClock
    ) -> None:
        self._system = system
        self._clock = clock
        self._client = client
        self._erp = erp_clock
        self._iso = {number: code for code, number in settings.currencies.items()}
        self._told: dict[str, bytes] = {}  # digests of what was told, by customer

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """From the first to the last, in the order of their ids."""
        place = _resume(cursor, self._clock.now_ms())
        whole = place.after == START  # not the rest of one that was cut short
        covers_ms = cursor.covers_ms if cursor else 0
        since_ms = covers_ms or place.began  # contacts and addresses have no stamp of use
        seen: set[str] = set()
        await self._erp.read()  # learns which expression for its clock the account accepts
        for _ in range(PAGES_MAX):
            rows, after = await self._page(place, since_ms)
            digests = {row.company.key: _digest(row) for row in rows}
            fresh = [row for row in rows if self._told.get(row.company.key) != digests[row.company.key]]
            told = {row.company.key for row in fresh}
            position = msgspec.json.encode(after or Place()).decode()
            yield Page(
                tuple(_events(self._system, fresh)),
                Cursor(self._system, CUSTOMERS.name, position, covers_ms if after else place.began),
                after is None,
                tuple((Kind.CUSTOMER, row.company.key) for row in rows if row.company.key not in told),
            )
            if len(self._told) > REMEMBERED_MAX:
                self._told.clear()
            self._told.update(digests)
            seen.update(digests)
            if after is None:
                if whole:  # what this did not contain has to be told when it is there again
                    self._told = {key: value for key, value in self._told.items() if key in seen}
                return
            place = after
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of customers.")

    async def _page(self, place: Place, since_ms: int) -> tuple[list[CustomerRow], Place | None]:
        """Some customers, and where the rest begins; ``None`` after the last."""
        heads = await self._client.query(queries.all_customers(self._erp.expression), [place.after])
        if not heads:
            return [], None
        first, last = int(heads[0]["id"]), int(heads[-1]["id"])
        contacts = await self._of(queries.CUSTOMER_CONTACTS, first, last)
        addresses = await self._of(queries.CUSTOMER_ADDRESSES, first, last)
        rows = [
            CustomerRow(
                self._company(head, contacts.get(str(head["id"]), ()), addresses.get(str(head["id"]), ())),
                self._erp.stamp(head),
                since_ms,
            )
            for head in heads
        ]
        return rows, Place(place.began, last) if len(heads) == PAGE_MAX else None

    async def _of(self, sql: str, first: int, last: int) -> dict[str, list[Row]]:
        """What belongs to the customers from one id to another."""
        found: dict[str, list[Row]] = {}
        at, part = first, START
        for _ in range(PAGES_MAX):
            rows = await self._client.query(sql, [last, at, at, part])
            for row in rows:
                found.setdefault(str(row["customer"]), []).append(row)
            if len(rows) < PAGE_MAX:
                return found
            at, part = int(rows[-1]["customer"]), int(rows[-1]["id"])
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of what belongs to some customers.")

    def _company(self, head: Row, contacts: Sequence[Row], addresses: Sequence[Row]) -> Company:
        person = head.get("isperson") == "T"
        names = f"{_text(head, 'firstname')} {_text(head, 'lastname')}".strip()
        return Company(
            key=str(head["id"]),
            name=(names if person else _text(head, "companyname")) or _text(head, "entityid"),
            number=_text(head, "entityid"),
            active=head.get("isinactive") != "T",
            external_id=_text(head, "externalid"),
            tax_id=_text(head, "taxid"),
            terms=_text(head, "terms"),
            group=_text(head, "pricelevel"),
            currency=self._currency(head.get("currency")),
            email=_text(head, "email"),
            phone=_text(head, "phone"),
            person=person,
            contacts=tuple(_contact(row) for row in contacts),
            sites=tuple(_site(row) for row in addresses),
        )

    def _currency(self, number: object) -> str:
        """The ISO code; where the account has one currency "", and for one that is not configured its id."""
        return self._iso.get(str(number), f"#{number}") if self._iso and number is not None else ""


def _resume(cursor: Cursor | None, now_ms: int) -> Place:
    if cursor and cursor.position:
        place = msgspec.json.decode(cursor.position, type=Place)
        if place.began:
            return place
    return Place(now_ms)


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _contact(row: Row) -> Contact:
    return Contact(
        str(row["id"]),
        _text(row, "firstname"),
        _text(row, "lastname"),
        _text(row, "email"),
        _text(row, "phone"),
        _text(row, "title"),
        _text(row, "role"),
    )


def _site(row: Row) -> Site:
    return Site(
        str(row["id"]),
        _text(row, "label"),
        billing=row.get("defaultbilling") == "T",
        shipping=row.get("defaultshipping") == "T",
        name=_text(row, "addressee"),
        line1=_text(row, "addr1"),
        line2=_text(row, "addr2"),
        city=_text(row, "city"),
        region=_text(row, "state"),
        postcode=_text(row, "zip"),
        country=_text(row, "country"),
        phone=_text(row, "addrphone"),
    )


def _digest(row: CustomerRow) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(row.company), digest_size=12).digest()


def _events(system: str, records: Sequence[CustomerRow]) -> Iterable[Event]:
    """Records, a few dozen in an event. A customer may go back to what it was, so the id contains the ERP's clock."""
    for start in range(0, len(records), PER_EVENT):
        some = records[start : start + PER_EVENT]
        body = msgspec.json.encode(some)
        event_id = f"customer:{hashlib.blake2b(body, digest_size=16).hexdigest()}"
        yield Event(system, TOPIC, event_id, Via.SNAPSHOT, min(one.changed_ms for one in some), body)


def decode(logged: LoggedEvent) -> list[Change]:
    """The customers that an event states.

    Raises:
        Rejected: the content cannot be understood.
    """
    try:
        return [
            Change(Kind.CUSTOMER, row.company.key, row.erp_ms, 0, row.changed_ms, row.company)
            for row in _ROWS.decode(logged.event.body)
        ]
    except (msgspec.MsgspecError, ValueError) as error:
        raise Rejected(f"A customer of NetSuite cannot be read: {error}") from error
