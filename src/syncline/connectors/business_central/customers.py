"""The ``customers`` stream: every customer card, which has one address and one e-mail.

The standard page tells no price group, no discount group and no ship-to addresses (AL, contract sheet section 5), so a
customer has one site, its own address, and one contact, whoever reads its e-mail. Everything is read each time, and what is
as it was when this process read it last is not told again: a card that was deleted leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec

from syncline.connectors.business_central.client import Client, Row
from syncline.connectors.business_central.manifest import CUSTOMERS, BusinessCentralSettings
from syncline.connectors.business_central.rows import text
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.customers import Company, Contact, Site
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock, Page

TOPIC = "customer.rows"
PAGES_MAX = 10_000
PER_EVENT = 25  # records; an event costs as much as ten of them
REMEMBERED_MAX = 1_000_000
MAIN = "main"  # the key of the only address, and of the only contact
BLOCKED = "All"  # blocked for shipping or invoicing alone, a customer may still order
NOBODY = "00000000-0000-0000-0000-000000000000"  # an empty reference, as the API writes it


class CustomerRow(msgspec.Struct, frozen=True):
    """One of ``customer.rows``: a customer as read, and when it changed as far as is known."""

    company: Company
    erp_ms: int
    changed_ms: int


_ROWS = msgspec.json.Decoder(list[CustomerRow])


class CustomerScan:
    """Reads all customers of one company. A read that was cut short begins again."""

    def __init__(
        self,
        system: str,
        settings: BusinessCentralSettings,
        clock: Clock,
        client: Client,
        erp_ms: Callable[[], Awaitable[int]],
    ) -> None:
        self._system = system
        self._settings = settings
        self._clock = clock
        self._client = client
        self._erp_ms = erp_ms
        self._told: dict[str, bytes] = {}  # digests of what was told, by customer

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """In the order of their numbers, pages as the server cuts them."""
        began_ms = self._clock.now_ms()
        covers_ms = cursor.covers_ms if cursor else 0
        erp_ms = await self._erp_ms()
        follow = self._client.url("customers", {"orderby": "number"})
        seen: set[str] = set()
        before = ""
        for _ in range(PAGES_MAX):
            found, follow = await self._client.page(follow)
            for row in found:
                if text(row, "number") < before:
                    raise Retryable("Business Central returned customers out of order.")
                before = text(row, "number")
            records = [CustomerRow(self._company(row), erp_ms, covers_ms or began_ms) for row in found]
            digests = {one.company.key: _digest(one) for one in records}
            fresh = [one for one in records if self._told.get(one.company.key) != digests[one.company.key]]
            told = {one.company.key for one in fresh}
            yield Page(
                tuple(_events(self._system, fresh)),
                Cursor(self._system, CUSTOMERS.name, "", covers_ms if follow else began_ms),
                not follow,
                tuple((Kind.CUSTOMER, one.company.key) for one in records if one.company.key not in told),
            )
            self._told.update(digests)
            seen.update(digests)
            if not follow:
                # What this did not contain has to be told when it is there again.
                self._told = {key: value for key, value in self._told.items() if key in seen}
                if len(self._told) > REMEMBERED_MAX:
                    self._told.clear()
                return
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of customers.")

    def _company(self, row: Row) -> Company:
        number, email, terms = text(row, "number"), text(row, "email"), text(row, "paymentTermsId")
        prefix = self._settings.customer_prefix.upper()
        own = number[len(prefix) :].lower() if prefix and number.startswith(prefix) else ""
        person = text(row, "type") == "Person"
        address = Site(
            MAIN,
            billing=True,
            shipping=True,
            name=text(row, "displayName"),
            line1=text(row, "addressLine1"),
            line2=text(row, "addressLine2"),
            city=text(row, "city"),
            region=text(row, "state"),
            postcode=text(row, "postalCode"),
            country=text(row, "country"),
            phone=text(row, "phoneNumber"),
        )
        # A card names the company only; channels want a person of two names.
        first, _, last = text(row, "displayName").strip().partition(" ")
        contact = Contact(MAIN, first, last.strip() or first, email, text(row, "phoneNumber"))
        return Company(
            key=text(row, "id"),
            name=text(row, "displayName"),
            number=number,
            active=text(row, "blocked") != BLOCKED,
            external_id=own,  # whom we made from an order has our reference as a number
            tax_id=text(row, "taxRegistrationNumber"),
            terms="" if terms == NOBODY else terms,
            currency=text(row, "currencyCode") or self._settings.currency,
            email=email,
            phone=text(row, "phoneNumber"),
            person=person,
            contacts=(contact,) if email else (),
            sites=(address,) if address.line1 else (),
        )


def _digest(row: CustomerRow) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(row.company), digest_size=12).digest()


def _events(system: str, records: Sequence[CustomerRow]) -> list[Event]:
    """Records, a few dozen in an event. A customer may go back to what it was, so the id contains the ERP's clock."""
    events = []
    for start in range(0, len(records), PER_EVENT):
        some = records[start : start + PER_EVENT]
        body = msgspec.json.encode(some)
        event_id = f"customer:{hashlib.blake2b(body, digest_size=16).hexdigest()}"
        events.append(Event(system, TOPIC, event_id, Via.SNAPSHOT, min(one.changed_ms for one in some), body))
    return events


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
        raise Rejected(f"A customer of Business Central cannot be read: {error}") from error
