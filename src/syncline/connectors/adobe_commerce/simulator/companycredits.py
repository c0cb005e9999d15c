"""Company credit (B2B for Adobe Commerce): its service, and what buyers do with it.

Contract sheet section 7. ``available_limit`` is computed and cannot be set; the payment method ``companycredit`` keeps it, unless
``exceed_limit`` is on. The answer of ``PUT`` is the credit as it is then. A balance is changed by what a transaction says, as often
as it is told. Assumed: which numbers the kinds of transactions have, and messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from syncline.connectors.adobe_commerce.simulator.errors import ApiError, no_such_entity

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator.state import ShopState


ALLOCATE, UPDATE, PURCHASE, REIMBURSE, REFUND, REVERT = range(1, 7)
RAISES = frozenset({ALLOCATE, UPDATE, REIMBURSE, REFUND, REVERT})
LOWERS = frozenset({UPDATE, PURCHASE, REIMBURSE})


@dataclass(slots=True, eq=False)
class CompanyCredit:
    """The credit of one company; ``balance`` is negative where something is owed."""

    id: int
    company_id: int
    currency: str
    limit: Decimal = Decimal(0)
    balance: Decimal = Decimal(0)
    exceed: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def available(self) -> Decimal:
        """What may still be bought on account."""
        return self.limit + self.balance


def credit(one: CompanyCredit) -> dict[str, Any]:
    """As the service tells it."""
    return {
        "id": one.id,
        "company_id": one.company_id,
        "credit_limit": one.limit,
        "balance": one.balance,
        "currency_code": one.currency,
        "exceed_limit": one.exceed,
        "available_limit": one.available,
    }


def of_company(state: ShopState, company_id: int) -> dict[str, Any]:
    """``GET /V1/companyCredits/company/{companyId}``."""
    found = next((one for one in state.company_credits.values() if one.company_id == company_id), None)
    if found is None:
        raise no_such_entity("company_id", company_id)
    return credit(found)


def save(state: ShopState, credit_id: int, given: dict[str, Any]) -> dict[str, Any]:
    """``PUT /V1/companyCredits/{id}``."""
    found = state.company_credits.get(credit_id)
    if found is None:
        raise no_such_entity("id", credit_id)
    if (
        given.get("id", credit_id) != credit_id
        or given.get("company_id", found.company_id) != found.company_id
    ):
        raise ApiError(
            400, "Invalid attribute %fieldName = %fieldValue.", {"fieldName": "id", "fieldValue": credit_id}
        )
    limit = given.get("credit_limit")
    if limit is None or limit < 0:
        raise ApiError(
            400,
            "Invalid attribute %fieldName = %fieldValue.",
            {"fieldName": "credit_limit", "fieldValue": limit},
        )
    found.limit = Decimal(str(limit))
    found.exceed = bool(given.get("exceed_limit", found.exceed))
    found.currency = given.get("currency_code", found.currency)
    return credit(found)


def found(state: ShopState, credit_id: int) -> CompanyCredit:
    """A credit by its id."""
    one: CompanyCredit | None = state.company_credits.get(credit_id)
    if one is None:
        raise no_such_entity("creditId", credit_id)
    return one


def book(state: ShopState, credit_id: int, given: Mapping[str, Any], *, sign: int, at: str) -> bool:
    """``POST /V1/companyCredits/{creditId}/increaseBalance`` and ``decreaseBalance``; ``at``: the moment, as it is told."""
    one, value, kind = found(state, credit_id), Decimal(str(given["value"])), given["operationType"]
    for name, wrong in (
        ("value", value <= 0),
        ("currency", given["currency"] != one.currency),
        ("operationType", kind not in (RAISES if sign > 0 else LOWERS)),
    ):
        if wrong:
            message = 'Invalid value of "%value" provided for the %fieldName field.'
            raise ApiError(400, message, {"fieldName": name, "value": str(given[name])})
    one.balance += sign * value
    told = {
        "entity_id": state.new_id("credit_history"),
        "company_credit_id": one.id,
        "currency_credit": one.currency,
        "currency_operation": one.currency,
        "amount": sign * value,
        "balance": one.balance,
        "credit_limit": one.limit,
        "available_limit": one.available,
        "type": kind,
        "datetime": at,
        "purchase_order": given.get("options", {}).get("purchase_order"),
        "comment": given.get("comment"),
    }
    one.history.append({name: value for name, value in told.items() if value is not None})
    return True


def history(state: ShopState) -> Iterator[dict[str, Any]]:
    """``GET /V1/companyCredits/history``: every transaction of every company."""
    for one in state.company_credits.values():
        yield from one.history


def buy(state: ShopState, company_id: int, amount: Decimal) -> bool:
    """A buyer orders on account; whether the shop lets it."""
    found = next(one for one in state.company_credits.values() if one.company_id == company_id)
    if amount > found.available and not found.exceed:
        return False
    found.balance -= amount
    return True
