"""The ``customers`` stream: every customer card, which has one address and one e-mail.

The standard page tells no price group, no discount group and no ship-to addresses (AL, contract sheet section 5), so a
customer has one site, its own address, and one contact, whoever reads its e-mail. Everything is read each time, and what is
as it was when this process read it last is not told again: a card that was deleted leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

from syncline.connectors.business_central.client import Row
from syncline.connectors.business_central.manifest import CUSTOMERS
from syncline.connectors.business_central.reading import Reading
from syncline.connectors.business_central.rows import NO_GUID, text
from syncline.model.change import Change, Cursor, Kind, LoggedEvent
from syncline.model.customers import Company, Contact, Site
from syncline.ports import Page
from syncline.sdk import customers
from syncline.sdk.customers import CustomerRow
from syncline.sdk.scan import Scan, events

TOPIC = customers.TOPIC
PAGES_MAX = 10_000
MAIN = "main"  # the key of the only address, and of the only contact
BLOCKED = "All"  # blocked for shipping or invoicing alone, a customer may still order


class CustomerScan:
    """Reads all customers of one company. A read that was cut short begins again."""

    def __init__(self, reading: Reading) -> None:
        system, self._settings, self._clock, self._client, self._erp_ms = reading
        self._scan = Scan[CustomerRow](system, CUSTOMERS.name, Kind.CUSTOMER, partial(events, system, TOPIC))

    def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """In the order of their numbers, pages as the server cuts them."""
        began_ms = self._clock.now_ms()
        changed_ms = (cursor.covers_ms if cursor else 0) or began_ms
        return self._scan.pages(self._found(changed_ms), cursor, began_ms)

    async def _found(self, changed_ms: int) -> AsyncGenerator[tuple[list[CustomerRow], str | None], None]:
        erp_ms = await self._erp_ms()
        query = {"orderby": "number"}
        async for found, last in self._client.pages("customers", query, most=PAGES_MAX, order="number"):
            rows = [CustomerRow(self._company(row), erp_ms, changed_ms) for row in found]
            yield rows, None if last else ""

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
            terms="" if terms == NO_GUID else terms,
            currency=text(row, "currencyCode") or self._settings.currency,
            email=email,
            phone=text(row, "phoneNumber"),
            person=person,
            contacts=(contact,) if email else (),
            sites=(address,) if address.line1 else (),
        )


def decode(logged: LoggedEvent) -> list[Change]:
    """The customers that an event states.

    Raises:
        Rejected: the content cannot be understood.
    """
    return customers.decode(logged, "Business Central")
