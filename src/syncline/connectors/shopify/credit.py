"""Telling a shop what is left of a company's credit: one metafield of the company, which our validation function reads.

``metafieldsSet`` takes 25 at most, all or none (contract sheet, section 2). So what is refused by name is taken out, and the
rest is set again in the same delivery. A metafield is set whole, so setting it again does no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import documents
from syncline.connectors.shopify.client import Client, UserError
from syncline.model.credit import CreditTag
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import OutcomeUnknown
from syncline.model.payloads import SetCredit

NAMESPACE, KEY = "syncline", "credit"
OWNERS = ("Company", "CompanyLocation", "Customer")
ROUNDS_MAX = 3  # each takes out all that was refused by name
DONE = Outcome(Result.DONE)
_encode = msgspec.json.Encoder(decimal_format="string").encode


class _Written(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]


class _Set(Struct, frozen=True, rename="camel"):
    metafields_set: _Written | None = None


class CreditWriter:
    """Writes one shop's metafields."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def set(self, items: Sequence[Item]) -> list[Outcome]:
        """One outcome for each item."""
        outcomes: list[Outcome | None] = [_unfit(item.payload) for item in items]
        for _ in range(ROUNDS_MAX):
            sent = [index for index, outcome in enumerate(outcomes) if outcome is None]
            if not sent:
                break
            errors = await self._call([items[index].payload for index in sent])
            if not errors:
                return [outcome or DONE for outcome in outcomes]
            named = {at for error in errors if (at := _index(error, len(sent))) is not None}
            for error in errors:
                at = _index(error, len(sent))
                for place in range(len(sent)) if at is None and not named else [at]:
                    if place is not None:
                        outcomes[sent[place]] = Outcome(Result.REJECTED, f"Shopify: {error.message}")
        return [
            outcome or Outcome(Result.RETRY, "Shopify refused others of the same call")
            for outcome in outcomes
        ]

    async def _call(self, payloads: Sequence[SetCredit]) -> tuple[UserError, ...]:
        rows = [
            {
                "ownerId": payload.external_id,
                "namespace": NAMESPACE,
                "key": KEY,
                "type": "json",
                "value": _encode(value_of(payload.content)).decode(),
            }
            for payload in payloads
        ]
        answer = await self._client.call(documents.SET_METAFIELDS, {"metafields": rows}, _Set)
        if answer.metafields_set is None:
            raise OutcomeUnknown("Shopify said nothing about the credit that was set")
        return answer.metafields_set.user_errors


def value_of(tag: CreditTag) -> dict[str, Any]:
    """What the function reads: amounts as text, so that no digit is lost."""
    return {
        "currency": tag.currency,
        "limit": None if tag.limit is None else f"{tag.limit:f}",
        "available": None if tag.available is None else f"{tag.available:f}",
        "blocked": tag.blocked,
        "reason": tag.reason,
    }


def _unfit(payload: Any) -> Outcome | None:
    """Refuse what cannot be meant, instead of letting it spoil a whole call."""
    assert isinstance(payload, SetCredit)
    head, _, number = payload.external_id.rpartition("/")
    if head in {f"gid://shopify/{kind}" for kind in OWNERS} and number.isascii() and number.isdigit():
        return None
    return Outcome(
        Result.REJECTED,
        f"{payload.account}: {payload.external_id!r} is no company, location or customer of Shopify",
    )


def _index(error: UserError, count: int) -> int | None:
    """Which metafield an error names: ``["metafields", "7", "value"]`` -> 7."""
    field = error.field or ()
    if len(field) > 1 and field[0] == "metafields" and field[1].isascii() and field[1].isdigit():
        return int(field[1]) if int(field[1]) < count else None
    return None
