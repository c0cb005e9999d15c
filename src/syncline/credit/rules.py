"""Who may buy on credit when: the rules of one route, and those of single accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

EXPIRES_MS = 900_000  # an approval that no order followed gives its credit back
MAX_AGE_MS = 900_000


class Decision(StrEnum):
    """What a checkout is told."""

    APPROVE = "approve"
    HOLD = "hold"  # take the order, and have a person look at it before it is fulfilled
    DENY = "deny"


class Conflict(StrEnum):
    """Who gets an order in the ERP if its approval is of another account than its buyer's."""

    PARK = "park"  # nobody, until a person has looked
    APPROVAL = "approval"  # the account that was approved
    BUYER = "buyer"  # the buyer's own, where the order then counts


@dataclass(frozen=True, slots=True)
class CreditPolicy:
    """What is decided where the figures alone do not say it.

    Figures that nobody confirmed for ``max_age_ms`` are old. ``old`` of ``APPROVE``: they are judged all the same.
    ``missing`` is for an account that the source tells nothing of, ``unlimited`` for one without a limit: with ``APPROVE``
    these buy without any. ``past_due`` counts from more than ``max_days_past_due`` on; ``None``: never.
    """

    max_age_ms: int = MAX_AGE_MS
    old: Decision = Decision.HOLD
    missing: Decision = Decision.HOLD
    unlimited: Decision = Decision.HOLD
    over_limit: Decision = Decision.DENY
    on_hold: Decision = Decision.DENY
    past_due: Decision = Decision.HOLD
    max_days_past_due: int | None = None


@dataclass(frozen=True, slots=True)
class CreditRules:
    """The credit of one route.

    ``accounts`` have policies of their own, by their key at the source. ``mirror``: the channel itself is told, too; without
    it only those are answered who ask. ``currency`` is that of figures for which the source names none. ``conflict``: whose
    order it is if its approval and its buyer name different accounts.
    """

    policy: CreditPolicy = CreditPolicy()
    accounts: Mapping[str, CreditPolicy] = field(default_factory=dict)
    expires_ms: int = EXPIRES_MS
    currency: str = ""
    mirror: bool = True
    conflict: Conflict = Conflict.PARK

    def of(self, account: str) -> CreditPolicy:
        """The policy of an account."""
        return self.accounts.get(account, self.policy)


NO_CREDIT = CreditRules()
