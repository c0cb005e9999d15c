"""Writing a company: whatever it is, it is read first, and only what differs is written.

Every step sets something to what it should be, so a call whose outcome is unknown is simply made again: it finds what the
last one did. Nothing is ever deleted; who may do nothing any more loses their roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from syncline.connectors.shopify import company_documents as documents
from syncline.connectors.shopify import wire
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.companies import (
    PAGES_MAX,
    SEP,
    AddressRow,
    CompanyRow,
    ContactRow,
    LocationRow,
    read_company,
)
from syncline.connectors.shopify.documents import Document, quoted
from syncline.connectors.shopify.wire import number
from syncline.model.customers import MERGED, Contact, CustomerCard, CustomerField, MatchKey, Site
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.model.payloads import PutCustomer
from syncline.sdk.ownership import by_keys, resolved

TAKEN = "TAKEN"
CLOSED = "closed-"  # before the external id of a location whose address is none of the customer's any more
# What only one customer of a shop may have, and what is to be done if it is another one.
OTHERS = {
    "email": "its e-mail belongs to somebody who is no contact of this company; in Shopify make that customer a contact of it, or "
    "give the contact another e-mail at its source, then release this",
    "phone": "its phone number belongs to another customer of the shop; correct the one that is wrong, then release this",
}


class _Made(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    customer: wire.Ref | None = None


class _Written(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]
    made: _Made | None = None


class _Mutated(Struct, frozen=True):
    m: _Written | None = None


class _Hit(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    external_id: str | None = None


class _Hits(Struct, frozen=True):
    companies: wire.Connection[_Hit]


class _Place(Struct, frozen=True, rename="camel"):
    tax_settings: dict[str, str | None]


class _Taxed(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    locations: wire.Connection[_Place]
    external_id: str | None = None


class _TaxedPage(Struct, frozen=True):
    companies: wire.Connection[_Taxed]


class _Refused(Exception):
    """The vendor refused a mutation."""

    def __init__(self, errors: tuple[UserError, ...]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        # What others have already, by the last name of the path to it; "" where no path is told.
        self.taken = {(error.field or ("",))[-1] for error in errors if error.code == TAKEN}


class CompanyWriter:
    """Writes one shop's companies."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def put(self, payload: PutCustomer) -> Outcome:
        """Make one company what it should be. Who is refused of its people does not keep the others back."""
        company = await self._found(payload)
        card: CustomerCard = payload.content
        overwritten: tuple[CustomerField, ...] = ()
        if company is None:
            try:
                made = await self._create(payload)
            except _Refused as error:
                if "externalId" in error.taken:  # a former call made it, and the search does not know it yet
                    return Outcome(
                        Result.RETRY, f"Shopify has a company {payload.key} that its search does not find yet"
                    )
                return Outcome(Result.REJECTED, f"Shopify: {error}")
            company, _ = await read_company(self._client, made)
            if company is None:
                return Outcome(
                    Result.RETRY, f"Shopify does not show company {payload.key} yet, which was just made"
                )
        else:
            card, overwritten = resolved(payload.before, company.card(payload.key), payload.content)
        facts: dict[str, Any] = {"external_id": company.id}
        if overwritten:
            facts["overwritten"] = ", ".join(one.value for one in overwritten)
        try:
            await self._head(payload.key, company, card)
            company = await self._places(payload.key, company, card)
        except _Refused as error:
            return Outcome(Result.REJECTED, f"Shopify: {error}", facts=facts)
        buyers, problems = await self._people(payload.key, company, card)
        facts["buyers"] = buyers
        if problems:
            return Outcome(Result.REJECTED, "; ".join(problems), facts=facts)
        return Outcome(Result.DONE, facts=facts)

    # --- finding ----------------------------------------------------------------------------------

    async def _found(self, payload: PutCustomer) -> CompanyRow | None:
        """The company that stands for a customer: by its id, or by the declared keys in their order."""
        if payload.external_id:
            known, _ = await read_company(self._client, payload.external_id)
            if known is not None:
                return known
        hit = await by_keys(
            payload, self._having, lambda one: one.external_id, mark="external id", where="Shopify"
        )
        if hit is None:
            return None
        found, _ = await read_company(self._client, hit.id)
        return found

    async def _having(self, name: str, value: str) -> list[_Hit]:
        return await self._with_tax_id(value) if name == MatchKey.TAX_ID else await self._search(value)

    async def _search(self, external_id: str) -> list[_Hit]:
        answer = await self._client.call(
            documents.FIND, {"query": f"external_id:{quoted(external_id)}"}, _Hits
        )
        return [hit for hit in answer.companies.nodes if hit.external_id == external_id]

    async def _with_tax_id(self, tax_id: str) -> list[_Hit]:
        """Companies with a location of that registration: no search knows it, so all are read."""
        hits: list[_Hit] = []
        after: str | None = None
        for _ in range(PAGES_MAX):
            page = (await self._client.call(documents.TAX_IDS, {"after": after}, _TaxedPage)).companies
            hits += [
                _Hit(one.id, one.external_id)
                for one in page.nodes
                if any(at.tax_settings.get("taxRegistrationId") == tax_id for at in one.locations.nodes)
            ]
            after = page.page_info.end_cursor
            if not page.page_info.has_next_page:
                return hits
        raise Retryable(f"reading companies did not end after {PAGES_MAX} pages")

    # --- the company and its locations ----------------------------------------------------------------

    async def _create(self, payload: PutCustomer) -> str:
        card = payload.content.first or payload.content
        sites = card.sites or ()
        place = {"externalId": payload.key, "name": card.name or payload.key}
        if sites:
            place = _place(payload.key, sites[0], card)
        given = {
            "company": {"name": card.name or payload.key, "externalId": payload.key},
            "companyLocation": place | _buying(card),
        }
        made = await self._write(documents.CREATE, input=given)
        assert made is not None
        return made.id

    async def _head(self, key: str, company: CompanyRow, card: CustomerCard) -> None:
        wanted = {"externalId": key} if company.external_id != key else {}
        if card.name is not None and card.name != company.name:
            wanted["name"] = card.name
        if wanted:
            await self._write(documents.UPDATE, id=company.id, input=wanted)

    async def _places(self, key: str, company: CompanyRow, card: CustomerCard) -> CompanyRow:
        """Make the locations what they should be; returns the company with those that were missing.

        Nobody may buy for a company without a location, so one without addresses has one all the same.
        """
        ours = company.ours(key)
        if card.sites is None:
            wanted: dict[str, Site | None] = dict.fromkeys(ours or ("",))
        else:
            wanted = {site.key: site for site in card.sites} or {"": None}
        missing = [at for at in wanted if at not in ours]
        closed = {f"{key}{SEP}{at}": ours[at] for at in ours if at not in wanted}
        for old in (value for name, value in card.keys if name == MERGED):
            closed |= {f"{old}{SEP}{at}": place for at, place in company.ours(old).items()}
        for at in missing:
            site = wanted[at]
            given = _place(key, site, card) if site is not None else {"externalId": key, "name": company.name}
            await self._write(documents.ADD_LOCATION, id=company.id, input=given | _buying(card))
        for name, place in closed.items():
            await self._write(documents.SET_LOCATION, id=place.id, input={"externalId": f"{CLOSED}{name}"})
        billing = next((site for site in card.sites or () if site.billing), None)
        for at, place in ours.items():
            if at in wanted:
                await self._place(place, wanted[at], billing, card)
        if not missing and not closed:
            return company
        again, _ = await read_company(self._client, company.id)
        if again is None:
            raise OutcomeUnknown("Shopify does not show the company that was just written")
        return again

    async def _place(
        self, place: LocationRow, site: Site | None, billing: Site | None, card: CustomerCard
    ) -> None:
        wanted: dict[str, Any] = {}
        if site is not None:
            if site.label and site.label != place.name:
                wanted["name"] = site.label
            if site.phone != (place.phone or ""):
                wanted["phone"] = site.phone or None
        if card.terms is not None and card.terms != place.terms:
            wanted |= _terms(card)
        if wanted:
            await self._write(documents.SET_LOCATION, id=place.id, input=wanted)
        if site is not None:
            types = [
                which
                for which, held, of in (
                    ("SHIPPING", place.shipping_address, site),
                    ("BILLING", place.billing_address, billing or site),
                )
                if _given(of) != _held(held)
            ]
            for which in types:
                address = _given(site if which == "SHIPPING" else billing or site)
                await self._write(documents.SET_ADDRESS, id=place.id, address=address, types=[which])
        if card.tax_id is not None and card.tax_id != place.tax_id:
            await self._write(documents.SET_TAX_ID, id=place.id, tax=card.tax_id or None)

    # --- people -------------------------------------------------------------------------------------

    async def _people(self, key: str, company: CompanyRow, card: CustomerCard) -> tuple[list[str], list[str]]:
        """Make the contacts what they should be; returns their customers' numbers, and who was refused."""
        if card.contacts is None:
            return [number(one.customer.id) for one in company.contacts], []
        places = [one.id for one in company.ours(key).values()]
        closed = {
            one.id for one in company.locations if one.external_id and one.external_id.startswith(CLOSED)
        }
        pairs = paired(card.contacts, company.contacts)
        kept = {row.id for row in pairs.values() if row is not None}
        problems: list[str] = []
        buyers: list[str] = []
        for row in company.contacts:
            await self._take_roles(row, closed if row.id in kept else None, problems)
        for contact in card.contacts:
            try:
                buyers.append(await self._person(contact, pairs[contact.key], company, places))
            except _Refused as error:
                why = [said for name, said in OTHERS.items() if name in error.taken] or [f"Shopify: {error}"]
                problems.append(f"contact {contact.key}: {'; '.join(why)}")
            except Rejected as error:
                problems.append(f"contact {contact.key}: {error}")
        return [one for one in buyers if one], problems

    async def _take_roles(self, row: ContactRow, where: set[str] | None, problems: list[str]) -> None:
        """Take somebody's roles at some locations; ``None``: at all."""
        for held in row.role_assignments.nodes:
            if where is not None and held.company_location.id not in where:
                continue
            try:
                await self._write(documents.TAKE_ROLE, id=row.id, assignment=held.id)
            except _Refused as error:
                problems.append(f"a contact that is none any more: Shopify: {error}")

    async def _person(
        self, contact: Contact, row: ContactRow | None, company: CompanyRow, places: list[str]
    ) -> str:
        role = next((one for one in company.roles if one.name == contact.role), None)
        if role is None:
            names = ", ".join(one.name for one in company.roles)
            raise Rejected(f"the company has no role {contact.role!r} in Shopify; there are {names}")
        wanted = {
            "firstName": contact.first_name,
            "lastName": contact.last_name,
            "email": contact.email,
            "phone": contact.phone or None,
            "title": contact.title or None,
        }
        if row is None:
            given = {name: value for name, value in wanted.items() if value}
            made = await self._write(documents.ADD_CONTACT, id=company.id, input=given)
            assert made is not None
            gid, buyer, held = made.id, made.customer, {}
        else:
            shown = {
                "firstName": row.names[0],
                "lastName": row.names[1],
                "email": row.email,
                "phone": row.phone or None,
                "title": row.title or None,
            }
            # Shopify takes a contact's phone number away from nobody: it refuses nothing as one.
            changed = {name: value for name, value in wanted.items() if shown[name] != value}
            if not wanted["phone"]:
                changed.pop("phone", None)
            if changed:
                await self._write(documents.SET_CONTACT, id=row.id, input=changed)
            gid, buyer = row.id, wire.Ref(row.customer.id)
            held = {one.company_location.id: one for one in row.role_assignments.nodes}
        for place in places:
            before = held.get(place)
            if before is not None and before.role.id == role.id:
                continue
            if before is not None:
                await self._write(documents.TAKE_ROLE, id=gid, assignment=before.id)
            await self._write(documents.GIVE_ROLE, id=gid, role=role.id, location=place)
        return number(buyer.id) if buyer is not None else ""

    async def _write(self, document: Document, **variables: Any) -> _Made | None:
        answer = await self._client.call(document, variables, _Mutated)
        if answer.m is None:
            raise OutcomeUnknown(f"Shopify said nothing about {document.name}")
        if answer.m.user_errors:
            raise _Refused(answer.m.user_errors)
        return answer.m.made


def paired(wanted: tuple[Contact, ...], there: tuple[ContactRow, ...]) -> Mapping[str, ContactRow | None]:
    """Which contact of a company each of ours is: by the e-mail, else by the name if nobody else has either."""
    by_email = {row.email: row for row in there if row.email}
    found = {one.key: by_email.get(one.email) for one in wanted}
    emails = {one.email for one in wanted}
    free = [row for row in there if row.email not in emails]
    for one in wanted:
        names = (one.first_name, one.last_name)
        alike = [row for row in free if row.names == names]
        twins = [other for other in wanted if (other.first_name, other.last_name) == names]
        if found[one.key] is None and any(names) and len(alike) == 1 and len(twins) == 1:
            found[one.key] = alike[0]
    return found


def _given(site: Site) -> dict[str, str]:
    """An address as it is written; what is not known is left out."""
    values = {
        "recipient": site.name,
        "address1": site.line1,
        "address2": site.line2,
        "city": site.city,
        "zoneCode": site.region,
        "zip": site.postcode,
        "countryCode": site.country,
    }
    return {name: value for name, value in values.items() if value}


def _held(address: AddressRow | None) -> dict[str, str]:
    if address is None:
        return {}
    return _given(
        Site(
            "",
            name=address.recipient or "",
            line1=address.address1 or "",
            line2=address.address2 or "",
            city=address.city or "",
            region=address.zone_code or "",
            postcode=address.zip or "",
            country=address.country_code or "",
        )
    )


def _place(key: str, site: Site, card: CustomerCard) -> dict[str, Any]:
    """A location as it is made."""
    billing = next((one for one in card.sites or () if one.billing), site)
    given: dict[str, Any] = {
        "externalId": f"{key}{SEP}{site.key}",
        "name": site.label or site.line1 or card.name or key,
        "shippingAddress": _given(site),
        "billingAddress": _given(billing),
    }
    return given | ({"phone": site.phone} if site.phone else {})


def _buying(card: CustomerCard) -> dict[str, Any]:
    """What a new location has of the whole customer."""
    return _terms(card) | ({"taxRegistrationId": card.tax_id} if card.tax_id else {})


def _terms(card: CustomerCard) -> dict[str, Any]:
    if card.terms is None:
        return {}
    terms = f"gid://shopify/PaymentTermsTemplate/{card.terms}" if card.terms else None
    return {"buyerExperienceConfiguration": {"paymentTermsTemplateId": terms}}
