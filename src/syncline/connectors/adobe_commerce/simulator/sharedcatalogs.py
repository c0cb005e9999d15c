"""Shared catalogs of B2B for Adobe Commerce: who may see which products, at which prices.

developer.adobe.com/commerce/webapi/rest/b2b, shared catalogs; admin-schema-2.4.9.yaml. Each owns one customer group, and a company is in
exactly one catalog; there is one public catalog. Its source is not public, so what is refused is documented, and the words are assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import msgspec

from syncline.connectors.adobe_commerce.simulator import prices
from syncline.connectors.adobe_commerce.simulator.catalogstate import CUSTOM, PUBLIC, SharedCatalog
from syncline.connectors.adobe_commerce.simulator.errors import ApiError, no_such_entity, required
from syncline.connectors.adobe_commerce.simulator.state import stamp

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator.routes import Call, Services
    from syncline.connectors.adobe_commerce.simulator.state import ShopState

TAX_CLASSES = frozenset({2, 3})
NAME_CHARS_MAX = 32  # it is the name of a customer group
Row = dict[str, Any]


def add(state: ShopState, name: str = "", *, kind: int = CUSTOM) -> int:
    """A new catalog without products, with a customer group of the same name; returns its id."""
    number = state.new_id("shared_catalog")
    name = name or f"Catalog {number}"
    state.groups.append(name)
    state.catalogs[number] = SharedCatalog(number, name, name, kind, created_ms=state.clock.now_ms())
    state.shared_catalogs[number] = set()
    return number


# --- services ------------------------------------------------------------------------------------


def create(services: Services, call: Call) -> int:
    """``POST /V1/sharedCatalog``."""
    state, given = services.shop.state, call.given["sharedCatalog"]
    if given.get("id"):
        raise no_such_entity("id", given["id"])
    _check(state, given, None)
    number = add(state, given["name"])
    return _set(state, state.catalogs[number], given)


def update(services: Services, call: Call) -> int:
    """``PUT /V1/sharedCatalog/{id}``."""
    state, given = services.shop.state, call.given["sharedCatalog"]
    held = _of(state, call.number("id"))
    _check(state, given, held)
    return _set(state, held, given)


def read(services: Services, call: Call) -> Row:
    """``GET /V1/sharedCatalog/{sharedCatalogId}``."""
    return _told(services.shop.state, _of(services.shop.state, call.number("sharedCatalogId")))


def found(services: Services, call: Call) -> Row:
    """``GET /V1/sharedCatalog``."""
    state = services.shop.state
    return services.search(call, (_told(state, one) for one in state.catalogs.values()))


def remove(services: Services, call: Call) -> bool:
    """``DELETE /V1/sharedCatalog/{sharedCatalogId}``: its companies are in the public one then, and its prices are gone. Its group stays (assumed)."""
    state = services.shop.state
    held = _of(state, call.number("sharedCatalogId"))
    if held.type == PUBLIC:
        raise ApiError(400, "The public catalog cannot be deleted.")
    public = _public(state)
    for company in state.companies.values():
        if _group_of(state, company) == held.group:
            _move(state, company, public)
    del state.catalogs[held.id], state.shared_catalogs[held.id]
    _forget_prices(state, held.group, state.products)
    return True


def companies(services: Services, call: Call) -> str:
    """``GET /V1/sharedCatalog/{sharedCatalogId}/companies``: a text with a JSON list of texts in it."""
    state = services.shop.state
    held = _of(state, call.number("sharedCatalogId"))
    ids = [str(company.id) for company in state.companies.values() if _group_of(state, company) == held.group]
    return msgspec.json.encode(ids).decode()


def assign_companies(services: Services, call: Call) -> bool:
    """``POST /V1/sharedCatalog/{sharedCatalogId}/assignCompanies``: each leaves the catalog that it was in."""
    state = services.shop.state
    held = _of(state, call.number("sharedCatalogId"))
    for company in _companies(state, call.given["companies"]):
        _move(state, company, held)
    return True


def unassign_companies(services: Services, call: Call) -> bool:
    """``POST /V1/sharedCatalog/{sharedCatalogId}/unassignCompanies``: each goes to the public one."""
    state = services.shop.state
    held = _of(state, call.number("sharedCatalogId"))
    if held.type == PUBLIC:
        raise ApiError(400, "You cannot unassign a company from the public catalog.")
    for company in _companies(state, call.given["companies"]):
        if _group_of(state, company) == held.group:
            _move(state, company, _public(state))
    return True


def categories(services: Services, call: Call) -> list[int]:
    """``GET /V1/sharedCatalog/{id}/categories``."""
    return sorted(_of(services.shop.state, call.number("id")).categories)


def assign_categories(services: Services, call: Call) -> bool:
    """``POST /V1/sharedCatalog/{id}/assignCategories``: not the products in them."""
    state = services.shop.state
    _of(state, call.number("id")).categories |= _categories(state, call.given["categories"])
    return True


def unassign_categories(services: Services, call: Call) -> bool:
    """``POST /V1/sharedCatalog/{id}/unassignCategories``: products go too that are in no other category of the catalog."""
    state = services.shop.state
    held = _of(state, call.number("id"))
    gone = _categories(state, call.given["categories"])
    held.categories -= gone
    state.shared_catalogs[held.id] -= {
        sku
        for sku in state.shared_catalogs[held.id]
        if (of := set(state.products[sku].categories)) & gone and not of & held.categories
    }
    return True


def assign_tier_prices(services: Services, call: Call) -> list[Row]:
    """``POST /V1/sharedCatalog/{sharedCatalogId}/assignTierPrices``: as tier prices are saved, for its own group (assumed)."""
    state = services.shop.state
    group = _of(state, call.number("sharedCatalogId")).group
    return prices.save_tiers(state, [row | {"customer_group": group} for row in call.given["prices"]])


def reset_tier_prices(services: Services, call: Call) -> bool:
    """``POST /V1/sharedCatalog/{sharedCatalogId}/resetTierPrices``: of the products that are named (assumed)."""
    state = services.shop.state
    _forget_prices(state, _of(state, call.number("sharedCatalogId")).group, call.given["skus"])
    return True


def _forget_prices(state: ShopState, group: str, skus: Collection[str]) -> None:
    for at in [at for at in state.tier_prices if at[1] == group and at[0] in skus]:
        del state.tier_prices[at]
        state.tier_discounts.discard(at)


# --- rules ---------------------------------------------------------------------------------------


def _of(state: ShopState, number: int) -> SharedCatalog:
    if number not in state.catalogs:
        raise no_such_entity("id", number)
    return state.catalogs[number]


def _public(state: ShopState) -> SharedCatalog:
    return next(one for one in state.catalogs.values() if one.type == PUBLIC)


def _check(state: ShopState, given: Row, held: SharedCatalog | None) -> None:
    needed = ("name", "type", "store_id") + (() if held else ("tax_class_id",))
    missing = [name for name in needed if given.get(name) in (None, "")]
    if len(missing) > 1:
        errors = [required(name).body for name in missing]
        raise ApiError(400, "One or more input exceptions have occurred.", errors=errors)
    if missing:
        raise required(missing[0])
    name, kind = given["name"], given["type"]
    if len(name) > NAME_CHARS_MAX:
        raise ApiError(400, "The maximum allowed catalog name length is %1 symbols.", [NAME_CHARS_MAX])
    if any(one.name.casefold() == name.casefold() and one is not held for one in state.catalogs.values()):
        raise ApiError(
            400,
            "A catalog named %catalogName already exists. Please select a different name.",
            {"catalogName": name},
        )
    for field_name, value, allowed in (
        ("type", kind, {CUSTOM, PUBLIC}),
        ("store_id", given["store_id"], {0, 1}),
        ("tax_class_id", given.get("tax_class_id", 3), TAX_CLASSES),
    ):
        if value not in allowed:
            raise ApiError(
                400,
                'Invalid value of "%value" provided for the %fieldName field.',
                {"fieldName": field_name, "value": str(value)},
            )
    if held is not None and held.type == PUBLIC and kind == CUSTOM:
        raise ApiError(400, "You cannot change the catalog type from public to custom.")
    if held is not None and given.get("customer_group_id", _number(state, held)) != _number(state, held):
        raise ApiError(400, "You cannot change the customer group of a shared catalog.")


def _set(state: ShopState, held: SharedCatalog, given: Row) -> int:
    if given["type"] == PUBLIC and held.type == CUSTOM:
        for other in state.catalogs.values():  # there is one, and this is it now
            other.type = CUSTOM
    held.type, held.store_id = given["type"], given["store_id"]
    held.description = given.get("description", held.description)
    held.tax_class_id = given.get("tax_class_id", held.tax_class_id)
    if given["name"] != held.name:
        state.groups[state.groups.index(held.group)] = given["name"]
        for at in [at for at in state.tier_prices if at[1] == held.group]:
            state.tier_prices[at[0], given["name"], at[2]] = state.tier_prices.pop(at)
        held.name = held.group = given["name"]
    return held.id


def _number(state: ShopState, held: SharedCatalog) -> int:
    """The id of its customer group; all groups together are none."""
    return [name for name in state.groups if name != "ALL GROUPS"].index(held.group)


def _group_of(state: ShopState, company: Any) -> str:
    named = [name for name in state.groups if name != "ALL GROUPS"]
    return str(named[company.properties["customer_group_id"]])


def _move(state: ShopState, company: Any, to: SharedCatalog) -> None:
    company.properties["customer_group_id"] = number = _number(state, to)
    for person in state.customers.values():
        if person.company_id == company.id:
            person.group_id = number


def _companies(state: ShopState, rows: list[Row]) -> list[Any]:
    for row in rows:
        if row.get("id") not in state.companies:
            raise no_such_entity("id", row.get("id", ""))
    return [state.companies[row["id"]] for row in rows]


def _categories(state: ShopState, rows: list[Row]) -> set[int]:
    ids = {row.get("id", 0) for row in rows}
    if unknown := sorted(ids - set(state.categories)):
        raise no_such_entity("id", unknown[0])
    return ids


def _told(state: ShopState, one: SharedCatalog) -> Row:
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "customer_group_id": _number(state, one),
        "type": one.type,
        "created_at": stamp(one.created_ms),
        "created_by": 1,
        "store_id": one.store_id,
        "tax_class_id": one.tax_class_id,
    }


# Method, address, parameters and what is done, as in ``routes``.
SERVICES: tuple[tuple[str, str, str, Callable[[Services, Call], Any]], ...] = (
    ("GET", "sharedCatalog", "none", found),
    ("POST", "sharedCatalog", "save_shared_catalog", create),
    ("PUT", "sharedCatalog/{id}", "save_shared_catalog", update),
    ("GET", "sharedCatalog/{sharedCatalogId}", "none", read),
    ("DELETE", "sharedCatalog/{sharedCatalogId}", "none", remove),
    ("GET", "sharedCatalog/{sharedCatalogId}/companies", "none", companies),
    ("POST", "sharedCatalog/{sharedCatalogId}/assignCompanies", "companies", assign_companies),
    ("POST", "sharedCatalog/{sharedCatalogId}/unassignCompanies", "companies", unassign_companies),
    ("POST", "sharedCatalog/{sharedCatalogId}/assignTierPrices", "tier_prices", assign_tier_prices),
    ("POST", "sharedCatalog/{sharedCatalogId}/resetTierPrices", "price_information", reset_tier_prices),
    ("GET", "sharedCatalog/{id}/categories", "none", categories),
    ("POST", "sharedCatalog/{id}/assignCategories", "categories", assign_categories),
    ("POST", "sharedCatalog/{id}/unassignCategories", "categories", unassign_categories),
)
