"""Companies of a shop: reading them whole, for writing and for comparison.

A customer of the ERP is a company, its addresses are the company's locations, its contacts the company's. A company has the
customer's key as its external id, a location that and the address's. A contact's role counts if it is held at every
location of ours; which of these people buy at further ones as well is the shop's own business. There is no state of a company: whoever may do nothing has no contact with a role.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from syncline.connectors.shopify import company_documents as documents
from syncline.connectors.shopify import wire
from syncline.connectors.shopify.client import Client
from syncline.connectors.shopify.documents import requested_cost
from syncline.connectors.shopify.wire import number
from syncline.model.customers import Contact, CustomerCard, Site
from syncline.model.errors import Rejected, Retryable
from syncline.model.readings import Told
from syncline.model.records import Item as Named
from syncline.ports import Clock, Part

PAGES_MAX = 1_000
SEP = "-"  # between a customer's key and its address's
MIXED = "different roles, or not at every location"


class Role(Struct, frozen=True):
    id: wire.Gid
    name: str


class _Assignment(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    role: Role
    company_location: wire.Ref


class _Email(Struct, frozen=True, rename="camel"):
    email_address: str


class _Phone(Struct, frozen=True, rename="camel"):
    phone_number: str


class _Person(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    first_name: str | None = None
    last_name: str | None = None
    default_email_address: _Email | None = None
    default_phone_number: _Phone | None = None


class ContactRow(Struct, frozen=True, rename="camel"):
    """A contact as the shop tells of it."""

    id: wire.Gid
    customer: _Person
    role_assignments: wire.Connection[_Assignment]
    title: str | None = None

    @property
    def email(self) -> str:
        """In lower case; "" without."""
        known = self.customer.default_email_address
        return known.email_address.lower() if known is not None else ""

    @property
    def names(self) -> tuple[str, str]:
        """First and last."""
        return self.customer.first_name or "", self.customer.last_name or ""

    @property
    def phone(self) -> str:
        """Empty without."""
        known = self.customer.default_phone_number
        return known.phone_number if known is not None else ""


class AddressRow(Struct, frozen=True, rename="camel"):
    """An address of a location."""

    recipient: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    zone_code: str | None = None
    zip: str | None = None
    country_code: str | None = None


class _Tax(Struct, frozen=True, rename="camel"):
    tax_registration_id: str | None = None


class _Buying(Struct, frozen=True, rename="camel"):
    payment_terms_template: wire.Ref | None = None


class LocationRow(Struct, frozen=True, rename="camel"):
    """A location as the shop tells of it."""

    id: wire.Gid
    name: str
    tax_settings: _Tax
    external_id: str | None = None
    phone: str | None = None
    shipping_address: AddressRow | None = None
    billing_address: AddressRow | None = None
    buyer_experience_configuration: _Buying | None = None

    @property
    def tax_id(self) -> str:
        """Empty without."""
        return self.tax_settings.tax_registration_id or ""

    @property
    def terms(self) -> str:
        """The number of its terms of payment; "" without."""
        buying = self.buyer_experience_configuration
        terms = buying.payment_terms_template if buying is not None else None
        return number(terms.id) if terms is not None else ""


class _Company(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    name: str
    contact_roles: wire.Connection[Role]
    contacts: wire.Connection[ContactRow]
    locations: wire.Connection[LocationRow]
    external_id: str | None = None


class _Answer(Struct, frozen=True):
    company: _Company | None = None


class CompanyRow(Struct, frozen=True):
    """A company with all that belongs to it."""

    id: str
    name: str
    external_id: str
    roles: tuple[Role, ...]
    contacts: tuple[ContactRow, ...]
    locations: tuple[LocationRow, ...]

    def ours(self, key: str) -> dict[str, LocationRow]:
        """The locations that stand for addresses of a customer, by the address's key; "" for one without addresses."""
        prefix = f"{key}{SEP}"
        return {
            "" if one.external_id == key else one.external_id.removeprefix(prefix): one
            for one in self.locations
            if one.external_id and (one.external_id == key or one.external_id.startswith(prefix))
        }

    def card(self, key: str) -> CustomerCard:
        """The company as it would have been written."""
        ours = self.ours(key)
        everywhere = {one.id for one in ours.values()}
        return CustomerCard(
            name=self.name,
            tax_id=_one({place.tax_id for place in ours.values()}),
            terms=_one({place.terms for place in ours.values()}),
            contacts=tuple(_contact(one, everywhere) for one in self.contacts),
            sites=tuple(_site(at, place) for at, place in ours.items() if at),
        )


async def read_company(client: Client, gid: str) -> tuple[CompanyRow | None, float]:
    """A company with all its contacts and locations, and what reading took in points; ``None``: there is none."""
    contacts: list[ContactRow] = []
    locations: list[LocationRow] = []
    after: dict[str, str | None] = {"contacts": None, "locations": None}
    more = {"contacts": True, "locations": True}
    cost = 0.0
    for _ in range(PAGES_MAX):
        answer = await client.call(documents.READ, {"id": gid, **after}, _Answer)
        cost += requested_cost(documents.READ.text)
        if (found := answer.company) is None:
            return None, cost
        if more["contacts"]:
            contacts += found.contacts.nodes
        if more["locations"]:
            locations += found.locations.nodes
        for name, page in (
            ("contacts", found.contacts.page_info),
            ("locations", found.locations.page_info),
        ):
            more[name] = more[name] and page.has_next_page
            after[name] = page.end_cursor or after[name]
        if not any(more.values()):
            roles = found.contact_roles.nodes
            row = CompanyRow(
                found.id, found.name, found.external_id or "", roles, tuple(contacts), tuple(locations)
            )
            return row, cost
    raise Retryable(f"reading a company did not end after {PAGES_MAX} pages")


class CompanyReader:
    """Reads companies again, for comparison."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read(self, groups: Sequence[str], items: Sequence[Named]) -> Part[Told]:
        """Some companies as they are; those that were deleted are left out."""
        began_ms = self._clock.now_ms()
        rows: list[Told] = []
        cost = 0.0
        try:
            for item in items if groups else ():
                company, points = await read_company(self._client, item.external_id)
                cost += points
                if company is not None:
                    rows.append(Told("", item.external_id, company.card(item.sku)))
        except Rejected as error:  # what refuses a reading can be mended while we wait
            raise Retryable(str(error)) from error
        return Part(tuple(rows), began_ms, "", cost)


def _one(values: set[str]) -> str:
    """What all of them say; several are no value that anybody would have written."""
    return " | ".join(sorted(values))


def _contact(row: ContactRow, everywhere: set[str]) -> Contact:
    if row.role_assignments.page_info.has_next_page:
        raise Rejected(f"a contact has more than {documents.ASSIGNMENTS_FIRST} roles: more are not read")
    ours = [one for one in row.role_assignments.nodes if one.company_location.id in everywhere]
    held = {one.role.name for one in ours}
    places = {one.company_location.id for one in ours}
    able = bool(row.role_assignments.nodes)  # be it at a location that is none of ours
    role = "" if not able else held.pop() if len(held) == 1 and places >= everywhere else MIXED
    first, last = row.names
    return Contact("", first, last, row.email, row.phone, row.title or "", role)


def _site(key: str, row: LocationRow) -> Site:
    address = row.shipping_address or AddressRow()
    return Site(
        key,
        row.name,
        name=address.recipient or "",
        line1=address.address1 or "",
        line2=address.address2 or "",
        city=address.city or "",
        region=address.zone_code or "",
        postcode=address.zip or "",
        country=address.country_code or "",
        phone=row.phone or "",
    )
