"""May this account buy on credit? Asked by a checkout, answered from one indexed read.

An approval takes its amount of the account's credit until it expires, is released, or its order comes; `syncline.credit`
says what counts. Two checkouts of one account cannot both use the last of it, because

- ``credit_take`` compares and inserts in one statement, after the same transaction has changed the account's row in
  ``credit_account``. That row is the lock: there, PostgreSQL puts transactions about one account in a row; SQLite has one
  writer anyway.
- It compares with the figures that were judged: if they were replaced meanwhile, nothing is taken, and all is judged again.
- An approval ends by the clock only in a transaction that says so, before its amount is given to somebody else.
- The order takes the place of its approval in the transaction that stores the order.

The same reference again finds its approval and takes nothing more; another one for the same order takes its place. What was held for review or denied took nothing, so it
is judged anew each time that it is asked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog
from msgspec import Struct

from syncline.credit.exposure import AMOUNT_MAX, REASONS, Claim, Judgement, Part, judge, of_parts, up
from syncline.credit.rules import Decision
from syncline.engine.apply.credit import HOLDING, claims_of, marks, ordered_writes
from syncline.engine.apply.full_states import SYSTEM, stream_of
from syncline.engine.buyers import account_of
from syncline.engine.codec import decode
from syncline.engine.derive.credit import OURS, Ours
from syncline.engine.refused import Refused
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.credit import Credit
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.model.records import Order
from syncline.ports import Clock, Row, Store, System, Write

EXPIRES_MS_MIN = 10_000
EXPIRES_MS_MAX = 86_400_000
FIRM_MS = 7 * 86_400_000  # how long a confirmed approval waits for its order
TRIES_MAX = 20  # times that figures or claims may change while one amount is judged
CLAIMS_MAX = 10_000  # of one account that count at once
SWEEP_EVERY_S = 5.0
SWEEP_MAX = 200
ORDERS_MAX = 20  # that share a number

log = structlog.get_logger(__name__)


class CreditRefused(Refused):
    """A question about credit that cannot be answered."""


class CreditAnswer(Struct, frozen=True):
    """What is decided of an amount, and every figure behind it.

    ``decision`` is ``approve``, ``hold`` (for review) or ``deny``; ``reason`` is for programs, ``message`` for people. An
    approval has a ``state``: ``open`` until ``expires_at_ms``, ``confirmed`` until its order comes, and then ``replaced``,
    ``released`` or ``expired``. ``exposure`` contains the amount and is the sum of its ``parts``; ``available`` is what is
    left without it. ``days_past_due`` is the age of the oldest open invoice after its due date. ``as_of_ms`` is when the
    source confirmed the figures last, ``bound_ms`` how long a change there may stay unknown. Where nothing is known they are
    ``null``.
    """

    reference: str
    channel: str
    account: str
    decision: str
    reason: str
    message: str
    amount: Decimal
    currency: str
    order: str = ""
    state: str = ""
    expires_at_ms: int | None = None
    limit: Decimal | None = None
    exposure: Decimal | None = None
    available: Decimal | None = None
    parts: tuple[Part, ...] = ()
    days_past_due: int | None = None
    overdue: Decimal | None = None
    open_invoices: int | None = None
    as_of_ms: int | None = None
    age_ms: int | None = None
    bound_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of an account at one moment: its figures, since when they hold, and its claims."""

    credit: Credit | None
    version: int
    as_of_ms: int
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What a checkout asks; ``account`` is the source's key of the customer."""

    reference: str
    channel: str
    account: str
    amount: Decimal
    currency: str
    order: str = ""


class CreditGate:
    """Approves, confirms and releases. ``bound_ms`` tells how long a change of a route's source may stay unknown."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        routes: Routes,
        systems: Mapping[str, System],
        wake: Callable[[], None],
        bound_ms: Callable[[Route], int | None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._configured = routes
        self._all = routes.of(Flow.CREDIT)
        self._routes = {route.sink: route for route in self._all}
        self._lag_ms = {name: system.capabilities.replica_lag_ms for name, system in systems.items()}
        self._wake = wake
        self._bound_ms = bound_ms
        self._settled: dict[str, int] = {}
        self.decided: Counter[tuple[str, str, str]] = Counter()  # by channel, decision and reason

    # --- asking -------------------------------------------------------------------------------------

    async def check(
        self,
        reference: str,
        channel: str,
        amount: Decimal,
        currency: str,
        *,
        account: str = "",
        customer: str = "",
        order: str = "",
        expires_in_ms: int | None = None,
        by: str = "",
    ) -> CreditAnswer:
        """Judge an amount, and take it if it is approved.

        Args:
            reference: of the caller's choice; an approval is known by it.
            channel: where is bought.
            amount: what the order will cost, above 0.
            currency: of the amount, ISO 4217.
            account: the customer by the source's key.
            customer: instead of that, by the channel's own id.
            order: the key or the number of the order that will follow, if it is known already.
            expires_in_ms: how long the approval lasts without an order; ``None``: as the route has it.
            by: who asks.

        Raises:
            CreditRefused: the channel is unknown, the reference is taken, or the request makes no sense.
            Retryable: too many ask for the same account at once.
        """
        route = self._route(channel)
        lasts_ms = route.credit.expires_ms if expires_in_ms is None else expires_in_ms
        _check(amount, lasts_ms)
        known = self._configured.heir(route.source, account)
        if not known:
            known = await account_of(self._store, self._configured, route, customer)
        asked = Question(reference, channel, known, amount, currency, order)
        for _ in range(TRIES_MAX):
            figures = await self._figures(route, known)
            now_ms = self._clock.now_ms()
            if any(one.reference == reference and _lasts(one, now_ms) for one in figures.claims):
                return await self._same(route, asked, figures, now_ms)
            judged = self._judge(route, asked, figures, now_ms)
            if judged.decision is not Decision.APPROVE:
                if await self._holds(reference):
                    return await self._same(route, asked, figures, now_ms)
                return self._decided(self._answer(route, asked, figures, judged, now_ms))
            if await self._take(route, asked, figures, judged, now_ms, now_ms + lasts_ms, by):
                answer = self._answer(route, asked, figures, judged, now_ms, "open", now_ms + lasts_ms)
                return self._decided(answer)
            if await self._holds(reference):
                return await self._same(route, asked, figures, now_ms)
        raise Retryable("too many ask for this account at once: try again")

    async def look(self, channel: str, account: str, *, amount: Decimal | None = None) -> CreditAnswer:
        """What is known of an account, and what an order of an amount, or of nothing, would be told; takes nothing.

        Raises:
            CreditRefused: the channel is unknown.
        """
        route = self._route(channel)
        account = self._configured.heir(route.source, account)
        figures = await self._figures(route, account)
        currency = "" if figures.credit is None else figures.credit.currency
        asked = Question("", channel, account, amount or Decimal(0), currency)
        now_ms = self._clock.now_ms()
        return self._answer(route, asked, figures, self._judge(route, asked, figures, now_ms), now_ms)

    async def show(self, reference: str) -> CreditAnswer:
        """An approval as it is now.

        Raises:
            CreditRefused: there is none of that reference.
        """
        row = await self._claim(reference)
        route = self._route(row[2])
        return await self._known(route, reference, row)

    async def confirm(self, reference: str, *, order: str = "") -> CreditAnswer:
        """The buyer has ordered: keep the approval until the order arrives, for a week at most.

        One that has expired is judged again, and confirmed if its amount is still to be had.

        Raises:
            CreditRefused: it was released, is for another order, or expired and is not approved again.
            Retryable: too many ask for the same account at once.
        """
        row = await self._claim(reference)
        route = self._route(row[2])
        order = await self._order_key(route.sink, order)
        if not await self._confirm(reference, order):
            row = await self._claim(reference)
            state = self._state(row)
            if state == "expired":
                again = await self.check(
                    reference, row[2], of_parts(row[4]), row[5], account=row[1], order=order or row[3],
                    by=row[7],
                )  # fmt: skip
                if again.decision != Decision.APPROVE:
                    raise CreditRefused(
                        "expired", f"This approval had expired. {again.message}", "Have the order reviewed."
                    )
                await self._confirm(reference, order)
            elif state == "released":
                raise CreditRefused("released", "This approval was released.", "Ask again.")
            elif state in HOLDING:
                raise CreditRefused(
                    "other_order",
                    f"This approval is for the order {row[3]!r}.",
                    "Confirm it without an order.",
                )
        await self._meet(route.source)
        return await self.show(reference)

    async def release(self, reference: str) -> CreditAnswer:
        """Give an approval's amount back. Of one that has ended, nothing is given back again.

        Raises:
            CreditRefused: there is none of that reference.
        """
        row = await self._claim(reference)
        release = Write("credit_release", [{"reference": reference}], told=False)
        await self._write(row[0], [row[1]], release)
        return await self.show(reference)

    # --- what is known ------------------------------------------------------------------------------

    def _route(self, channel: str) -> Route:
        route = self._routes.get(channel)
        if route is None:
            known = ", ".join(sorted(self._routes))
            raise CreditRefused(
                "unknown_channel",
                f"channel: no credit is kept for {channel!r}.",
                f"Use one of {known}." if known else "Configure a route of credit.",
            )
        return route

    async def _figures(self, route: Route, account: str) -> Figures:
        rows = await self._store.read(
            "credit_account",
            system=route.source,
            account=account,
            judged=stream_of(route.source, Kind.CREDIT.value),
            limit=CLAIMS_MAX,
        )
        body, version, gone, seen_ms, *_, judged = rows[0]
        claims = tuple(Claim(*row[4:11]) for row in rows if row[4] is not None)
        if body is None or gone:
            return Figures(None, -1, 0, claims)
        # What the last full read contained was so when that read began, be it told again or not.
        judged_ms = int(judged or 0)
        credit: Credit = decode(Kind.CREDIT, body)
        return Figures(
            replace(credit, currency=credit.currency or route.credit.currency),
            version,
            max(version, judged_ms if seen_ms >= judged_ms else 0),
            claims,
        )

    def _judge(self, route: Route, asked: Question, figures: Figures, now_ms: int) -> Judgement:
        return judge(
            figures.credit,
            [claim for claim in figures.claims if not _replaced(claim, asked)],
            route.credit.of(asked.account),
            asked.amount,
            asked.currency,
            contains_ms=self._contains_ms(route, figures),
            age_ms=max(0, now_ms - figures.as_of_ms),
            now_ms=now_ms,
        )

    def _contains_ms(self, route: Route, figures: Figures) -> int:
        """What the source had confirmed by then, its figures contain."""
        return figures.as_of_ms - self._lag_ms.get(route.source, 0)

    async def _take(
        self,
        route: Route,
        asked: Question,
        figures: Figures,
        judged: Judgement,
        now_ms: int,
        expires_at_ms: int,
        by: str,
    ) -> bool:
        """Take an approved amount, if it is still to be had by the figures that were judged."""
        at = {"system": route.source, "account": asked.account}
        row = {
            **at,
            "reference": asked.reference,
            "channel": asked.channel,
            "order_key": asked.order,
            "amount": up(asked.amount),
            "currency": asked.currency,
            "made_by": by,
            "now_ms": now_ms,
            "expires_at_ms": expires_at_ms,
            "bounded": int(judged.room is not None),
            "room": judged.room or 0,
            "contains_ms": self._contains_ms(route, figures),
            "version": figures.version,
        }
        writes = [Write("credit_lock", [at], told=False)]
        # A statement that cannot find anything would only make everybody wait. What expires between the look and the
        # taking still counts, and is found by the next look.
        if any(_over(claim, now_ms) for claim in figures.claims):
            writes.append(Write("credit_lapse", [{**at, "now_ms": now_ms}], told=False))
        if asked.order:
            former = {"channel": asked.channel, "order_key": asked.order, "number": asked.order}
            writes.append(Write("credit_replace", [{**former, "reference": asked.reference}], told=False))
        taking = len(writes)
        results = await self._write(route.source, [asked.account], *writes, Write("credit_take", [row]))
        return bool(results[taking])

    async def _write(self, system: str, accounts: Sequence[str], *writes: Write) -> list[list[Row]]:
        """Write, and have computed again what these accounts' channels are told."""
        told = marks(self._all, system, accounts, self._clock.now_ms())
        results = await self._store.write(*writes, *told) if writes or told else []
        if told:
            self._wake()
        return results

    async def _holds(self, reference: str) -> bool:
        """Whether a reference is in use; one that has expired may be asked anew."""
        rows = await self._store.read("credit_claim", reference=reference)
        return bool(rows) and self._state(rows[0]) != "expired"

    async def _claim(self, reference: str) -> Row:
        rows = await self._store.read("credit_claim", reference=reference)
        if not rows:
            raise CreditRefused(
                "not_found",
                f"There is no approval {reference!r}.",
                "What was held or denied took nothing; approvals that ended are forgotten after 30 days.",
            )
        return rows[0]

    def _state(self, row: Row) -> str:
        return "expired" if row[6] == "open" and row[9] <= self._clock.now_ms() else str(row[6])

    async def _same(self, route: Route, asked: Question, figures: Figures, now_ms: int) -> CreditAnswer:
        """The approval of a reference that is used again.

        Raises:
            CreditRefused: it is of something else.
        """
        row = await self._claim(asked.reference)
        if (row[1], row[2], row[4], row[5]) != (
            asked.account,
            asked.channel,
            up(asked.amount),
            asked.currency,
        ):
            raise CreditRefused(
                "reference_taken",
                f"reference: {asked.reference!r} is another approval, of another amount or account.",
                "Use a new reference for a changed cart, and release the old one.",
            )
        return await self._known(route, asked.reference, row)

    async def _known(self, route: Route, reference: str, row: Row) -> CreditAnswer:
        """What there is of an approval, with the account as it is now."""
        _, account, channel, order, amount, currency, _, _, _, expires_at_ms = row
        figures = await self._figures(route, account)
        others = tuple(claim for claim in figures.claims if claim.reference != reference)
        figures = Figures(figures.credit, figures.version, figures.as_of_ms, others)
        asked = Question(reference, channel, account, of_parts(amount), currency, order)
        now_ms = self._clock.now_ms()
        judged = self._judge(route, asked, figures, now_ms)
        state = self._state(row)
        answer = self._answer(route, asked, figures, judged, now_ms, state, expires_at_ms)
        if state not in (*HOLDING, "replaced"):
            return replace(answer, decision=Decision.DENY.value, reason="ended", message=REASONS["ended"])
        # What was approved stays so, whatever would be decided now.
        usual = "no_limit" if answer.limit is None else "within_limit"
        reason = judged.reason if judged.decision is Decision.APPROVE else usual
        return replace(answer, decision=Decision.APPROVE.value, reason=reason, message=REASONS[reason])

    def _answer(
        self,
        route: Route,
        asked: Question,
        figures: Figures,
        judged: Judgement,
        now_ms: int,
        state: str = "",
        expires_at_ms: int | None = None,
    ) -> CreditAnswer:
        credit = figures.credit
        known = credit is not None
        return CreditAnswer(
            asked.reference,
            asked.channel,
            asked.account,
            judged.decision.value,
            judged.reason,
            REASONS[judged.reason],
            asked.amount,
            asked.currency,
            asked.order,
            state,
            expires_at_ms,
            judged.limit,
            judged.exposure,
            judged.available,
            judged.parts,
            None if credit is None else credit.days_past_due,
            None if credit is None else credit.overdue,
            None if credit is None else credit.open_invoices,
            figures.as_of_ms if known else None,
            max(0, now_ms - figures.as_of_ms) if known else None,
            self._bound_ms(route),
        )

    def _decided(self, answer: CreditAnswer) -> CreditAnswer:
        self.decided[answer.channel, answer.decision, answer.reason] += 1
        return answer

    async def ours(self, route: Route, accounts: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The claims of some accounts, beside which their contents are computed."""
        rows = await self._store.read("credit_claims", system=route.source, accounts=list(accounts))
        claims: dict[str, list[Claim]] = {}
        for account, *row in rows:
            claims.setdefault(account, []).append(Claim(*row))
        lag_ms = self._lag_ms.get(route.source, 0)
        return {account: {OURS: Ours(tuple(found), lag_ms)} for account, found in claims.items()}

    # --- orders -------------------------------------------------------------------------------------

    async def _order_key(self, channel: str, order: str) -> str:
        """An order's key, where its number was given and it is known already."""
        if not order:
            return ""
        found = await self._store.read("orders_numbered", numbers=[order], limit=ORDERS_MAX)
        return next((str(key) for system, key in found if system == channel), order)

    async def _confirm(self, reference: str, order: str) -> bool:
        now_ms = self._clock.now_ms()
        row = {
            "reference": reference,
            "order_key": order,
            "now_ms": now_ms,
            "expires_at_ms": now_ms + FIRM_MS,
        }
        return bool((await self._store.write(Write("credit_confirm", [row])))[0])

    async def _meet(self, system: str) -> None:
        """Let orders take the place of approvals that learned their names after them."""
        rows = await self._store.read("credit_met", system=system, limit=SWEEP_MAX)
        for reference, channel, _, body in rows:
            route = self._routes.get(channel)
            if route is None or route.source != system:
                continue
            order: Order = decode(Kind.ORDER, body)
            claimed = (await claims_of(self._store, route, [order])).get(order.key)
            approved = (await self._claim(reference))[1]
            account = approved if claimed is None else claimed.account
            now_ms = self._clock.now_ms()
            await self._write(system, [approved, account], *ordered_writes(route, [(order, account)], now_ms))

    # --- what need not be looked at any more ----------------------------------------------------------

    async def sweep(self) -> None:
        """Settle the orders that each source's figures contain, and meet those that came unnoticed."""
        for system in dict.fromkeys(route.source for route in self._all):
            await self._meet(system)
            rows = await self._store.read(
                "cursor_get", system=SYSTEM, stream=stream_of(system, Kind.CREDIT.value)
            )
            judged_ms = int(rows[0][0]) if rows else 0
            if judged_ms <= self._settled.get(system, 0):
                continue
            row = {
                "system": system,
                "contains_ms": judged_ms - self._lag_ms.get(system, 0),
                "judged_ms": judged_ms,
            }
            asked = await self._store.read("credit_settling", **row, limit=SWEEP_MAX)
            accounts = [account for (account,) in asked]
            if accounts:  # together with their marks, so that no crash comes between
                each = [{**row, "account": account} for account in accounts]
                await self._write(system, accounts, Write("credit_settle", each))
            if len(accounts) < SWEEP_MAX:
                self._settled[system] = judged_ms

    async def run(self) -> None:
        """Sweep until cancelled; without a route of credit there is nothing to do."""
        while self._all:
            await self._clock.sleep(SWEEP_EVERY_S)
            try:
                await self.sweep()
            except (Retryable, OutcomeUnknown) as error:  # a full disk, a database that restarts
                log.warning("the store does not take it", action="store_refused", error=str(error))
        await asyncio.Event().wait()


def _check(amount: Decimal, expires_in_ms: int) -> None:
    if not amount.is_finite() or not 0 < amount <= AMOUNT_MAX:
        raise CreditRefused(
            "bad_amount",
            f"amount: {amount} must lie above 0 and be at most {AMOUNT_MAX}.",
            "Ask for the order's total, tax and shipping included.",
        )
    if not EXPIRES_MS_MIN <= expires_in_ms <= EXPIRES_MS_MAX:
        raise CreditRefused(
            "bad_expiry",
            "expires_in_s: an approval lasts from 10 seconds to 24 hours.",
            "Confirm it once the buyer has ordered; until then 15 minutes are usual.",
        )


def _replaced(claim: Claim, asked: Question) -> bool:
    """Whether an approval would give way to what is asked: an order has one."""
    return bool(asked.order) and claim.order == asked.order and claim.state != "ordered"


def _over(claim: Claim, now_ms: int) -> bool:
    """Whether the clock has ended an approval."""
    return claim.state != "ordered" and claim.expires_at_ms <= now_ms


def _lasts(claim: Claim, now_ms: int) -> bool:
    """Whether an approval still holds its amount."""
    return claim.state == "confirmed" or claim.expires_at_ms > now_ms
