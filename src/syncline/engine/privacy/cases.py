"""Requests about personal data: kept with their deadline until they are done, and afterwards as proof that they were."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from syncline.model.privacy import Ask, PrivacyRequest
from syncline.ports import Store, Write

DAY_MS = 86_400_000
# Shopify asks for 30 days (https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance), the GDPR for a month.
DEADLINE_MS = 30 * DAY_MS
# So long before it nothing is waited for any more: what is left of the work is done without the person.
LAST_MS = 2 * DAY_MS
TELL = "tell_customer"
PAGE = 200
CASES_MAX = 10_000  # that are looked through


class CaseState(StrEnum):
    """How far a request is."""

    ASKED = "asked"  # nothing was looked for yet; of an export: nobody has answered
    WAITING = "waiting"  # something of it is under way, or another system still tells of the person
    DONE = "done"


class Case(msgspec.Struct, frozen=True):
    """One request and what became of it.

    ``by`` is the person who asked here, "" where the system asked. ``waits`` says for what it waits; of one that is done, what
    was left. ``email`` is kept until it is done. ``orders`` and ``customers`` (each with its system) are all ids that were
    found; ``found`` counts what was erased, by what it was.
    """

    id: str
    ask: Ask
    system: str
    by: str
    asked_at_ms: int
    deadline_ms: int
    state: CaseState = CaseState.ASKED
    customer: str = ""
    email: str = ""
    orders: tuple[str, ...] = ()
    customers: tuple[tuple[str, str], ...] = ()
    waits: tuple[str, ...] = ()
    found: dict[str, int] = {}
    done_at_ms: int = 0

    @property
    def subject(self) -> str:
        """Whom it is about, by ids alone."""
        if self.ask is Ask.ERASE_ALL:
            return f"every customer of {self.system}"
        if self.customer:
            return f"customer {self.customer} of {self.system}"
        return f"somebody who bought at {self.system}"


def request_id(*parts: str) -> str:
    """The same for the same request; of an e-mail address nothing can be read in it."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=10).hexdigest()


def case_of(system: str, request: PrivacyRequest, *, by: str, now_ms: int) -> Case:
    """A request as it begins."""
    return Case(
        id=request.id,
        ask=request.ask,
        system=system,
        by=by,
        asked_at_ms=now_ms,
        deadline_ms=now_ms + DEADLINE_MS,
        customer=request.customer,
        email=request.email.strip().lower(),
        orders=request.orders,
    )


def row_of(case: Case) -> dict[str, str]:
    """The row of ``privacy_ask`` and ``privacy_move``."""
    return {"id": case.id, "state": case.state.value, "body": msgspec.json.encode(case).decode()}


def asked(case: Case) -> Write:
    """Keep a new request; one that is known already stays as it is."""
    return Write("privacy_ask", [row_of(case)])


def noted(case: Case) -> Write:
    """Tell people that somebody waits for their answer."""
    row = {
        "system": case.system,
        "operation": TELL,
        "key": case.id,
        "reason": "data_requested",
        "detail": f"{case.subject} asks; `syncline privacy export --request {case.id} --to FILE` answers",
        "payload": "",
        "now_ms": case.asked_at_ms,
    }
    return Write("parked_put", [row], told=False)


def answered(case: Case, *, by: str, now_ms: int) -> Write:
    """Nobody has to be told of a request any more."""
    row = {
        "system": case.system,
        "operation": TELL,
        "key": case.id,
        "resolution": "answered",
        "by": by,
        "now_ms": now_ms,
    }
    return Write("parked_resolve", [row], told=False)


def moved(case: Case) -> Write:
    """Keep what became of a request."""
    return Write("privacy_move", [row_of(case)])


async def read_cases(store: Store, state: CaseState | None = None) -> list[Case]:
    """All requests, or those in a state; in the order of their moments."""
    found: list[Case] = []
    after = ""
    while len(found) < CASES_MAX:
        rows = await store.read(
            "privacies", state="" if state is None else state.value, after=after, limit=PAGE
        )
        found += [msgspec.json.decode(row[2], type=Case) for row in rows]
        if len(rows) < PAGE:
            break
        after = rows[-1][0]
    return sorted(found, key=lambda case: (case.asked_at_ms, case.id))
