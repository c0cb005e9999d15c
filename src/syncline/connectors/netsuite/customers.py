"""The ``customers`` stream: every customer with contacts and addresses, page by page.

A customer's own stamp moves with none of the two others, so all are read each time, and what is as this process read it
last is not told again. A record is put together from three statements, and dated by the first of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial

from syncline.connectors.netsuite import queries
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.manifest import CUSTOMERS, NetSuiteSettings
from syncline.model.change import Change, Cursor, Kind, LoggedEvent
from syncline.model.customers import Company, Contact, Site
from syncline.model.errors import Retryable
from syncline.ports import Clock, Page
from syncline.sdk import customers, scan
from syncline.sdk.customers import CustomerRow
from syncline.sdk.scan import Scan, events

TOPIC = customers.TOPIC
PAGES_MAX = 10_000  # ten million customers
START = -(2**31)


class Place(scan.Place, frozen=True):
    """Where an unfinished scan stands: behind which customer."""

    after: int = START


class CustomerScan:
    """Reads all customers of one account."""

    def __init__(
        self, system: str, settings: NetSuiteSettings, clock: Clock, client: Client, erp_clock: ErpClock
    ) -> None:
        self._clock = clock
        self._client = client
        self._erp = erp_clock
        self._iso = {number: code for code, number in settings.currencies.items()}
        self._scan = Scan[CustomerRow](system, CUSTOMERS.name, Kind.CUSTOMER, partial(events, system, TOPIC))

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """From the first to the last, in the order of their ids."""
        first = Place(self._clock.now_ms())
        await self._erp.read()  # learns which expression for its clock the account accepts
        async for page in self._scan.pages_from(cursor, first, self._page, PAGES_MAX):
            yield page

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


def decode(logged: LoggedEvent) -> list[Change]:
    """The customers that an event states.

    Raises:
        Rejected: the content cannot be understood.
    """
    return customers.decode(logged, "NetSuite")
