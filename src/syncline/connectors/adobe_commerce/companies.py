"""Companies of a shop (B2B for Adobe Commerce): finding, writing and reading them.

A customer of the ERP is a company, its contacts are the company's users. A company has no field for somebody else's id, so
the customer's key stands in ``reseller_id``. ``PUT`` of a user replaces the record, so it is read just before, and what is
not ours is given back as it was. Nothing is ever deleted: who may do nothing any more is inactive, a company is blocked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from syncline.connectors.adobe_commerce.client import Client, Missing, Search
from syncline.connectors.adobe_commerce.wire import Found
from syncline.mapping.customers import ANY
from syncline.model.customers import Contact, CustomerCard, MatchKey, Site
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable, SynclineError
from syncline.model.payloads import PutCustomer
from syncline.model.readings import Told
from syncline.model.records import Item as Named
from syncline.ports import Clock, Part
from syncline.sdk.ownership import by_keys, resolved

KEY_FIELD = "reseller_id"
ADMIN = "Company Administrator"
APPROVED, BLOCKED = 1, 3
GENERAL = "1"  # the group of a company of which nothing else is said
PEOPLE_MAX = 300  # read at once, as a page may have with the shop's limits on
FIELDS = (
    f"id,status,company_name,company_email,vat_tax_id,{KEY_FIELD},customer_group_id,super_user_id,telephone"
)
Record = dict[str, Any]


class CompanyRow(Struct, frozen=True):
    """A company as the shop tells of it."""

    id: int
    company_name: str
    company_email: str = ""
    status: int = 0
    vat_tax_id: str | None = None
    reseller_id: str | None = None
    customer_group_id: int = 0
    super_user_id: int = 0
    telephone: str | None = None


class _Attributes(Struct, frozen=True):
    company_id: int = 0
    job_title: str | None = None
    status: int = 0
    telephone: str | None = None


class _Extension(Struct, frozen=True):
    company_attributes: _Attributes | None = None


class UserRow(Struct, frozen=True):
    """A registered buyer as the shop tells of one."""

    id: int
    email: str
    firstname: str = ""
    lastname: str = ""
    extension_attributes: _Extension = _Extension()

    @property
    def of(self) -> _Attributes:
        """What makes a company's user."""
        return self.extension_attributes.company_attributes or _Attributes()

    def contact(self) -> Contact:
        """As it would have been written; which role a user has there is not read."""
        of = self.of
        role = ANY if of.status == APPROVED else ""
        names = self.firstname, self.lastname
        return Contact("", *names, self.email.lower(), of.telephone or "", of.job_title or "", role)


class _Node(Struct, frozen=True):
    entity_id: int
    entity_type: str


class Companies:
    """Reads companies with their users."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find(self, field: str, value: str) -> list[CompanyRow]:
        """Companies by the value of a field."""
        search = Search(size=5, fields=FIELDS).where((field, "eq", value))
        return list((await self._client.get("company", search.pairs(), Found[CompanyRow])).items)

    async def read(self, number: str) -> CompanyRow | None:
        """One company; ``None``: there is none."""
        try:
            return await self._client.get(f"company/{number}", (("fields", FIELDS),), CompanyRow)
        except Missing:
            return None

    async def people(self, company: CompanyRow) -> list[UserRow]:
        """A company's users."""
        nodes = await self._client.get(f"hierarchy/{company.id}", (), list[_Node])
        numbers = [str(one.entity_id) for one in nodes if one.entity_type == "customer"]
        found: list[UserRow] = []
        for start in range(0, len(numbers), PEOPLE_MAX):
            some = numbers[start : start + PEOPLE_MAX]
            search = Search(size=len(some)).where(("entity_id", "in", ",".join(some)))
            found += (await self._client.get("customers/search", search.pairs(), Found[UserRow])).items
        return found

    async def with_email(self, email: str) -> UserRow | None:
        """Whoever has an e-mail."""
        search = Search(size=1).where(("email", "eq", email))
        found = (await self._client.get("customers/search", search.pairs(), Found[UserRow])).items
        return next(iter(found), None)


def card_of(company: CompanyRow, people: Sequence[UserRow]) -> CustomerCard:
    """A company as it would have been written. Of one that is not approved nobody may do anything."""
    approved = company.status == APPROVED
    return CustomerCard(
        name=company.company_name,
        active=approved,
        tax_id=company.vat_tax_id or "",
        group=str(company.customer_group_id),
        contacts=tuple(one.contact() for one in people) if approved else (),
    )


class CompanyReader:
    """Reads companies again, for comparison."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._companies = Companies(client)
        self._clock = clock

    async def read(self, groups: Sequence[str], items: Sequence[Named]) -> Part[Told]:
        """Some companies as they are; ``cost`` is how long calls were open, in seconds."""
        began_ms, began_s = self._clock.now_ms(), self._clock.monotonic()
        rows: list[Told] = []
        try:
            for item in items if groups else ():
                company = await self._companies.read(item.external_id)
                if company is not None:
                    card = card_of(company, await self._companies.people(company))
                    rows.append(Told("", item.external_id, card))
        except (Rejected, OutcomeUnknown) as error:  # a reading has no effect
            raise Retryable(str(error)) from error
        return Part(tuple(rows), began_ms, "", self._clock.monotonic() - began_s)


class CompanyWriter:
    """Writes one shop's companies."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._companies = Companies(client)
        self._unsure: set[str] = set()  # e-mails of users whose making got no answer

    async def put(self, payload: PutCustomer) -> Outcome:
        """Make one company what it should be. Who is refused of its people does not keep the others back."""
        company = await self._found(payload)
        card = payload.content
        overwritten: tuple[str, ...] = ()
        if company is None:
            company = await self._create(payload)
            people = await self._companies.people(company)
        else:
            people = await self._companies.people(company)
            shown = card_of(company, people)
            card, fields = resolved(payload.before, shown, payload.content)
            overwritten = tuple(one.value for one in fields)
        facts: Record = {"external_id": str(company.id)}
        if overwritten:
            facts["overwritten"] = ", ".join(overwritten)
        problems: list[str] = []
        # Before anybody is made inactive, for the administrator can only be so after another one is it.
        facts["buyers"] = await self._people(company, people, card, problems)
        await self._head(payload, company, card)
        if problems:
            return Outcome(Result.REJECTED, "; ".join(problems), facts=facts)
        return Outcome(Result.DONE, facts=facts)

    async def _found(self, payload: PutCustomer) -> CompanyRow | None:
        """The company that stands for a customer: by its id, or by the declared keys in their order."""
        if payload.external_id and (known := await self._companies.read(payload.external_id)) is not None:
            return known
        return await by_keys(
            payload, self._having, lambda one: one.reseller_id, mark="reseller id", where="Adobe Commerce"
        )

    async def _having(self, name: str, value: str) -> Sequence[CompanyRow]:
        return await self._companies.find("vat_tax_id" if name == MatchKey.TAX_ID else KEY_FIELD, value)

    # --- the company --------------------------------------------------------------------------------

    async def _create(self, payload: PutCustomer) -> CompanyRow:
        card, first = payload.content, payload.content.first or payload.content
        contacts, sites = card.contacts or first.contacts or (), first.sites or ()
        site = next((one for one in sites if one.billing), sites[0] if sites else None)
        if not contacts or site is None:
            raise Rejected(
                f"customer {payload.key}: Adobe Commerce makes no company without an administrator and an address; give "
                "the customer a contact with an e-mail and an address at its source"
            )
        admin = _admin(contacts)
        user = await self._user(admin)
        given = {
            "company_name": card.name or first.name,
            "company_email": admin.email,
            "status": BLOCKED if first.active is False else APPROVED,
            KEY_FIELD: payload.key,
            "vat_tax_id": card.tax_id or "",
            "customer_group_id": int(card.group or GENERAL),
            "super_user_id": user.id,
            **_legal(site, first.phone or admin.phone),
        }
        made = await self._client.post("company", {"company": given}, CompanyRow)
        self._unsure.discard(admin.email)
        return made

    async def _head(self, payload: PutCustomer, company: CompanyRow, card: CustomerCard) -> None:
        wanted: Record = {}
        if company.reseller_id != payload.key:
            wanted[KEY_FIELD] = payload.key
        if card.name is not None and card.name != company.company_name:
            wanted["company_name"] = card.name
        if card.tax_id is not None and card.tax_id != (company.vat_tax_id or ""):
            wanted["vat_tax_id"] = card.tax_id
        if card.group and card.group != str(company.customer_group_id):
            wanted["customer_group_id"] = int(card.group)
        if card.active is not None and card.active != (company.status == APPROVED):
            wanted["status"] = APPROVED if card.active else BLOCKED
        # Of the address of the company itself the ERP knows nothing: it is that of whoever administers it.
        if card.contacts and (email := _admin(card.contacts).email) != company.company_email:
            wanted["company_email"] = email
        if wanted:
            await self._client.put(f"company/{company.id}", {"company": wanted}, CompanyRow)

    # --- people -------------------------------------------------------------------------------------

    async def _people(
        self, company: CompanyRow, people: Sequence[UserRow], card: CustomerCard, problems: list[str]
    ) -> list[str]:
        """Make the users what they should be; returns their numbers. Of a blocked company they stay as they are."""
        if card.contacts is None or card.active is False:
            return [str(one.id) for one in people]
        if not card.contacts:
            problems.append(
                "Adobe Commerce keeps a company's last administrator: name another contact, or make the customer inactive "
                "at its source"
            )
            return []
        by_email = {one.email.lower(): one for one in people}
        known = {contact.key: by_email.get(contact.email) for contact in card.contacts}
        free = [one for one in people if one.email.lower() not in {c.email for c in card.contacts}]
        for contact in card.contacts:
            names = (contact.first_name, contact.last_name)
            alike = [one for one in free if (one.firstname, one.lastname) == names]
            if known[contact.key] is None and len(alike) == 1:
                known[contact.key] = alike[0]
                free.remove(alike[0])
        buyers: list[str] = []
        for contact in card.contacts:
            try:
                buyers.append(str((await self._user(contact, known[contact.key], company)).id))
            except Rejected as error:
                problems.append(f"contact {contact.key}: {error}")
        if company.super_user_id in [one.id for one in free] and buyers:
            await self._client.put(
                f"company/{company.id}", {"company": {"super_user_id": int(buyers[0])}}, CompanyRow
            )
        for one in free:
            if one.of.status == APPROVED and (one.id != company.super_user_id or buyers):
                await self._replace(one.id, {}, {"status": 0}, company.id)
        return buyers

    async def _user(
        self, contact: Contact, known: UserRow | None = None, company: CompanyRow | None = None
    ) -> UserRow:
        """Make one user what it should be, or a new one."""
        own = {
            "email": contact.email,
            "firstname": contact.first_name,
            "lastname": contact.last_name,
        }
        attributes = {"status": APPROVED, "job_title": contact.title, "telephone": contact.phone}
        if known is None:
            there = await self._companies.with_email(contact.email)
            if there is not None and (there.of.company_id or contact.email not in self._unsure):
                raise Rejected(
                    "its e-mail belongs to somebody who is no user of this company; in Adobe Commerce make that customer "
                    "one, or give the contact another e-mail at its source, then release this"
                )
            known = there
        if known is None:
            extension: Record = {}
            if company is not None:
                extension = {"company_attributes": {"company_id": company.id, **attributes}}
            given = {**own, "website_id": 1, "extension_attributes": extension}
            self._unsure.add(contact.email)  # until an answer says what became of it
            try:
                made = await self._client.post("customers", {"customer": given}, UserRow)
            except OutcomeUnknown:
                raise
            except SynclineError:
                self._unsure.discard(contact.email)
                raise
            if company is not None:
                self._unsure.discard(contact.email)
            return made
        if company is None:
            return known
        shown = known.contact()
        same = _plain(contact) == _plain(shown) and known.of.company_id == company.id
        return known if same else await self._replace(known.id, own, attributes, company.id)

    async def _replace(
        self, number: int, own: Mapping[str, str], attributes: Record, company: int
    ) -> UserRow:
        """Write a user whole: what is not ours as it was read just before."""
        there = await self._client.get(f"customers/{number}", (), Record)
        kept = {name: value for name, value in there.items() if name not in _READ_ONLY}
        extension = dict(kept.get("extension_attributes") or {})
        before = dict(extension.get("company_attributes") or {})
        extension["company_attributes"] = before | {"company_id": company} | attributes
        given = kept | dict(own) | {"extension_attributes": extension}
        return await self._client.put(f"customers/{number}", {"customer": given}, UserRow)


_READ_ONLY = frozenset({"created_at", "updated_at", "created_in", "entity_id"})


def _plain(contact: Contact) -> Contact:
    """A contact without what the two sides say differently: their keys, and what may be done."""
    return msgspec.structs.replace(contact, key="", role="")


def _admin(contacts: Sequence[Contact]) -> Contact:
    """Who administers a company: with the role for it, else the first."""
    return next((one for one in contacts if one.role == ADMIN), contacts[0])


def _legal(site: Site, telephone: str) -> Record:
    """A company's own address, which it has from the beginning."""
    given = {
        "street": [line for line in (site.line1, site.line2) if line],
        "city": site.city,
        "country_id": site.country,
        "region": site.region,
        "postcode": site.postcode,
        "telephone": site.phone or telephone,
    }
    return {name: value for name, value in given.items() if value}
