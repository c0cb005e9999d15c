"""What each field of a company's types gives."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from syncline.connectors.shopify.simulator.fields import gid, utc_time
from syncline.connectors.shopify.simulator.metafields import metafield_of
from syncline.connectors.shopify.simulator.operation import Page, Resolver
from syncline.connectors.shopify.simulator.search import paginate

# The vendor's names of the countries that the simulated companies are in.
COUNTRIES = {
    "GB": "United Kingdom",
    "DE": "Germany",
    "FR": "France",
    "NL": "Netherlands",
    "US": "United States",
}


def _get(name: str) -> Resolver:
    read = attrgetter(name)
    return lambda _shop, record, _arguments: read(record)


def _id(_shop: Any, record: Any, _arguments: Any) -> str:
    return gid(record.gid_type, record.id)


def _page(name: str) -> Callable[[Any, Any, dict[str, Any]], Page]:
    read = attrgetter(name)
    return lambda _shop, record, arguments: paginate(read(record), lambda one: (one.id, one.id), arguments)


def _payload(*names: str) -> dict[str, Resolver]:
    return {name: _key(name) for name in (*names, "userErrors")}


def _key(name: str) -> Resolver:
    return lambda _shop, record, _arguments: record.get(name)


COMPANY_TYPES: dict[str, dict[str, Resolver]] = {
    "BusinessCustomerUserError": {"field": _key("field"), "message": _key("message"), "code": _key("code")},
    "Company": {
        "contactRoles": _page("roles"),
        "contacts": _page("contacts"),
        "createdAt": lambda _s, one, _a: utc_time(one.created_ms),
        "externalId": _get("external_id"),
        "id": _id,
        "locations": _page("locations"),
        "metafield": metafield_of,
        "name": _get("name"),
        "note": _get("note"),
        "updatedAt": lambda _s, one, _a: utc_time(one.updated_ms),
    },
    "CompanyAddress": {
        "address1": lambda _s, one, _a: one.address1 or "",
        "address2": _get("address2"),
        "city": _get("city"),
        "companyName": _get("company_name"),
        "country": lambda _s, one, _a: COUNTRIES.get(one.country_code, one.country_code),
        "countryCode": lambda _s, one, _a: one.country_code or "GB",
        "firstName": _get("first_name"),
        "id": _id,
        "lastName": _get("last_name"),
        "phone": _get("phone"),
        "recipient": _get("recipient"),
        "zip": _get("zip"),
        "zoneCode": _get("zone_code"),
    },
    "CompanyContact": {
        "company": _get("company"),
        "customer": lambda shop, one, _a: shop.state.customers[one.customer_id],
        "id": _id,
        "roleAssignments": _page("assignments"),
        "title": _get("title"),
    },
    "CompanyContactRole": {"id": _id, "name": _get("name"), "note": lambda _s, _one, _a: None},
    "CompanyContactRoleAssignment": {
        "companyContact": _get("contact"),
        "companyLocation": _get("location"),
        "id": _id,
        "role": _get("role"),
    },
    "CompanyLocation": {
        "billingAddress": _get("billing"),
        "buyerExperienceConfiguration": lambda _s, one, _a: one,
        "company": _get("company"),
        "externalId": _get("external_id"),
        "id": _id,
        "metafield": metafield_of,
        "name": _get("name"),
        "phone": _get("phone"),
        "shippingAddress": _get("shipping"),
        "taxSettings": lambda _s, one, _a: one,
    },
    "CompanyLocationTaxSettings": {"taxRegistrationId": _get("tax_registration_id")},
    "BuyerExperienceConfiguration": {
        "checkoutToDraft": _get("checkout_to_draft"),
        "paymentTermsTemplate": _get("terms"),
    },
    "PaymentTermsTemplate": {"id": _id, "name": _get("name")},
    "CompanyContactAssignRolePayload": _payload("companyContactRoleAssignment"),
    "CompanyContactCreatePayload": _payload("companyContact"),
    "CompanyContactRevokeRolePayload": _payload("revokedCompanyContactRoleAssignmentId"),
    "CompanyContactUpdatePayload": _payload("companyContact"),
    "CompanyCreatePayload": _payload("company"),
    "CompanyLocationAssignAddressPayload": _payload("addresses"),
    "CompanyLocationCreatePayload": _payload("companyLocation"),
    "CompanyLocationTaxSettingsUpdatePayload": _payload("companyLocation"),
    "CompanyLocationUpdatePayload": _payload("companyLocation"),
    "CompanyUpdatePayload": _payload("company"),
}
