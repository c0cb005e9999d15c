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
from syncline.engine.switches import named
from syncline.model.copying import replace
from syncline.model.privacy import Ask, PrivacyRequest

if TYPE_CHECKING:
    from syncline.engine.audit import Audit
    from syncline.engine.engine import Engine

ORDERS_MAX = 1_000  # that one request may name
EXPORTED = "export personal data"
SHOWN_MAX = 50  # ids of a sort
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class Preview(msgspec.Struct, frozen=True):
    """What a request would erase, by ids and counts; nothing of it tells who somebody is.

    ``orders`` and ``customers`` (each with its system) are the first of ``orders_found`` and ``customers_found``; ``unknown`` are
    orders that were named and that nobody has told of. ``messages``
    and ``calls`` are those that tell of the person, ``more`` says that there are more of them. ``files`` are copies of files, by
    system and name. ``waits`` says for what it would wait.
    """

    subject: str
    orders: tuple[str, ...]
    orders_found: int
    unknown: tuple[str, ...]
    customers: tuple[tuple[str, str], ...]
    customers_found: int
    messages: int
    calls: int
    more: bool
    files: tuple[tuple[str, str], ...]
    waits: tuple[str, ...]


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

    async def look(
        self, system: str, *, customer: str = "", email: str = "", orders: Sequence[str] = (), by: str
    ) -> Preview:
        """What would be erased if it were asked for now.

        Raises:
            NotPossible: as ``erase``.
        """
        case = self._case(Ask.ERASE, system, customer, email, orders, by)
        found = await self._engine.eraser.find(case)
        held = await self._held(found, by, "look at what would be erased")
        known = [order["key"] for order in held.orders]
        return Preview(
            subject=case.subject,
            orders=tuple(known[:SHOWN_MAX]),
            orders_found=len(known),
            unknown=tuple(key for key in case.orders if key not in known)[:SHOWN_MAX],
            customers=found.customers[:SHOWN_MAX],
            customers_found=len(held.customers),
            messages=len(held.messages),
            calls=len(held.calls),
            more=held.more,
            files=held.files,
            waits=tuple(await self._engine.eraser.waits(found)),
        )

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
        return await self._held(await self._engine.eraser.find(case), by, EXPORTED)

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
        held = await self._held(await self._engine.eraser.find(case), by, EXPORTED)
        if case.state is not CaseState.DONE:
            now_ms = self._clock.now_ms()
            done = replace(case, state=CaseState.DONE, email="", done_at_ms=now_ms)
            await self._store.write(moved(done), answered(case, by=by, now_ms=now_ms))
        return held

    async def _held(self, found: Case, by: str, action: str) -> Held:
        """What is held of whom a request means, and an audit entry of who wanted to know."""
        held = await held_of(
            self._store,
            self._engine.routes,
            found.system,
            orders=found.orders,
            customers=found.customers,
            email=found.email,
        )
        copies = await self._engine.eraser.copies(found)
        files = tuple((system, name) for system, one in copies.items() for name in one.files)
        held = replace(held, files=files)
        await self._audit.write(actor=by, action=action, subject=f"request {found.id}: {found.subject}")
        return held

    def _case(self, ask: Ask, system: str, customer: str, email: str, orders: Sequence[str], by: str) -> Case:
        system = named(self._engine, system, systems=True)
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
