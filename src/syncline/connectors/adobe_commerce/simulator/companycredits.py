"""Company credit (B2B for Adobe Commerce): its service, and what buyers do with it.

Contract sheet section 7. ``available_limit`` is computed and cannot be set; the payment method ``companycredit`` keeps it, unless
``exceed_limit`` is on. The answer of ``PUT`` is the credit as it is then.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from syncline.connectors.adobe_commerce.simulator.errors import ApiError, no_such_entity

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator.state import ShopState


@dataclass(slots=True, eq=False)
class CompanyCredit:
    """The credit of one company; ``balance`` is negative where something is owed."""

    id: int
    company_id: int
    currency: str
    limit: Decimal = Decimal(0)
    balance: Decimal = Decimal(0)
    exceed: bool = False

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


def buy(state: ShopState, company_id: int, amount: Decimal) -> bool:
    """A buyer orders on account; whether the shop lets it."""
    found = next(one for one in state.company_credits.values() if one.company_id == company_id)
    if amount > found.available and not found.exceed:
        return False
    found.balance -= amount
    return True
