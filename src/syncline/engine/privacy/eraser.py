"""Erases who somebody is, wherever the store has it: when nothing of theirs is under way any more, or at the deadline.

It runs in the process that applies the log, and writes as the applier does, so a message about the same order comes before
it or after it. What is not done when a process ends is done again by the next one: erasing twice is erasing once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import msgspec
import structlog

from syncline.engine.adopt.orders import WHOLE
from syncline.engine.apply.applier import CONSUMER, Applier
from syncline.engine.audit import Audit
from syncline.engine.codec import decode
from syncline.engine.privacy.cases import (
    LAST_MS,
    Case,
    CaseState,
    asked,
    moved,
    read_cases,
)
from syncline.engine.privacy.intake import Intake
from syncline.engine.privacy.persons import Words
from syncline.engine.privacy.traces import (
    Delivered,
    Found,
    adopted_without,
    customer_traces,
    deliveries_of,
    order_traces,
    parked_without,
    unanswered,
    under_way,
    words_of_records,
)
from syncline.engine.routes import Routes, customer_reference
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.customers import Company
from syncline.model.errors import Fenced, Misconfigured, OutcomeUnknown, Retryable
from syncline.model.privacy import Ask
from syncline.model.records import Order
from syncline.ports import Clock, Ledger, Row, Searched, Store, System, Write

EVERY_S = 900.0  # how often a request that waits is looked at again
PAGE = 200  # rows in one turn, after which others have theirs
WAITS_MAX = 20  # reasons that are kept
TRIES_MAX = 5  # against news of the same record
SYNCLINE = "syncline"
READ = ("customers", WHOLE)  # what an adoption has read of people, until it has ended

log = structlog.get_logger(__name__)


class Line(msgspec.Struct, frozen=True):
    """What the ledger keeps of a request: no more than brings it back after a restore."""

    id: str
    ask: Ask
    system: str
    asked_at_ms: int
    deadline_ms: int
    customer: str = ""
    orders: tuple[str, ...] = ()
    customers: tuple[tuple[str, str], ...] = ()


class Eraser:
    """The worker. ``run`` begins before anything is applied."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        routes: Routes,
        systems: Mapping[str, System],
        applier: Applier,
        intake: Intake,
        audit: Audit,
        ledger: Ledger | None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._routes = routes
        self._systems = systems
        self._applier = applier
        self._intake = intake
        self._audit = audit
        self._ledger = ledger
        self._signal = asyncio.Event()
        intake.watch(self._signal.set)

    def wake(self) -> None:
        """A request was stored."""
        self._intake.active = True
        self._signal.set()

    async def begin(self) -> None:
        """Take up what was asked after the backup from which the store was put back, if it was.

        Whoever was erased then is unknown to the store, so whatever it is told of them comes without them from now on.

        Raises:
            Misconfigured: the ledger cannot be understood.
        """
        await self._intake.load()
        lines = self._ledger.lines() if self._ledger is not None else ()
        known = {case.id for case in await read_cases(self._store)} if lines else set()
        for number, text in enumerate(lines, 1):
            try:
                line = msgspec.json.decode(text, type=Line)
            except msgspec.MsgspecError as error:
                raise Misconfigured(f"line {number} of the ledger of what was erased: {error}") from error
            if line.id in known:
                continue
            known.add(line.id)
            case = Case(
                id=line.id,
                ask=line.ask,
                system=line.system,
                by="",
                asked_at_ms=line.asked_at_ms,
                deadline_ms=line.deadline_ms,
                state=CaseState.WAITING,
                customer=line.customer,
                orders=line.orders,
                customers=line.customers,
                waits=("it was asked after the backup that was put back",),
            )
            await self._applier.erase(*_marks(case, self._clock.now_ms()), asked(case))
            self._intake.active = True

    async def run(self) -> None:
        """Work until cancelled. While nobody asks for anything it costs nothing."""
        while True:
            self._signal.clear()
            waiting = False
            if self._intake.active:
                try:
                    waiting = await self.look()
                except (Retryable, OutcomeUnknown) as error:  # a full disk, a database that restarts
                    log.warning("erasing waits", action="erase_refused", error=str(error))
                    waiting = True
            timer = self._clock.after(EVERY_S, self._signal.set) if waiting else None
            try:
                await self._signal.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    async def look(self) -> bool:
        """Do what can be done of every request; whether any of them waits."""
        waiting = False
        for state in (CaseState.ASKED, CaseState.WAITING):
            for case in await read_cases(self._store, state):
                if case.ask is Ask.EXPORT:
                    continue
                waiting = not await self._further(case) or waiting
        return waiting

    async def _further(self, case: Case) -> bool:
        """Do what can be done of one request; whether that was all."""
        if case.state is CaseState.ASKED:
            case = await self._found(case)
        late = self._clock.now_ms() >= case.deadline_ms - LAST_MS
        left: list[str] = []
        if case.ask is Ask.ERASE_ALL:
            waits, found, left = await self._everybody(case, late=late)
        else:
            waits, found = [] if late else await self._waits(case), {}
            if not waits:
                found, left = await self._one(case)
                waits = await self._unanswered(case)
        if waits:
            waits = waits[:WAITS_MAX]
            if case.waits != tuple(waits) or found:
                _add(found, case.found)
                await self._applier.erase(moved(replace(case, waits=tuple(waits), found=found)))
            return False
        _add(found, case.found)
        left = [*await self._told_elsewhere(case), *left][:WAITS_MAX]
        now_ms = self._clock.now_ms()
        done = replace(
            case, state=CaseState.DONE, email="", waits=tuple(left), found=found, done_at_ms=now_ms
        )
        told = ", ".join(f"{count} {name}" for name, count in sorted(found.items())) or "nothing was held"
        await self._audit.write(
            moved(done),
            actor=SYNCLINE,
            action="erase personal data",
            subject=f"request {case.id}: {case.subject}",
            after=told,
        )
        await self._store.wipe()
        log.info("personal data erased", action="personal_data_erased", request=case.id, found=found)
        return True

    # --- finding ------------------------------------------------------------------------------------

    async def _found(self, case: Case) -> Case:
        """Every order and customer that is meant, noted here and in the ledger before anything is erased."""
        case = replace(await self.find(case), state=CaseState.WAITING)
        if self._ledger is not None:
            line = Line(
                case.id,
                case.ask,
                case.system,
                case.asked_at_ms,
                case.deadline_ms,
                case.customer,
                case.orders,
                case.customers,
            )
            self._ledger.add(msgspec.json.encode(line).decode())
        await self._applier.erase(moved(case))
        return case

    async def find(self, case: Case) -> Case:
        """The request with every order and customer that is meant, whether or not it names them."""
        if case.ask is Ask.ERASE_ALL:
            return case
        orders = dict.fromkeys(case.orders)
        if case.customer or case.email:
            async for row in self._rows(case.system, Kind.ORDER):
                if _mentions(row[4], case):
                    order: Order = decode(Kind.ORDER, row[4])
                    if _bought(order, case):
                        orders[order.key] = None
        customers = dict.fromkeys(case.customers)
        for system in self._systems if case.customer or case.email else ():
            async for row in self._rows(system, Kind.CUSTOMER):
                if _is_them(case, system, row):
                    customers[system, row[0]] = None
        return replace(case, orders=tuple(orders), customers=tuple(customers))

    async def _waits(self, case: Case) -> list[str]:
        """Why nothing is erased yet, in words."""
        found: list[str] = []
        for noun, system, key in _named(case):
            found += await under_way(self._store, self._routes, system, noun, key)
            if len(found) >= WAITS_MAX:
                return found
        rows = await self._store.read(
            "records_get", system=case.system, kind=Kind.ORDER.value, keys=list(case.orders)
        )
        found += [
            f"order {row[0]} is still to be read whole"
            for row in rows
            if not decode(Kind.ORDER, row[4]).complete
        ]
        return found + await self._told_elsewhere(case)

    async def _unanswered(self, case: Case) -> list[str]:
        """Calls of which nobody knows what became of them; what they carry of the person is needed to find that out."""
        found: list[str] = []
        for noun, system, key in _named(case):
            found += await unanswered(self._store, self._routes, system, noun, key)
        return found

    async def _told_elsewhere(self, case: Case) -> list[str]:
        """Companies of ERPs with a contact who has the address: what an ERP tells of its contacts is taken out there."""
        found = []
        for system in self._systems if case.email else ():
            async for row in self._rows(system, Kind.CUSTOMER):
                if case.email not in row[4].lower() or (system, row[0]) in case.customers:
                    continue
                company: Company = decode(Kind.CUSTOMER, row[4])
                if case.email in {company.email.lower(), *(one.email.lower() for one in company.contacts)}:
                    found.append(
                        f"{system} tells of the address with customer {row[0]}: take it out there, or ask for that "
                        "customer to be erased"
                    )
        return found

    async def _rows(self, system: str, kind: Kind) -> AsyncIterator[Row]:
        """Every record of a kind, a page at a time; others have their turn between two."""
        after = ""
        while True:
            rows = await self._store.read(
                "records_after", system=system, kind=kind.value, after=after, limit=PAGE
            )
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
            after = rows[-1][0]
            await self._clock.sleep(0)

    # --- erasing ------------------------------------------------------------------------------------

    async def _one(self, case: Case) -> tuple[dict[str, int], list[str]]:
        """Erase one customer wherever their keys and their words lead, and what is left. From here on news of them comes without them.

        The records come last: by what they say the rest is found, and found again if the process ends in between.
        """
        await self._applier.erase(*_marks(case, self._clock.now_ms()))
        words = await self._words(case)
        counts, left = await self._everywhere(case, words)
        for key in case.orders:
            _add(counts, await self._order(case.system, key))
        for system, key in case.customers:
            _add(counts, await self._customer(system, key))
        return counts, left

    async def _words(self, case: Case) -> Words:
        """What the person would be known by, as far as their records tell."""
        words = Words()
        words.add([case.email])
        words.add(await words_of_records(self._store, case.system, case.orders, case.customers))
        return words

    async def _everybody(self, case: Case, *, late: bool) -> tuple[list[str], dict[str, int], list[str]]:
        """Erase all customers of a system whose orders are done with; what the rest waits for, what was erased, what is left.

        Of so many people no words are looked for: whatever the system ever told is dropped in the end.
        """
        waits: list[str] = []
        left: list[str] = []
        counts: dict[str, int] = {}
        for kind in (Kind.ORDER, Kind.CUSTOMER):
            async for row in self._rows(case.system, kind):
                key = row[0]
                if await self._store.read("erased_among", system=case.system, kind=kind.value, keys=[key]):
                    continue
                noun = "order" if kind is Kind.ORDER else "customer"
                open_ = await unanswered(self._store, self._routes, case.system, noun, key)
                if kind is Kind.ORDER and not late and not open_:
                    open_ = await under_way(self._store, self._routes, case.system, noun, key)
                    if not open_ and not decode(kind, row[4]).complete:
                        open_ = [f"order {key} is still to be read whole"]
                if open_:
                    waits += open_ if len(waits) < WAITS_MAX else []
                    continue
                erase = self._order if kind is Kind.ORDER else self._customer
                _add(counts, await erase(case.system, key))
        if not waits:
            more, left = await self._everywhere(case, Words())
            _add(counts, more)
        return waits, counts, left

    async def _order(self, system: str, key: str) -> dict[str, int]:
        for _ in range(TRIES_MAX):
            applied = await self._applied()
            found = await order_traces(self._store, self._routes, system, key, applied)
            if await self._write(found, system, Kind.ORDER, key):
                return found.counts
        raise Retryable(f"order {key} of {system} changes all the time")

    async def _customer(self, system: str, key: str) -> dict[str, int]:
        for _ in range(TRIES_MAX):
            found = await customer_traces(self._store, self._routes, system, key)
            if await self._write(found, system, Kind.CUSTOMER, key):
                return found.counts
        raise Retryable(f"customer {key} of {system} changes all the time")

    async def _write(self, found: Found, system: str, kind: Kind, key: str) -> bool:
        """Write what was found; ``False``: the record is another one meanwhile, and nothing was written."""
        mark = {"system": system, "kind": kind.value, "key": key, "now_ms": self._clock.now_ms()}
        bodies = Write("event_erase", [{"offset": offset} for offset in sorted(found.offsets)])
        try:
            results = await self._applier.erase(
                Write("erased_put", [mark], told=False), *found.writes, bodies
            )
        except Fenced:
            if not any(write.statement == "record_erase" for write in found.writes):
                raise
            return False
        found.counts["messages"] = len(results[-1])
        await self._clock.sleep(0)
        return True

    async def _applied(self) -> int:
        """How far the log is applied for certain: a message behind that is still to be read."""
        rows = await self._store.read("progress_get", consumer=CONSUMER)
        return int(rows[0][0]) if rows else 0

    # --- what only words can find -------------------------------------------------------------------

    async def _everywhere(self, case: Case, words: Words) -> tuple[dict[str, int], list[str]]:
        """Erase what has no key of the person's records; what was erased, and what is left, in words."""
        counts: dict[str, int] = {}
        _add(counts, {"messages": await self._messages(case, words)})
        _add(counts, {"parked entries": await self._parked(case, words)})
        _add(counts, {"audit entries": await self._audited(case, words)})
        for system in self._systems:
            for kind in READ:
                _add(counts, {"adoption rows": await self._adoption(case, system, kind, words)})
        left: list[str] = []
        for system, found in (await self._copies(case, words, erase=True)).items():
            _add(counts, {"orders in files": found.orders})
            left += [f"{system} keeps a file that tells of the person: {name}" for name in found.left]
        return counts, left

    async def waits(self, case: Case) -> list[str]:
        """For what a request would wait, in words."""
        return (await self._waits(case))[:WAITS_MAX]

    async def copies(self, case: Case) -> dict[str, Searched]:
        """What systems keep of the person outside of the store; nothing is erased."""
        return await self._copies(case, await self._words(case), erase=False)

    async def _copies(self, case: Case, words: Words, *, erase: bool) -> dict[str, Searched]:
        orders = set(case.orders)

        async def theirs(keys: Sequence[str]) -> Collection[str]:
            if case.ask is not Ask.ERASE_ALL:
                return orders.intersection(keys)
            rows = await self._store.read(
                "erased_among", system=case.system, kind=Kind.ORDER.value, keys=list(keys)
            )
            return {row[0] for row in rows}

        async def nobodys(keys: Sequence[str]) -> Collection[str]:
            return ()

        found: dict[str, Searched] = {}
        for name, system in self._systems.items():
            if system.copies is None:
                continue
            whose = theirs if name == case.system else nobodys
            try:
                found[name] = await system.copies.search(whose, words.in_text, erase=erase)
            except Misconfigured as error:  # the rest goes on being served, so it is asked again
                raise Retryable(f"{name}: {error}") from error
        return found

    async def _messages(self, case: Case, words: Words) -> int:
        """Messages of the log that tell of the person, as far as they are applied; nothing reads these any more."""
        after, count, applied = 0, 0, await self._applied()
        while True:
            page = [one for one in await self._store.events(after, PAGE) if one.offset <= applied]
            rows = [
                {"offset": one.offset}
                for one in page
                if one.event.body and (_of_all(case, one.event.system) or words.in_body(one.event.body))
            ]
            if rows:
                count += len((await self._applier.erase(Write("event_erase", rows)))[0])
            if len(page) < PAGE:
                return count
            after = page[-1].offset
            await self._clock.sleep(0)

    async def _parked(self, case: Case, words: Words) -> int:
        after, count, keys = 0, 0, {key for _, _, key in _named(case)}
        others: set[Delivered] = set()
        for _, system, key in _named(case):
            others |= (await deliveries_of(self._store, self._routes, system, key))[1]
        while True:
            page = await self._store.read("parked_after", after=after, limit=PAGE)
            rows = []
            for row in page:
                whole = _of_all(case, row[1])
                left = parked_without(row, keys, words, everything=whole, others=others)
                if left is not None:
                    rows.append(left)
            if rows:
                count += len((await self._applier.erase(Write("parked_erase", rows)))[0])
            if len(page) < PAGE:
                return count
            after = page[-1][0]
            await self._clock.sleep(0)

    async def _audited(self, case: Case, words: Words) -> int:
        """Entries of the audit that hold a message, as one that a person corrected does."""
        after, count, previous = 0, 0, ""
        while True:
            page: Sequence[Row] = await self._store.read("audits", after=after, limit=PAGE)
            for row in page:
                parked_there = row[4].startswith("parked ") and row[4].endswith(f", {case.system}")
                whole = case.ask is Ask.ERASE_ALL and parked_there
                if whole or words.in_text(row[5]) or words.in_text(row[6]):
                    why = f"request {case.id}"
                    count += await self._audit.erase(row, previous, actor=SYNCLINE, why=why)
                previous = row[7]
            if len(page) < PAGE:
                return count
            after = page[-1][0]
            await self._clock.sleep(0)

    async def _adoption(self, case: Case, system: str, kind: str, words: Words) -> int:
        keys = {key for _, at, key in _named(case) if at == system}
        keys |= {case.customer} if system == case.system else set()
        after, count = "", 0
        while True:
            page = await self._store.read("adoption_after", system=system, kind=kind, after=after, limit=PAGE)
            rows = []
            for key, body in page:
                left = adopted_without(kind, body, words, mine=key in keys or _of_all(case, system))
                if left is not None:
                    rows.append({"system": system, "kind": kind, "key": key, "body": left})
            await self._applier.erase(Write("adoption_put", rows))
            count += len(rows)
            if len(page) < PAGE:
                return count
            after = page[-1][0]


def _named(case: Case) -> list[tuple[str, str, str]]:
    """Every order and customer that is meant: what it is, its system, its key."""
    orders = [("order", case.system, key) for key in case.orders]
    return orders + [("customer", system, key) for system, key in case.customers]


def _of_all(case: Case, system: str) -> bool:
    """Whether everything of a system is meant."""
    return case.ask is Ask.ERASE_ALL and system == case.system


def _mentions(body: str, case: Case) -> bool:
    """Whether an order may be meant; that is cheap to see in its text."""
    return bool(
        (case.customer and f'"{case.customer}"' in body) or (case.email and case.email in body.lower())
    )


def _bought(order: Order, case: Case) -> bool:
    customer = order.customer
    if customer is None:
        return False
    return bool(
        (case.customer and customer.key == case.customer)
        or (case.email and customer.email.strip().lower() == case.email)
    )


def _is_them(case: Case, system: str, row: Row) -> bool:
    """Whether a customer of an ERP is the one who is meant: named by its own id, made from their order, or they themselves."""
    text = row[4].lower()
    reference = customer_reference(case.system, case.customer) if case.customer else ""
    if (system, row[0]) == (case.system, case.customer):
        return True
    if not ((case.email and case.email in text) or (reference and reference in text)):
        return False
    company: Company = decode(Kind.CUSTOMER, row[4])
    made = bool(reference) and company.external_id.lower() == reference
    return made or (company.person and bool(case.email) and company.email.strip().lower() == case.email)


def _marks(case: Case, now_ms: int) -> list[Write]:
    """From now on whatever is told of these records is told without the person."""
    names = [(case.system, Kind.ORDER, key) for key in case.orders]
    names += [(system, Kind.CUSTOMER, key) for system, key in case.customers]
    rows = [
        {"system": system, "kind": kind.value, "key": key, "now_ms": now_ms} for system, kind, key in names
    ]
    return [Write("erased_put", rows, told=False)] if rows else []


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        if count:
            counts[name] = counts.get(name, 0) + count
