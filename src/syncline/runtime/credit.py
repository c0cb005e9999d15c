"""The part of a route that says who may buy on credit: ``[routes.credit]``."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from syncline.credit.rules import Conflict, CreditPolicy, CreditRules, Decision
from syncline.engine.credit import EXPIRES_MS_MAX, EXPIRES_MS_MIN
from syncline.model.errors import Misconfigured

Stop = Literal["hold", "deny"]
Say = Literal["approve", "hold", "deny"]
AGE_MS_MAX = 30 * 86_400_000
_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d{1,6})\s*(s|m|h|d)")


class CreditPolicyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=None):
    """``[routes.credit.accounts.KEY]``: what is decided of one account. What is left out is as for all others."""

    max_age: str = ""
    old: Say | None = None
    missing: Say | None = None
    without_limit: Say | None = None
    over_limit: Stop | None = None
    on_hold: Say | None = None
    past_due: Say | None = None
    max_days_past_due: Annotated[int, msgspec.Meta(ge=0)] | None = None

    def policy(self, usual: CreditPolicy, field: str) -> CreditPolicy:
        """The same for the engine.

        Raises:
            Misconfigured: a value makes no sense.
        """

        def one(said: str | None, otherwise: Decision) -> Decision:
            return otherwise if said is None else Decision(said)

        return CreditPolicy(
            _ms(self.max_age, f"{field}.max_age", 1000, AGE_MS_MAX) if self.max_age else usual.max_age_ms,
            one(self.old, usual.old),
            one(self.missing, usual.missing),
            one(self.without_limit, usual.unlimited),
            one(self.over_limit, usual.over_limit),
            one(self.on_hold, usual.on_hold),
            one(self.past_due, usual.past_due),
            usual.max_days_past_due if self.max_days_past_due is None else self.max_days_past_due,
        )


class CreditConfig(CreditPolicyConfig, frozen=True, forbid_unknown_fields=True, rename=None):
    """``[routes.credit]``: what is decided where the figures alone do not say it, and whether the channel is told."""

    currency: Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3})?\Z")] = ""
    expires: str = "15m"
    mirror: bool = True
    conflict: Literal["park", "approval", "buyer"] = "park"
    accounts: dict[str, CreditPolicyConfig] = {}

    def rules(self, field: str) -> CreditRules:
        """The same for the engine.

        Raises:
            Misconfigured: a value makes no sense.
        """
        usual = self.policy(CreditPolicy(), field)
        return CreditRules(
            usual,
            {
                account: own.policy(usual, f"{field}.accounts.{account}")
                for account, own in self.accounts.items()
            },
            _ms(self.expires, f"{field}.expires", EXPIRES_MS_MIN, EXPIRES_MS_MAX),
            self.currency,
            self.mirror,
            Conflict(self.conflict),
        )


def _ms(text: str, field: str, least: int, most: int) -> int:
    match = _DURATION.fullmatch(text.strip())
    value = int(match[1]) * _UNITS[match[2]] if match else 0
    if not least <= value <= most:
        raise Misconfigured(
            f'{field}: {text!r} makes no sense; write for example "15m", from {least // 1000} s to {most // 1000} s'
        )
    return value
