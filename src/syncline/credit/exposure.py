"""How much of its credit an account uses, and whether it may use more.

::

    exposure = balance + orders not invoiced     (the source's figures, of one moment)
             + our orders and approvals          (that those figures cannot contain)
             + the amount that is asked for

An order is counted by us until the figures must contain it: they were read, on our clock, after the source had confirmed
that it holds the order. An approval is replaced by its order. So an approval, its order and its invoice count once, or for
the few minutes between the confirmation and the next read twice, and never not at all.

In the store an amount is a whole number of ``PARTS`` of its currency, which is finer than any currency's own unit. What uses
credit up is rounded up, what gives room is rounded down.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from msgspec import Struct

from syncline.credit.rules import CreditPolicy, Decision
from syncline.model.credit import NOTHING, Credit, CreditTag

PARTS = 10_000
AMOUNT_MAX = Decimal(10) ** 10  # in PARTS, ninety thousand of them add up within 64 bits
COUNTED = frozenset({"open", "confirmed", "ordered"})
REASONS = {
    "within_limit": "The amount is within the credit limit.",
    "no_limit": "No credit limit is set for this account.",
    "unknown_account": "Nothing is known of this account's credit.",
    "old_figures": "The figures of this account's credit are too old.",
    "on_hold": "This account is on hold.",
    "past_due": "This account has invoices that are overdue for too long.",
    "over_limit": "The amount exceeds the credit that is left.",
    "ended": "This approval has ended.",
    "other_currency": "The amount, or an order of this account, is in another currency than its credit.",
}


class Claim(Struct, frozen=True):
    """What an approval or an order of ours takes of an account's credit.

    ``state`` is ``open`` or ``confirmed`` for an approval, ``ordered`` for an order, and ``order`` is its name, once it has
    one. ``our_stamp_ms`` is the first moment
    on our clock at which a reading that begins contains the order as it is; 0: the source has not confirmed it.
    """

    reference: str
    state: str
    amount: int
    currency: str
    expires_at_ms: int = 0
    our_stamp_ms: int = 0
    order: str = ""


class Part(Struct, frozen=True):
    """One part of an exposure: what it is, and how much of the account's credit it takes."""

    name: str
    amount: Decimal


class Judgement(Struct, frozen=True):
    """What is decided, and what it was computed from.

    ``room`` is what our claims and this amount may take together, in ``PARTS``; ``None``: there is no limit to keep.
    ``exposure`` contains the amount. ``available`` is what is left without it, never below 0.
    """

    decision: Decision
    reason: str
    exposure: Decimal
    parts: tuple[Part, ...]
    limit: Decimal | None = None
    available: Decimal | None = None
    room: int | None = None


def up(amount: Decimal) -> int:
    """An amount that uses credit up, in ``PARTS``."""
    return int((amount * PARTS).to_integral_value(ROUND_CEILING))


def down(amount: Decimal) -> int:
    """An amount that gives room, in ``PARTS``."""
    return int((amount * PARTS).to_integral_value(ROUND_FLOOR))


def of_parts(amount: int) -> Decimal:
    """The amount of a whole number of ``PARTS``."""
    return Decimal(amount) / PARTS


def counts(claim: Claim, contains_ms: int, now_ms: int) -> bool:
    """Whether figures that contain everything of before ``contains_ms`` lack a claim."""
    if claim.state == "ordered":
        return not 0 < claim.our_stamp_ms <= contains_ms
    return claim.state in COUNTED and claim.expires_at_ms > now_ms


def used(claims: Sequence[Claim], contains_ms: int, now_ms: int) -> tuple[int, int]:
    """What approvals and orders take that the figures lack, in ``PARTS``."""
    counted = [claim for claim in claims if counts(claim, contains_ms, now_ms)]
    orders = sum(claim.amount for claim in counted if claim.state == "ordered")
    return sum(claim.amount for claim in counted) - orders, orders


def judge(
    credit: Credit | None,
    claims: Sequence[Claim],
    policy: CreditPolicy,
    amount: Decimal,
    currency: str,
    *,
    contains_ms: int,
    age_ms: int,
    now_ms: int,
) -> Judgement:
    """Whether an account may take an amount.

    Args:
        credit: the source's figures; ``None``: it tells nothing of the account.
        claims: of the account, except one for this very amount.
        policy: of the account.
        amount: at least 0.
        currency: of the amount, ISO 4217.
        contains_ms: the figures contain what the source had confirmed by then, on our clock.
        age_ms: since the source confirmed the figures last.
        now_ms: the moment.
    """
    claims = [claim for claim in claims if counts(claim, contains_ms, now_ms)]
    approvals, orders = used(claims, contains_ms, now_ms)
    ours = [
        Part("approvals", of_parts(approvals)), Part("orders_not_in_erp", of_parts(orders)), Part("this_order", amount),
    ]  # fmt: skip
    if credit is None:
        total = sum((part.amount for part in ours), NOTHING)
        return Judgement(policy.missing, "unknown_account", total, tuple(ours))
    parts = (Part("balance", credit.balance), Part("unbilled_orders", credit.unbilled), *ours)
    exposure = sum((part.amount for part in parts), NOTHING)
    decision, reason = _decide(credit, claims, policy, exposure, currency, age_ms)
    if credit.limit is None:
        return Judgement(decision, reason, exposure, parts)
    return Judgement(
        decision,
        reason,
        exposure,
        parts,
        credit.limit,
        max(NOTHING, credit.limit - (exposure - amount)),
        down(credit.limit - credit.balance - credit.unbilled),
    )


def _decide(
    credit: Credit,
    claims: Sequence[Claim],
    policy: CreditPolicy,
    exposure: Decimal,
    currency: str,
    age_ms: int,
) -> tuple[Decision, str]:
    """The gravest of what is to be said; of two alike, the first."""
    found: list[tuple[Decision, str]] = []
    if credit.on_hold:
        found.append((policy.on_hold, "on_hold"))
    if currency != credit.currency or any(one.currency != credit.currency for one in claims):
        found.append((Decision.HOLD, "other_currency"))
    if age_ms > policy.max_age_ms:
        found.append((policy.old, "old_figures"))
    late = credit.days_past_due
    if late is not None and policy.max_days_past_due is not None and late > policy.max_days_past_due:
        found.append((policy.past_due, "past_due"))
    if credit.limit is None:
        found.append((policy.unlimited, "no_limit"))
    elif exposure > credit.limit:
        found.append((policy.over_limit, "over_limit"))
    found = [one for one in found if one[0] is not Decision.APPROVE]
    for gravest in (Decision.DENY, Decision.HOLD):
        if told := next((one for one in found if one[0] is gravest), None):
            return told
    return Decision.APPROVE, "no_limit" if credit.limit is None else "within_limit"


def tag_of(credit: Credit, ours: int, policy: CreditPolicy) -> CreditTag:
    """What a channel is told; ``ours`` is what our claims take that the figures lack, in ``PARTS``.

    A channel can only let an order pass or stop it, so what would be held for review is stopped where it is known before.
    """
    late = credit.days_past_due
    too_late = late is not None and policy.max_days_past_due is not None and late > policy.max_days_past_due
    reason = ""
    if credit.on_hold and policy.on_hold is not Decision.APPROVE:
        reason = REASONS["on_hold"]
    elif too_late and policy.past_due is not Decision.APPROVE:
        reason = REASONS["past_due"]
    elif credit.limit is None and policy.unlimited is not Decision.APPROVE:
        reason = REASONS["no_limit"]
    available = None
    if credit.limit is not None:
        available = max(NOTHING, credit.limit - credit.balance - credit.unbilled - of_parts(ours))
    return CreditTag(credit.currency, credit.limit, available, bool(reason), reason)
