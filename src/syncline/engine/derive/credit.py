"""Credit as a flow of state records: what a channel is told of each account, to judge orders by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from syncline.credit.exposure import Claim, counts, tag_of
from syncline.engine.codec import fingerprint
from syncline.engine.derive.bound import OfCustomers
from syncline.engine.routes import Route
from syncline.engine.states import Wanted
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.credit import UNTOLD, Credit, CreditTag
from syncline.model.payloads import SetCredit
from syncline.model.records import Item

OURS = "\x1fours"  # beside the record: what of ours counts; no account is called so
UNBOUND = "the channel has no such customer"
UNKNOWN = "the source tells nothing of this account any more; what is shown stays"
BOUND_LATER_MS = 3_600_000  # after which is looked again whether the channel has the customer


class Ours(Struct, frozen=True):
    """The claims of an account, and how far a replica of the source may be behind it."""

    claims: tuple[Claim, ...]
    lag_ms: int = 0


class CreditFlow(OfCustomers):
    """The declaration of credit. A content is known by the source's key of the account."""

    flow = Flow.CREDIT
    kind = Kind.CREDIT
    content = CreditTag

    def fingerprint(self, route: Route) -> str:
        """Whether the channel is told, and by which policies."""
        rules = route.credit
        policies = [("", rules.currency)] + [
            (name, str(policy)) for name, policy in sorted(rules.accounts.items())
        ]
        return fingerprint(rules.mirror, str(rules.policy), policies)

    def operation(self, key: str) -> str:
        """There is one."""
        del key
        return "set_credit"

    def operations(self, route: Route) -> set[str]:
        """None, where only those are answered who ask."""
        return {"set_credit"} if route.credit.mirror else set()

    def of_record(self, route: Route, record: str) -> Iterable[str]:
        """One content for each account."""
        return (record,) if route.credit.mirror else ()

    def wanted(
        self,
        route: Route,
        key: str,
        records: Mapping[str, Any],
        item: Item,
        before: CreditTag | None,
        now_ms: int,
    ) -> Wanted:
        """What is left of the account's credit now; an approval that ends gives some back."""
        del before
        credit: Credit | None = records.get(key)
        if not item.external_id:
            return Wanted(None, UNBOUND, next_ms=now_ms + BOUND_LATER_MS)
        if credit is None:
            return Wanted(None, UNKNOWN)
        ours: Ours = records.get(OURS, Ours(()))
        contains_ms = credit.read_began_ms - ours.lag_ms
        counted = [claim for claim in ours.claims if counts(claim, contains_ms, now_ms)]
        ends = [claim.expires_at_ms for claim in counted if claim.state != "ordered"]
        credit = replace(credit, currency=credit.currency or route.credit.currency)
        tag = tag_of(credit, sum(claim.amount for claim in counted), route.credit.of(key))
        return Wanted(tag, next_ms=min(ends, default=0))

    def nothing(self, route: Route, key: str) -> CreditTag | None:
        """Of an account that the channel does not have, nothing; one that it was never told of says so itself."""
        del route, key
        return None

    def seen(self, shown: CreditTag, ours: CreditTag) -> CreditTag:
        """Amounts as such, however they are written; of a channel that keeps no limit, what may be bought."""
        same = shown == ours
        if shown.limit is None and shown != UNTOLD:
            same = ours.currency in ("", shown.currency) and shown.room == ours.room
        return ours if same else shown

    def described(self, content: CreditTag) -> str:
        """What is left."""
        return credit_text(content)

    def contrasted(self, shown: CreditTag, ours: CreditTag) -> str:
        """Both."""
        return f"the channel shows {credit_text(shown)}, {credit_text(ours)}"

    def payload(self, key: str, content: CreditTag, item: Item, before: CreditTag | None) -> SetCredit:
        """By the channel's own id of the customer."""
        del before
        return SetCredit(key, item.external_id, content)


def credit_text(tag: CreditTag) -> str:
    """A tag in words, such as "800 of 1000 GBP left"."""
    if tag == UNTOLD:
        return tag.reason
    if tag.available is None or tag.limit is None:
        left = "no limit"
    else:
        left = f"{tag.available:f} of {tag.limit:f} {tag.currency} left"
    return f"{left}, blocked" if tag.blocked else left
