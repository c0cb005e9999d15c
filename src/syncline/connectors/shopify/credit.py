"""Telling a shop what is left of a company's credit, and reading it again: a metafield that our validation function reads.

``metafieldsSet`` takes 25 at most, all or none (contract sheet, section 2). So what is refused by name is taken out, and the
rest is set again in the same delivery. A metafield is set whole, so setting it again does no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.client import Client, UserError
from syncline.model.credit import UNTOLD, CreditTag
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.model.payloads import SetCredit
from syncline.model.readings import Told
from syncline.model.records import Item as Named
from syncline.ports import Clock, Part

NAMESPACE, KEY = "syncline", "credit"
OWNERS = ("Company", "CompanyLocation", "Customer")
READ_MAX = 50  # metafields in one call
ROUNDS_MAX = 3  # each takes out all that was refused by name
DONE = Outcome(Result.DONE)
_decode = msgspec.json.Decoder(CreditTag).decode
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


class _Metafield(Struct, frozen=True):
    value: str


class _Owner(Struct, frozen=True):
    id: wire.Gid
    metafield: _Metafield | None = None


class CreditReader:
    """Reads one shop's metafields again, for comparison."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read(self, groups: Sequence[str], items: Sequence[Named]) -> Part[Told]:
        """What some companies show; those that were deleted are left out."""
        del groups  # there is one
        began_ms = self._clock.now_ms()
        rows: list[Told] = []
        cost = 0
        ids = [item.external_id for item in items if _owns(item.external_id)]
        for start in range(0, len(ids), READ_MAX):
            some = ids[start : start + READ_MAX]
            document = documents.metafields_of(len(some), NAMESPACE, KEY)
            variables = {f"o{i}": one for i, one in enumerate(some)}
            try:
                answer = await self._client.call(document, variables, dict[str, _Owner | None])
            except Rejected as error:  # what refuses a reading can be mended while we wait
                raise Retryable(str(error)) from error
            rows += [Told("", one.id, _told(one.metafield)) for one in answer.values() if one is not None]
            cost += documents.requested_cost(document.text)
        return Part(tuple(rows), began_ms, "", cost)


def _told(metafield: _Metafield | None) -> CreditTag:
    """What ``value_of`` wrote; of anything else nothing can be said."""
    if metafield is None:
        return UNTOLD
    try:
        tag = _decode(metafield.value)
    except msgspec.MsgspecError:
        return UNTOLD
    return tag if all(one is None or one.is_finite() for one in (tag.limit, tag.available)) else UNTOLD


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
    if _owns(payload.external_id):
        return None
    return Outcome(
        Result.REJECTED,
        f"{payload.account}: {payload.external_id!r} is no company, location or customer of Shopify",
    )


def _owns(gid: str) -> bool:
    """Whether an id is that of something which may have a credit."""
    head, _, number = gid.rpartition("/")
    return head in {f"gid://shopify/{kind}" for kind in OWNERS} and number.isascii() and number.isdigit()


def _index(error: UserError, count: int) -> int | None:
    """Which metafield an error names: ``["metafields", "7", "value"]`` -> 7."""
    field = error.field or ()
    if len(field) > 1 and field[0] == "metafields" and field[1].isascii() and field[1].isdigit():
        return int(field[1]) if int(field[1]) < count else None
    return None
