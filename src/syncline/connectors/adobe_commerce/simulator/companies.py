"""Companies and their people (B2B for Adobe Commerce): what the services do.

Properties are those of ``company-data-company-interface`` and ``customer-data-customer-interface`` (contract section 7).
Unsure, and so assumed: messages; that ``PUT`` of a company sets only what is given; that a company's administrator cannot
be made inactive; the answer of ``hierarchy/{id}``. As known: ``PUT`` of a customer replaces it, addresses included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator.state import ShopState

from syncline.connectors.adobe_commerce.simulator.errors import ApiError, no_such_entity, required
from syncline.connectors.adobe_commerce.simulator.state import Buyer, Customer, stamp

APPROVED, BLOCKED = 1, 3
STATUSES = range(4)  # pending, approved, rejected, blocked
_NEEDED = ("company_name", "company_email", "street", "city", "country_id", "postcode", "telephone", "super_user_id", "customer_group_id")  # fmt: skip
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_DOUBLED = "A customer with the same email address already exists in an associated website."


@dataclass(slots=True, eq=False)
class Company:
    """One company by the properties that the services give it."""

    id: int
    properties: dict[str, Any] = field(default_factory=dict)
    created_ms: int = 0


def company(one: Company) -> dict[str, Any]:
    """As the services tell of it."""
    return {"id": one.id, **one.properties}


def create(state: ShopState, given: Mapping[str, Any]) -> dict[str, Any]:
    """``POST /V1/company/``: the administrator has to be there, and belongs to the company from then on."""
    for name in _NEEDED:
        if not given.get(name):
            raise required(name)
    _check(state, given, None)
    admin = state.customers[given["super_user_id"]]
    if admin.company_id:
        raise ApiError(400, "The user %1 belongs to another company.", [admin.id])
    made = Company(state.new_id("company"), {"status": 0, **given}, state.clock.now_ms())
    state.companies[made.id] = made
    admin.company_id, admin.group_id = made.id, given["customer_group_id"]
    return company(made)


def update(state: ShopState, number: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """``PUT /V1/company/{companyId}``."""
    found = _company(state, number)
    _check(state, given, found)
    found.properties.update({name: value for name, value in given.items() if name != "id"})
    return company(found)


def hierarchy(state: ShopState, number: int) -> list[dict[str, Any]]:
    """``GET /V1/hierarchy/{id}``: the people of a company."""
    _company(state, number)
    return [
        {"structure_id": one.id, "entity_id": one.id, "entity_type": "customer", "structure_parent_id": 0}
        for one in state.customers.values()
        if one.company_id == number
    ]


def create_customer(state: ShopState, given: Mapping[str, Any]) -> Customer:
    """``POST /V1/customers``."""
    _check_customer(state, given, None)
    made = Customer(state.new_id("customer"), Buyer(given["email"]), state.clock.now_ms())
    _fill(state, made, given)
    state.customers[made.id] = made
    return made


def replace_customer(state: ShopState, number: int, given: Mapping[str, Any]) -> Customer:
    """``PUT /V1/customers/{customerId}``: what is left out is taken away."""
    found = state.customers.get(number)
    if found is None:
        raise no_such_entity("customerId", number)
    _check_customer(state, given, found)
    _fill(state, found, given)
    return found


def customer(one: Customer) -> dict[str, Any]:
    """``customer-data-customer-interface``."""
    told: dict[str, Any] = {
        "id": one.id,
        "email": one.buyer.email,
        "firstname": one.buyer.firstname,
        "lastname": one.buyer.lastname,
        "group_id": one.group_id,
        "website_id": 1,
        "created_at": stamp(one.created_ms),
        "updated_at": stamp(one.created_ms),
        "addresses": list(one.addresses),
    }
    if one.company_id:
        attributes = {
            "customer_id": one.id,
            "company_id": one.company_id,
            "job_title": one.job_title,
            "status": one.company_status,
            "telephone": one.telephone,
        }
        told["extension_attributes"] = {"company_attributes": attributes}
    return told


def _company(state: ShopState, number: int) -> Company:
    found: Company | None = state.companies.get(number)
    if found is None:
        raise no_such_entity("id", number)
    return found


def _check(state: ShopState, given: Mapping[str, Any], itself: Company | None) -> None:
    if "company_email" in given and not _EMAIL.fullmatch(given["company_email"]):
        raise ApiError(
            400,
            'Invalid value of "%value" provided for the %fieldName field.',
            {"fieldName": "company_email", "value": given["company_email"]},
        )
    if given.get("status", 0) not in STATUSES:
        raise ApiError(
            400,
            'Invalid value of "%value" provided for the %fieldName field.',
            {"fieldName": "status", "value": str(given["status"])},
        )
    if "super_user_id" in given and given["super_user_id"] not in state.customers:
        raise no_such_entity("customerId", given["super_user_id"])
    group = given.get("customer_group_id")
    if group is not None and group not in range(len(state.groups) - 1):
        raise no_such_entity("customer_group_id", group)
    email = given.get("company_email")
    others = [one for one in state.companies.values() if one is not itself]
    if email and any(one.properties["company_email"] == email for one in others):
        raise ApiError(400, "Company with this email address already exists in the system.")


def _check_customer(state: ShopState, given: Mapping[str, Any], itself: Customer | None) -> None:
    for name, title in (("email", "Email"), ("firstname", "First Name"), ("lastname", "Last Name")):
        if not given.get(name):
            raise ApiError(400, '"%1" is a required value.', [title])
    if not _EMAIL.fullmatch(given["email"]):
        raise ApiError(400, '"%1" is not a valid email address.', ["Email"])
    taken = [one for one in state.customers.values() if one.buyer.email.lower() == given["email"].lower()]
    if any(one is not itself for one in taken):
        raise ApiError(400, _DOUBLED)
    attributes = given.get("extension_attributes", {}).get("company_attributes", {})
    number = attributes.get("company_id")
    if number:
        owner = _company(state, number)
        if (
            itself is not None
            and owner.properties["super_user_id"] == itself.id
            and attributes.get("status") == 0
        ):
            message = "The user %1 is the company admin and cannot be set to inactive."
            raise ApiError(400, message, [itself.id])


def _fill(state: ShopState, into: Customer, given: Mapping[str, Any]) -> None:
    into.buyer = Buyer(given["email"], given["firstname"], given["lastname"])
    into.group_id = given.get("group_id", 1)
    into.addresses = list(given.get("addresses", ()))
    attributes = given.get("extension_attributes", {}).get("company_attributes", {})
    into.company_id = attributes.get("company_id", into.company_id)
    into.company_status = attributes.get("status", 1)
    into.job_title = attributes.get("job_title", "")
    into.telephone = attributes.get("telephone", "")
    if into.company_id and into.company_id in state.companies:
        into.group_id = state.companies[into.company_id].properties["customer_group_id"]
