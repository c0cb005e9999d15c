"""What a person can ask about somebody's personal data: that it is erased, what is held, and how far requests are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from syncline.engine.operations import NotPossible
from syncline.engine.privacy.cases import (
    Case,
    CaseState,
    answered,
    asked,
    case_of,
    moved,
    read_cases,
    request_id,
)
from syncline.engine.privacy.export import Held, held_of
from syncline.model.copying import replace
from syncline.model.privacy import Ask, PrivacyRequest

if TYPE_CHECKING:
    from syncline.engine.audit import Audit
    from syncline.engine.engine import Engine

ORDERS_MAX = 1_000  # that one request may name
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class Desk:
    """Takes requests of people. Whom they are about is in no audit entry except by ids."""

    def __init__(self, engine: Engine, audit: Audit) -> None:
        self._engine = engine
        self._store = engine.store
        self._clock = engine.clock
        self._audit = audit

    async def erase(
        self, system: str, *, customer: str = "", email: str = "", orders: Sequence[str] = (), by: str
    ) -> Case:
        """Ask for a customer to be erased; it is done by itself as soon as nothing of theirs is under way.

        Raises:
            NotPossible: nobody is named, the system is unknown, or the address is none.
        """
        case = self._case(Ask.ERASE, system, customer, email, orders, by)
        await self._audit.write(
            asked(case),
            actor=by,
            action="ask to erase personal data",
            subject=f"request {case.id}: {case.subject}",
        )
        self._engine.eraser.wake()
        return case

    async def requests(self) -> list[Case]:
        """Every request, oldest first."""
        return await read_cases(self._store)

    async def export(
        self, system: str, *, customer: str = "", email: str = "", orders: Sequence[str] = (), by: str
    ) -> Held:
        """Everything that is held of a customer.

        Raises:
            NotPossible: nobody is named, the system is unknown, or the address is none.
        """
        case = self._case(Ask.EXPORT, system, customer, email, orders, by)
        return await self._held(case, by)

    async def answer(self, number: str, *, by: str) -> Held:
        """The same for a request that a system made; it counts as answered from now on.

        Raises:
            NotPossible: there is no such request, or it asks for something else.
        """
        rows = await self._store.read("privacy_get", id=number)
        case = msgspec.json.decode(rows[0][1], type=Case) if rows else None
        if case is None or case.ask is not Ask.EXPORT:
            raise NotPossible(
                "not_found", f"No request {number!r} asks what is held.", "See `syncline privacy requests`."
            )
        held = await self._held(case, by)
        if case.state is not CaseState.DONE:
            now_ms = self._clock.now_ms()
            done = replace(case, state=CaseState.DONE, email="", done_at_ms=now_ms)
            await self._store.write(moved(done), answered(case, by=by, now_ms=now_ms))
        return held

    async def _held(self, case: Case, by: str) -> Held:
        found = await self._engine.eraser.find(case)
        held = await held_of(
            self._store,
            self._engine.routes,
            case.system,
            orders=found.orders,
            customers=found.customers,
            email=case.email,
        )
        await self._audit.write(
            actor=by, action="export personal data", subject=f"request {case.id}: {case.subject}"
        )
        return held

    def _case(self, ask: Ask, system: str, customer: str, email: str, orders: Sequence[str], by: str) -> Case:
        if system not in self._engine.systems:
            raise NotPossible("not_found", f"No system is called {system!r}.", "See /v1/lanes for the names.")
        customer, email = customer.strip(), email.strip()
        orders = [order for each in orders if (order := each.strip())]
        if not (customer or email or orders):
            raise NotPossible(
                "nobody_named", "Nobody is named.", "Give a customer's id, an e-mail, or orders."
            )
        if email and not _EMAIL.fullmatch(email):  # any other word stands in messages of others too
            raise NotPossible("no_email", f"{email!r} is no e-mail address.", "Name the customer by the id.")
        now_ms = self._clock.now_ms()
        id_ = request_id(system, ask.value, customer, email.lower(), *orders, f"{now_ms}", by)
        request = PrivacyRequest(id_, ask, customer, email, tuple(orders[:ORDERS_MAX]))
        return case_of(system, request, by=by, now_ms=now_ms)
