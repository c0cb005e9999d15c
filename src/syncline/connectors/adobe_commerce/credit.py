"""Telling a shop what is left of a company's credit (B2B for Adobe Commerce).

What may be bought on account there is ``credit_limit + balance``, where the shop's own orders make ``balance`` negative.
The limit can be set, the balance only moved by amounts, which is not safe to repeat. So the limit is set such that what is left
is what we say: read the balance, write ``available - balance``. That is right however the shop's own orders are booked, as
long as they are counted by us or by the source, too; it takes in what was bought before the reading, and what is bought
between the reading and the write lowers both.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client, Missing
from syncline.connectors.adobe_commerce.wire import amount
from syncline.model.credit import NOTHING
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.payloads import SetCredit

OF_COMPANY, CREDIT = "companyCredits/company", "companyCredits"
COMMENT = "Set by Syncline"


class _Credit(Struct, frozen=True):
    id: wire.Id
    company_id: wire.Id
    currency_code: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    balance: Decimal | None = None
    credit_limit: Decimal | None = None
    exceed_limit: bool = False


class CreditWriter:
    """Writes one shop's company credits, one company after the other."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def set(self, items: Sequence[Item]) -> list[Outcome]:
        """One outcome for each item."""
        return [await self._one(item.payload) for item in items]

    async def _one(self, payload: SetCredit) -> Outcome:
        company, tag = payload.external_id, payload.content
        if not (company.isascii() and company.isdigit()):
            return Outcome(Result.REJECTED, f"{payload.account}: {company!r} is no company of Adobe Commerce")
        try:
            held = await self._client.get(f"{OF_COMPANY}/{company}", (), _Credit)
        except Missing:
            return Outcome(
                Result.REJECTED,
                f"{payload.account}: the company {company} has no credit in the shop; is B2B for Adobe Commerce installed?",
            )
        if tag.currency and tag.currency != held.currency_code:
            return Outcome(
                Result.REJECTED,
                f"{payload.account}: its credit is in {tag.currency}, the shop keeps it in {held.currency_code}",
            )
        free = tag.available is None and not tag.blocked
        left = NOTHING if tag.blocked or tag.available is None else tag.available
        limit = max(NOTHING, left - amount(held.balance, "balance"))
        row = {
            "id": held.id,
            "company_id": held.company_id,
            "credit_limit": limit,
            "currency_code": held.currency_code,
            "exceed_limit": free,
            "credit_comment": COMMENT,
        }
        await self._client.put(f"{CREDIT}/{held.id}", {"creditLimit": row}, _Credit)
        return Outcome(Result.DONE)
