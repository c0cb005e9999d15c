"""Companies, their contacts and locations: what the API writes, and what people do in the admin.

Names are those of the vendor's introspection of 2026-07. From public captures of 2026-04: a second role of one contact at one
location is refused with LIMIT_REACHED, an e-mail that another contact has with TAKEN, a company's two system roles are
called "Location admin" and "Ordering only", and a company that is created with a contact and a location gives the contact
the latter. Unsure, and so assumed: messages; that an e-mail of any customer counts as taken; that an external id has to be
unique among companies, and among one company's locations; that search lags behind by what orders lag.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from syncline.connectors.shopify.simulator import ShopifySimulator

from syncline.connectors.shopify.simulator.fields import number_of
from syncline.connectors.shopify.simulator.operation import FieldRefused, Resolver
from syncline.connectors.shopify.simulator.records import Buyer, Customer

ROLES = ("Location admin", "Ordering only")
CONTACTS_MAX = 10_000  # of one company
TEXT_MAX = 255
_PHONE = re.compile(r"\+[1-9][0-9]{7,14}")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
EXTERNAL_ID_MAX = 64
EXTERNAL_ID_OF = (
    "External Id can only contain numbers, letters, and some special characters, including "
    "!@#$%^&*(){}[]\\/?<>_-~,.;:'`\""
)
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9!@#$%^&*(){}\[\]\\/?<>_\-~,.;:'`\"]*")
_ADDRESS = {
    "address1": "address1",
    "address2": "address2",
    "city": "city",
    "countryCode": "country_code",
    "firstName": "first_name",
    "lastName": "last_name",
    "phone": "phone",
    "recipient": "recipient",
    "zip": "zip",
    "zoneCode": "zone_code",
}

Errors = list[dict[str, Any]]


@dataclass(slots=True)
class Role:
    """What a contact may do at a location of its company."""

    gid_type: ClassVar[str] = "CompanyContactRole"
    id: int
    name: str


@dataclass(slots=True)
class CompanyAddress:
    """Where a location is, or is billed."""

    gid_type: ClassVar[str] = "CompanyAddress"
    id: int
    company_name: str
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    country_code: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    recipient: str | None = None
    zip: str | None = None
    zone_code: str | None = None


@dataclass(slots=True)
class CompanyLocation:
    """A branch of a company that buys."""

    gid_type: ClassVar[str] = "CompanyLocation"
    id: int
    company: Company
    name: str
    external_id: str | None = None
    phone: str | None = None
    billing: CompanyAddress | None = None
    shipping: CompanyAddress | None = None
    tax_registration_id: str | None = None
    terms: PaymentTermsTemplate | None = None
    checkout_to_draft: bool = False


@dataclass(slots=True)
class RoleAssignment:
    """One contact's role at one location."""

    gid_type: ClassVar[str] = "CompanyContactRoleAssignment"
    id: int
    contact: CompanyContact
    location: CompanyLocation
    role: Role


@dataclass(slots=True)
class CompanyContact:
    """A person who acts for a company; the customer record holds name, e-mail and phone."""

    gid_type: ClassVar[str] = "CompanyContact"
    id: int
    company: Company
    customer_id: int
    title: str | None = None
    assignments: list[RoleAssignment] = field(default_factory=list)


@dataclass(slots=True)
class PaymentTermsTemplate:
    """Terms of payment that the shop offers."""

    gid_type: ClassVar[str] = "PaymentTermsTemplate"
    id: int
    name: str


@dataclass(slots=True)
class Company:
    """A business that buys, with its people and branches."""

    gid_type: ClassVar[str] = "Company"
    id: int
    name: str
    external_id: str | None
    created_ms: int
    updated_ms: int
    roles: list[Role] = field(default_factory=list)
    contacts: list[CompanyContact] = field(default_factory=list)
    locations: list[CompanyLocation] = field(default_factory=list)
    note: str | None = None


@dataclass(slots=True)
class CompanyBook:
    """Every company by id, and what belongs to them by theirs."""

    companies: dict[int, Company] = field(default_factory=dict)
    contacts: dict[int, CompanyContact] = field(default_factory=dict)
    locations: dict[int, CompanyLocation] = field(default_factory=dict)
    terms: dict[int, PaymentTermsTemplate] = field(default_factory=dict)

    def parts(self) -> list[object]:
        """Everything in it, for the digest."""
        return [
            (
                one.id, one.name, one.external_id,
                [(x.id, x.customer_id, x.title, [(a.location.id, a.role.name) for a in x.assignments]) for x in one.contacts],
                [
                    (x.id, x.name, x.external_id, x.phone, repr(x.shipping), repr(x.billing), x.tax_registration_id)
                    for x in one.locations
                ],
            )
            for one in self.companies.values()
        ]  # fmt: skip


class Companies:
    """What people do to companies in the admin; mixed into the simulator."""

    if TYPE_CHECKING:
        state: Any
        clock: Any

    def add_company(self, name: str, external_id: str | None = None) -> Company:
        """A company with one location, entered by hand."""
        company = _company(self.state, name, external_id, self.clock.now_ms())
        _location(self.state, company, {"name": name})
        return company

    def add_contact(self, company: Company, email: str, role: str = "", **names: str) -> CompanyContact:
        """A contact of a company, entered by hand; with a role, at every location."""
        contact = _contact(self.state, company, {"email": email, **names}, self.clock.now_ms())
        for place in company.locations if role else ():
            _assign(self.state, contact, next(x for x in company.roles if x.name == role), place)
        return contact

    def add_shop_customer(self, email: str) -> int:
        """A private customer, who signed up in the shop."""
        customer = Customer(self.state.new_id(), Buyer(email=email), self.clock.now_ms())
        self.state.customers[customer.id] = customer
        self.state.customer_ids[email.casefold()] = customer.id
        return customer.id

    def add_terms(self, name: str) -> int:
        """Terms of payment that the shop offers."""
        terms = PaymentTermsTemplate(self.state.new_id(), name)
        self.state.book.terms[terms.id] = terms
        return terms.id

    def rename_company(self, company: Company, name: str) -> None:
        """Somebody changes a company's name by hand."""
        company.name = name
        company.updated_ms = self.clock.now_ms()

    def company_of(self, external_id: str) -> Company | None:
        """The company with an external id."""
        found = (one for one in self.state.book.companies.values() if one.external_id == external_id)
        return next(found, None)


# -- making


def _company(state: Any, name: str, external_id: str | None, now_ms: int) -> Company:
    company = Company(state.new_id(), name, external_id, now_ms, now_ms)
    company.roles = [Role(state.new_id(), role) for role in ROLES]
    state.book.companies[company.id] = company
    return company


def _address(state: Any, company: Company, given: dict[str, Any]) -> CompanyAddress:
    values = {ours: given.get(theirs) for theirs, ours in _ADDRESS.items()}
    return CompanyAddress(state.new_id(), company.name, **values)


def _location(state: Any, company: Company, given: dict[str, Any]) -> CompanyLocation:
    shipping, billing = given.get("shippingAddress"), given.get("billingAddress")
    street = (shipping or {}).get("address1")
    place = CompanyLocation(state.new_id(), company, given.get("name") or street or company.name)
    _describe(state, place, given)
    place.tax_registration_id = given.get("taxRegistrationId")
    place.shipping = _address(state, company, shipping) if shipping else None
    if given.get("billingSameAsShipping") and shipping:
        billing = shipping
    place.billing = _address(state, company, billing) if billing else None
    company.locations.append(place)
    state.book.locations[place.id] = place
    return place


def _describe(state: Any, place: CompanyLocation, given: dict[str, Any]) -> None:
    """What creating and updating have in common; only what is given changes."""
    if given.get("name"):
        place.name = given["name"]
    if "externalId" in given:
        place.external_id = given["externalId"]
    if "phone" in given:
        place.phone = given["phone"]
    buying = given.get("buyerExperienceConfiguration")
    if buying is not None and "paymentTermsTemplateId" in buying:
        text = buying["paymentTermsTemplateId"]
        place.terms = state.book.terms[number_of(text, "PaymentTermsTemplate")] if text else None


def _contact(state: Any, company: Company, given: dict[str, Any], now_ms: int) -> CompanyContact:
    buyer = Buyer(
        first_name=given.get("firstName") or "",
        last_name=given.get("lastName") or "",
        email=given.get("email"),
        phone=given.get("phone"),
    )
    customer = Customer(state.new_id(), buyer, now_ms)
    state.customers[customer.id] = customer
    if buyer.email:
        state.customer_ids[buyer.email.casefold()] = customer.id
    contact = CompanyContact(state.new_id(), company, customer.id, given.get("title"))
    company.contacts.append(contact)
    state.book.contacts[contact.id] = contact
    return contact


def _assign(state: Any, contact: CompanyContact, role: Role, place: CompanyLocation) -> RoleAssignment:
    made = RoleAssignment(state.new_id(), contact, place, role)
    contact.assignments.append(made)
    return made


# -- checking


def _say(errors: Errors, code: str, message: str, *path: str) -> None:
    errors.append({"field": list(path) or None, "message": message, "code": code})


def _check_company(
    shop: ShopifySimulator, given: dict[str, Any], itself: Company | None, errors: Errors, *path: str
) -> None:
    if "name" in given or itself is None:
        if not (given.get("name") or "").strip():
            _say(errors, "BLANK", "Name can't be blank", *path, "name")
        elif len(given["name"]) > TEXT_MAX:
            _say(errors, "TOO_LONG", f"Name is too long (maximum is {TEXT_MAX} characters)", *path, "name")
    _check_external_id(given, errors, *path)
    external_id = given.get("externalId")
    taken = shop.company_of(external_id) if external_id else None
    if taken is not None and taken is not itself:
        _say(errors, "TAKEN", "External id has already been taken.", *path, "externalId")


def _check_phone(given: dict[str, Any] | None, errors: Errors, *path: str) -> None:
    if given and given.get("phone") and not _PHONE.fullmatch(given["phone"]):
        _say(errors, "INVALID", "Phone is invalid", *path, "phone")


def _check_nothing(given: dict[str, Any], errors: Errors) -> None:
    """What a contact cannot be left without, once it is there (live answer of 2026-04)."""
    for name, said in (("firstName", "First name"), ("lastName", "Last name"), ("phone", "Phone")):
        if name in given and given[name] is None:
            _say(errors, "UNEXPECTED_TYPE", f"{said} is of unexpected type NilClass", "input", name)
    if "phone" in given and not given["phone"]:
        _say(errors, "INVALID", "Phone is invalid", "input", "phone")
    if "email" in given and given["email"] is None:
        _say(errors, "INVALID", "Unexpected keys given: email", "input")


def _check_external_id(given: dict[str, Any], errors: Errors, *path: str) -> None:
    text = given.get("externalId") or ""
    if len(text) > EXTERNAL_ID_MAX:
        message = f"External Id must be {EXTERNAL_ID_MAX} characters or less."
        _say(errors, "TOO_LONG", message, *path, "externalId")
    elif not _EXTERNAL_ID.fullmatch(text):
        _say(errors, "INVALID", EXTERNAL_ID_OF, *path, "externalId")


def _check_location(
    shop: ShopifySimulator,
    company: Company | None,
    given: dict[str, Any],
    itself: CompanyLocation | None,
    errors: Errors,
    *path: str,
) -> None:
    _check_phone(given, errors, *path)
    for side in ("shippingAddress", "billingAddress"):
        _check_phone(given.get(side), errors, *path, side)
    if given.get("billingSameAsShipping") and given.get("billingAddress"):
        message = "Billing address must be blank if it is the same as the shipping address"
        _say(errors, "INVALID_INPUT", message, *path, "billingAddress")
    _check_external_id(given, errors, *path)
    external_id = given.get("externalId")
    others = [x for x in company.locations if x is not itself] if company is not None else []
    if external_id and any(x.external_id == external_id for x in others):
        _say(errors, "TAKEN", "External id has already been taken.", *path, "externalId")
    terms = (given.get("buyerExperienceConfiguration") or {}).get("paymentTermsTemplateId")
    if terms and number_of(terms, "PaymentTermsTemplate") not in shop.state.book.terms:
        at = (*path, "buyerExperienceConfiguration", "paymentTermsTemplateId")
        _say(errors, "RESOURCE_NOT_FOUND", "Payment terms template not found", *at)


def _check_contact(
    shop: ShopifySimulator, given: dict[str, Any], itself: CompanyContact | None, errors: Errors
) -> None:
    email = given.get("email")
    if itself is None and not email:
        _say(errors, "INVALID", "Either the attribute email or customer_id must be provided", "input")
    if email and not _EMAIL.fullmatch(email):
        _say(errors, "INVALID", "Email is invalid", "input", "email")
    _check_phone(given, errors, "input")
    mine = itself.customer_id if itself is not None else None
    if email and shop.state.customer_ids.get(email.casefold(), mine) != mine:
        _say(errors, "TAKEN", "Email address has already been taken.", "input", "email")
    phone = given.get("phone")
    if phone and any(one.buyer.phone == phone and one.id != mine for one in shop.state.customers.values()):
        _say(errors, "TAKEN", "Phone number has already been taken.", "input", "phone")


# -- mutations


def company_create(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyCreate`, with its first location; a contact is not simulated here."""
    given = arguments["input"]
    errors: Errors = []
    if given.get("companyContact"):
        raise FieldRefused("companyContact is not simulated here", "BAD_REQUEST")
    _check_company(shop, given["company"], None, errors, "input", "company")
    place = given.get("companyLocation") or {}
    _check_location(shop, None, place, None, errors, "input", "companyLocation")
    if errors:
        return {"company": None, "userErrors": errors}
    named = given["company"]
    company = _company(shop.state, named["name"], named.get("externalId"), shop.clock.now_ms())
    company.note = named.get("note")
    _location(shop.state, company, place)
    shop.applied(1)
    return {"company": company, "userErrors": []}


def company_update(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyUpdate`."""
    errors: Errors = []
    company = shop.state.book.companies.get(number_of(arguments["companyId"], "Company"))
    given = arguments["input"]
    if company is None:
        _say(errors, "RESOURCE_NOT_FOUND", "The company doesn't exist.", "companyId")
    else:
        _check_company(shop, given, company, errors, "input")
    if errors or company is None:
        return {"company": None, "userErrors": errors}
    company.name = given.get("name") or company.name
    if "externalId" in given:
        company.external_id = given["externalId"]
    if "note" in given:
        company.note = given["note"]
    company.updated_ms = shop.clock.now_ms()
    shop.applied(1)
    return {"company": company, "userErrors": []}


def location_create(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyLocationCreate`."""
    errors: Errors = []
    company = shop.state.book.companies.get(number_of(arguments["companyId"], "Company"))
    if company is None:
        _say(errors, "RESOURCE_NOT_FOUND", "The company doesn't exist.", "companyId")
    else:
        _check_location(shop, company, arguments["input"], None, errors, "input")
    if errors or company is None:
        return {"companyLocation": None, "userErrors": errors}
    shop.applied(1)
    return {"companyLocation": _location(shop.state, company, arguments["input"]), "userErrors": []}


def location_update(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyLocationUpdate`."""
    errors: Errors = []
    place = shop.state.book.locations.get(number_of(arguments["companyLocationId"], "CompanyLocation"))
    if place is None:
        _say(errors, "RESOURCE_NOT_FOUND", "The company location doesn't exist", "companyLocationId")
    else:
        _check_location(shop, place.company, arguments["input"], place, errors, "input")
    if errors or place is None:
        return {"companyLocation": None, "userErrors": errors}
    _describe(shop.state, place, arguments["input"])
    shop.applied(1)
    return {"companyLocation": place, "userErrors": []}


def location_address(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyLocationAssignAddress`."""
    errors: Errors = []
    place = shop.state.book.locations.get(number_of(arguments["locationId"], "CompanyLocation"))
    kinds = arguments["addressTypes"]
    if place is None:
        _say(errors, "RESOURCE_NOT_FOUND", "The company location doesn't exist", "locationId")
    elif len(set(kinds)) != len(kinds):
        _say(errors, "INVALID_INPUT", "Invalid input.")
    _check_phone(arguments["address"], errors, "address")
    if errors or place is None:
        return {"addresses": None, "userErrors": errors}
    made = [_address(shop.state, place.company, arguments["address"]) for _ in kinds]
    for kind, address in zip(kinds, made, strict=True):
        if kind == "SHIPPING":
            place.shipping = address
        else:
            place.billing = address
    shop.applied(1)
    return {"addresses": made, "userErrors": []}


def location_tax(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyLocationTaxSettingsUpdate`, the registration only."""
    errors: Errors = []
    place = shop.state.book.locations.get(number_of(arguments["companyLocationId"], "CompanyLocation"))
    if place is None:
        _say(errors, "RESOURCE_NOT_FOUND", "The company location doesn't exist", "companyLocationId")
    elif "taxRegistrationId" not in arguments:
        _say(errors, "NO_INPUT", "No tax settings input was provided", "companyLocationId")
    if errors or place is None:
        return {"companyLocation": None, "userErrors": errors}
    place.tax_registration_id = arguments["taxRegistrationId"] or None
    shop.applied(1)
    return {"companyLocation": place, "userErrors": []}


def contact_create(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyContactCreate`."""
    errors: Errors = []
    company = shop.state.book.companies.get(number_of(arguments["companyId"], "Company"))
    if company is None:
        _say(errors, "RESOURCE_NOT_FOUND", "The company doesn't exist.", "companyId")
    else:
        _check_contact(shop, arguments["input"], None, errors)
        if len(company.contacts) >= CONTACTS_MAX:
            _say(errors, "LIMIT_REACHED", "The company has too many contacts.", "companyId")
    if errors or company is None:
        return {"companyContact": None, "userErrors": errors}
    shop.applied(1)
    made = _contact(shop.state, company, arguments["input"], shop.clock.now_ms())
    return {"companyContact": made, "userErrors": []}


def contact_update(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyContactUpdate`; what is given changes on the customer record."""
    errors: Errors = []
    contact = shop.state.book.contacts.get(number_of(arguments["companyContactId"], "CompanyContact"))
    given = arguments["input"]
    if contact is None:
        _say(errors, "RESOURCE_NOT_FOUND", "The company contact doesn't exist.", "companyContactId")
    else:
        _check_nothing(given, errors)
        _check_contact(shop, given, contact, errors)
    if errors or contact is None:
        return {"companyContact": None, "userErrors": errors}
    customer = shop.state.customers[contact.customer_id]
    before = customer.buyer
    if before.email:
        shop.state.customer_ids.pop(before.email.casefold(), None)
    names = {"firstName": "first_name", "lastName": "last_name", "email": "email", "phone": "phone"}
    values = {ours: given[theirs] for theirs, ours in names.items() if theirs in given}
    for ours in ("first_name", "last_name"):
        if ours in values:
            values[ours] = values[ours] or ""
    customer.buyer = replace(before, **values)
    if customer.buyer.email:
        shop.state.customer_ids[customer.buyer.email.casefold()] = customer.id
    if "title" in given:
        contact.title = given["title"]
    shop.applied(1)
    return {"companyContact": contact, "userErrors": []}


def role_assign(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyContactAssignRole`: one role for each location."""
    errors: Errors = []
    book = shop.state.book
    contact = book.contacts.get(number_of(arguments["companyContactId"], "CompanyContact"))
    place = book.locations.get(number_of(arguments["companyLocationId"], "CompanyLocation"))
    role = None
    if contact is None:
        _say(errors, "RESOURCE_NOT_FOUND", "The company contact doesn't exist.", "companyContactId")
    else:
        number = number_of(arguments["companyContactRoleId"], "CompanyContactRole")
        role = next((one for one in contact.company.roles if one.id == number), None)
        if role is None:
            _say(errors, "RESOURCE_NOT_FOUND", "The company contact role doesn't exist.", "companyContactRoleId")  # fmt: skip
        if place is None or place.company is not contact.company:
            _say(errors, "RESOURCE_NOT_FOUND", "The company location doesn't exist", "companyLocationId")
        elif any(one.location is place for one in contact.assignments):
            message = "Company contact has already been assigned a role in that company location."
            _say(errors, "LIMIT_REACHED", message)
    if errors or contact is None or place is None or role is None:
        return {"companyContactRoleAssignment": None, "userErrors": errors}
    shop.applied(1)
    made = _assign(shop.state, contact, role, place)
    return {"companyContactRoleAssignment": made, "userErrors": []}


def role_revoke(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """`companyContactRevokeRole`."""
    errors: Errors = []
    contact = shop.state.book.contacts.get(number_of(arguments["companyContactId"], "CompanyContact"))
    number = number_of(arguments["companyContactRoleAssignmentId"], "CompanyContactRoleAssignment")
    found = next((one for one in contact.assignments if one.id == number), None) if contact else None
    if contact is None or found is None:
        message = "The role assignment doesn't exist."
        _say(errors, "RESOURCE_NOT_FOUND", message, "companyContactRoleAssignmentId")
        return {"revokedCompanyContactRoleAssignmentId": None, "userErrors": errors}
    contact.assignments.remove(found)
    shop.applied(1)
    revoked = arguments["companyContactRoleAssignmentId"]
    return {"revokedCompanyContactRoleAssignmentId": revoked, "userErrors": []}


# -- queries


def company(shop: ShopifySimulator, _none: Any, arguments: dict[str, Any]) -> Company | None:
    """`company(id)`: null where it is unknown."""
    found: Company | None = shop.state.book.companies.get(number_of(arguments["id"], "Company"))
    return found


COMPANY_MUTATIONS: dict[str, Resolver] = {
    "companyContactAssignRole": role_assign,
    "companyContactCreate": contact_create,
    "companyContactRevokeRole": role_revoke,
    "companyContactUpdate": contact_update,
    "companyCreate": company_create,
    "companyLocationAssignAddress": location_address,
    "companyLocationCreate": location_create,
    "companyLocationTaxSettingsUpdate": location_tax,
    "companyLocationUpdate": location_update,
    "companyUpdate": company_update,
}
COMPANY_SCOPES: dict[tuple[str, str], frozenset[str]] = {
    **{("Mutation", name): frozenset({"write_customers"}) for name in COMPANY_MUTATIONS},
    **{("QueryRoot", name): frozenset({"read_customers"}) for name in ("companies", "company")},
}
