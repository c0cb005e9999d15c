"""Proves one route after the other: reads both sides, judges what differs, records it and repairs within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from syncline.engine.ids import Ids
from syncline.engine.reconcile.differences import (
    MEANINGS,
    SHARE_ROWS_MIN,
    Cause,
    Difference,
    Reconciliation,
    Settings,
)
from syncline.engine.reconcile.settle import Settling
from syncline.engine.routes import Route, Routes
from syncline.model.errors import Fenced, Misconfigured, SynclineError
from syncline.ports import Clock, Store, System, Write

POOL_MAX = 500  # suspicions that wait to be judged together
POOL_MS = 60_000  # and for how long the first of them waits
LOOKS_MAX = 4  # second looks at one suspicion before it counts as in flight
AGAIN_MAX = 100  # subjects that are read again at once
KEPT_MAX = 10_000  # differences that one proof records; beyond that they are only counted
RETRY_MS = 30_000
READY_MS = 5_000
CHUNKS_MAX = 1_000_000
ASKED_MAX = 100  # proofs that may be asked for and not be done
BY_ITSELF = "syncline"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Proof:
    """One reading of both sides of a route, running or done.

    ``rows`` were compared so far, of ``expected`` if an earlier proof or the catalog tells. ``counts`` are differences by
    cause; ``repaired`` of them, with ``units`` units, went the ordinary way, ``waiting`` wait for a person.
    """

    id: str
    route: str
    asked_by: str
    dry_run: bool
    started_at_ms: int
    ended_at_ms: int | None = None
    rows: int = 0
    expected: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    repaired: int = 0
    units: int = 0
    waiting: int = 0
    error: str = ""
    # Where it stands; what follows is not stored, and read again after a restart.
    walk: int = 0
    after: str = ""
    chunks: int = 0
    ahead: tuple[int, str, int] = (0, "", 0)
    pool: dict[str, Difference] = field(default_factory=dict)
    pooled_at_ms: int = 0
    not_before_ms: int = 0
    over: bool = False

    @property
    def by_itself(self) -> bool:
        """Whether nobody asked for it: then it keeps to the declared share of the limits."""
        return self.asked_by == BY_ITSELF

    @property
    def found(self) -> int:
        """Differences that are somebody's to mend, or were mended."""
        return sum(n for cause, n in self.counts.items() if MEANINGS[Cause(cause)].drift)


class Kept(msgspec.Struct, frozen=True):
    """What of a proof lasts besides its columns."""

    counts: dict[str, int]
    repaired: int = 0
    units: int = 0
    waiting: int = 0
    expected: int = 0


class Reconciler:
    """Runs proofs, one chunk at a time. What is kept in memory is read again after a restart."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        routes: Routes,
        systems: Mapping[str, System],
        settling: Settling,
        declared: Sequence[Reconciliation],
        *,
        settings: Settings,
        guard: Callable[[], Write],
        expected: Callable[[Route], int],
        unready: Callable[[Route], str],
        ended: Callable[[Route, int, int], None],
    ) -> None:
        """``unready`` says why a route cannot be compared yet, or "". ``ended`` hears of each whole proof that was no dry run: its route, what drifted, and what was repaired."""
        self._store = store
        self._clock = clock
        self._ids = ids
        self._routes = routes
        self._systems = systems
        self._settling = settling
        self._declared = {one.flow: one for one in declared}
        self.settings = settings
        self._by_itself = settings.every_ms > 0
        self._guard = guard
        self._expected = expected
        self._unready = unready
        self._ended = ended
        self._signal = asyncio.Event()
        self._loaded = False
        self.running: list[Proof] = []
        self.latest: dict[str, Proof] = {}  # the last whole one of each route

    # --- what is to be proved ---------------------------------------------------------------------

    def routes(self) -> list[Route]:
        """The routes of flows that can be reconciled at all."""
        return [route for route in self._routes.all if route.flow in self._declared]

    def impossible(self, route: Route) -> str:
        """Why a route cannot be reconciled; "" if it can."""
        return self._declared[route.flow].possible(route)

    async def ask(self, *, flow: str, route: str, dry_run: bool, by: str) -> list[Proof]:
        """Have both sides of some routes proved now, at whatever the limits leave; one that runs is told of.

        Raises:
            Misconfigured: no such route can be reconciled.
        """
        wanted = [one for one in self.routes() if flow in ("", one.flow) and route in ("", one.name)]
        reasons = [reason for one in wanted if (reason := self.impossible(one))]
        able = [one for one in wanted if not self.impossible(one)]
        if not able:
            known = ", ".join(one.name for one in self.routes() if not self.impossible(one)) or "none"
            of = f" of {route or flow!r}" if route or flow else ""
            raise Misconfigured(
                "; ".join(dict.fromkeys(reasons))
                or f"there is no route{of} that can be proved; those that can are {known}"
            )
        asked = []
        for one in able:
            before = next((p for p in self.running if p.route == one.name and not p.by_itself), None)
            if before is not None and before.dry_run == dry_run:
                asked.append(before)
            elif len(self.running) < ASKED_MAX:
                asked.append(await self._begin(one, by=by, dry_run=dry_run))
        self._signal.set()
        return asked

    async def _begin(self, route: Route, *, by: str, dry_run: bool) -> Proof:
        last = self.latest.get(route.name)
        proof = Proof(self._ids.new(), route.name, by, dry_run, self._clock.now_ms())
        proof.expected = last.rows if last is not None else self._expected(route)
        await self._store.write(self._guard(), self._save(proof, "running"))
        self.running.append(proof)
        log.info("proof begun", action="reconcile_begun", route=route.name, by=by, dry_run=dry_run)
        return proof

    async def load(self) -> None:
        """Take up what a former process left, and what is known of earlier proofs."""
        for route in self.routes():
            for row in await self._store.read("proofs", route=route.name, since=0, limit=50):
                proof = proof_of(row)
                if row[2] == "running":
                    proof.ahead = (proof.walk, proof.after, proof.rows)
                    self.running.append(proof)
                elif row[2] == "done" and route.name not in self.latest:
                    self.latest[route.name] = proof
        self._loaded = True

    def due_ms(self, route: Route) -> int | None:
        """When a route is proved again by itself; ``None``: never."""
        return self._due_ms(route) if self._by_itself and not self.impossible(route) else None

    def _due_ms(self, route: Route) -> int:
        last = self.latest.get(route.name)
        return 0 if last is None else last.started_at_ms + self.settings.every_ms

    # --- the loop ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Prove what is asked for, and everything in its turn, until cancelled.

        Raises:
            Fenced: another worker took over.
        """
        while not self._loaded:
            try:
                await self.load()
            except SynclineError as error:  # a database that restarts
                log.warning("the store does not take it", action="store_refused", error=str(error))
                await self._clock.sleep(RETRY_MS / 1000)
        while True:
            self._signal.clear()
            now_ms = self._clock.now_ms()
            proof = None
            try:
                await self._begin_due(now_ms)
                ready = [one for one in self.running if one.not_before_ms <= now_ms]
                proof = min(ready, key=lambda one: (one.by_itself, one.started_at_ms), default=None)
                if proof is not None:
                    await self._advance(proof)
                    await self._clock.sleep(0)
                    continue
            except Fenced:
                raise
            except (SynclineError, TimeoutError) as error:
                log.info(
                    "reading for comparison failed",
                    action="reconcile_failed",
                    route=proof.route if proof else "",
                    error=str(error),
                )
                if proof is not None:
                    proof.error = str(error)
                    proof.not_before_ms = self._clock.now_ms() + RETRY_MS
                    continue
                await self._clock.sleep(RETRY_MS / 1000)
                continue
            await self._rest(now_ms)

    async def _begin_due(self, now_ms: int) -> None:
        if not self._by_itself:
            return
        under_way = {one.route for one in self.running}
        for route in self.routes():
            due = self._due_ms(route) <= now_ms and not self.impossible(route)
            if due and route.name not in under_way:
                await self._begin(route, by=BY_ITSELF, dry_run=False)

    async def _rest(self, now_ms: int) -> None:
        moments = [one.not_before_ms for one in self.running]
        if self._by_itself:
            moments += [self._due_ms(route) for route in self.routes() if not self.impossible(route)]
        until_ms = min((at for at in moments if at > now_ms), default=0)
        timer = None
        if until_ms:
            timer = self._clock.after((until_ms - now_ms) / 1000, self._signal.set)
        try:
            await self._signal.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _advance(self, proof: Proof) -> None:
        route = self._routes.named(proof.route)
        if route is None or route.flow not in self._declared:  # not configured any more
            await self._end(proof, "stopped")
        elif why := self._unready(route):
            proof.error = why
            proof.not_before_ms = self._clock.now_ms() + READY_MS
        else:
            await self._round(proof, route)
            proof.error = ""

    async def _round(self, proof: Proof, route: Route) -> None:
        """One chunk; and once some suspicions came together, or all was read, their judgement."""
        what = self._declared[route.flow]
        began_s = self._clock.monotonic()
        walk, after, rows = proof.ahead
        chunk = await what.walks[walk](route, after)
        found = await what.compare(route, chunk.content)
        proof.chunks += 1
        if found and not proof.pool:
            proof.pooled_at_ms = self._clock.now_ms()
        for one in found:
            proof.pool.setdefault(one.key, one)
        last = not chunk.after or proof.chunks > CHUNKS_MAX
        ahead = (walk + 1, "", rows + chunk.rows) if last else (walk, chunk.after, rows + chunk.rows)
        costs = dict(chunk.costs)
        waited = self._clock.now_ms() - proof.pooled_at_ms >= POOL_MS
        if not proof.pool or last or waited or len(proof.pool) >= POOL_MAX:
            # What fails in here leaves the pool as it is, and the chunk is read again: nothing is judged on half a look.
            confirmed = await self._judge(route, what, proof.pool, costs)
            await self._record(proof, route, what, confirmed, ahead)
            proof.pool = {}
        proof.ahead = ahead
        if ahead[0] >= len(what.walks):
            await self._end(proof, "done")
            return
        self._pace(proof, costs, self._clock.monotonic() - began_s)

    def _pace(self, proof: Proof, costs: Mapping[str, float], took_s: float) -> None:
        """Leave the vendors' limits to others: what was spent may not exceed the declared share of them."""
        if not proof.by_itself:
            return
        share = float(self.settings.budget)
        rest_s = 0.0
        for name, cost in costs.items():
            per_s = self._systems[name].governor.usage().get("per_s", 0.0)
            if per_s:
                rest_s = max(rest_s, cost / (share * per_s) - took_s)
        proof.not_before_ms = self._clock.now_ms() + round(max(0.0, rest_s) * 1000)

    # --- judging ----------------------------------------------------------------------------------

    async def _judge(
        self, route: Route, what: Reconciliation, pool: Mapping[str, Difference], costs: dict[str, float]
    ) -> list[Difference]:
        """What of the suspicions stands, each looked at again once everything before the look is known.

        A difference stands if a later look finds the same and nothing was told of its record meanwhile. What changes
        from look to look is in flight.
        """
        stand = [one for one in pool.values() if one.certain]
        pending = {key: one for key, one in pool.items() if not one.certain}
        for _ in range(LOOKS_MAX):
            if not pending or not await self._settling.known([route.source, route.sink]):
                break
            subjects = list(dict.fromkeys(one.subject for one in pending.values()))
            seen: dict[str, Difference] = {}
            for start in range(0, len(subjects), AGAIN_MAX):
                chunk = await what.again(route, subjects[start : start + AGAIN_MAX])
                for name, cost in chunk.costs.items():
                    costs[name] = costs.get(name, 0.0) + cost
                for one in await what.compare(route, chunk.content):
                    seen[one.key] = one
            still: dict[str, Difference] = {}
            for key, before in pending.items():
                now = seen.get(key)
                if now is None:  # it was under way, and has arrived
                    continue
                same = now.cause is before.cause and now.witness == before.witness
                if now.certain or (same and now.cause is not Cause.IN_FLIGHT):
                    stand.append(now)
                else:
                    still[key] = now
            pending = still
        return stand + [
            Difference(one.key, one.subject, Cause.IN_FLIGHT, one.detail, one.units, certain=True)
            for one in pending.values()
        ]

    # --- recording and repairing --------------------------------------------------------------------

    async def _record(
        self,
        proof: Proof,
        route: Route,
        what: Reconciliation,
        confirmed: Sequence[Difference],
        ahead: tuple[int, str, int],
    ) -> None:
        """Write what was found with the place up to which all was judged, then hand over what may be repaired."""
        keys = list(dict.fromkeys(one.key for one in confirmed))
        stored = await self._store.read("differences_of", route=route.name, keys=keys) if keys else []
        before = {(key, cause): state for key, cause, state in stored}
        was = dict(proof.counts), proof.repaired, proof.units, proof.waiting
        kept: list[dict[str, Any]] = []
        repairs: list[Difference] = []
        for one in confirmed:
            proof.counts[one.cause] = proof.counts.get(one.cause, 0) + 1
            if one.cause is Cause.IN_FLIGHT:
                continue
            state = self._state(proof, one, ahead[2], before.get((one.key, one.cause), ""))
            if state == "repairing":
                repairs.append(one)
            if sum(proof.counts.values()) <= KEPT_MAX:
                kept.append(_row(proof, route, one, state, self._clock.now_ms()))
        proof.walk, proof.after, proof.rows = ahead
        try:
            await self._store.write(
                self._guard(), self._save(proof, "running"), Write("difference_put", kept)
            )
        except SynclineError:
            proof.counts, proof.repaired, proof.units, proof.waiting = was
            raise
        if repairs:
            try:
                await what.repair(route, repairs)
            except Fenced:
                raise
            except (
                SynclineError
            ) as error:  # what was not handed over is found, and handed over, by the next proof
                log.warning("not repaired", action="repair_failed", route=route.name, error=str(error))
            else:
                log.info("repaired", action="reconcile_repaired", route=route.name, records=len(repairs))

    def _state(self, proof: Proof, one: Difference, rows: int, before: str) -> str:
        """What is done about a difference: ``named`` only, ``repairing``, ``waiting`` for a person, or ``declined``."""
        if before in ("declined", "waiting"):
            proof.waiting += before == "waiting"
            return before
        if proof.dry_run or not self.settings.repair or not MEANINGS[one.cause].repaired:
            return "named"
        limits = self.settings.limits
        by_share = int(limits.share * max(rows, SHARE_ROWS_MIN))
        within = (
            not one.asks
            and proof.repaired + 1 <= min(limits.records, by_share)
            and proof.units + one.units <= limits.units
        )
        if not within:
            proof.waiting += 1
            return "waiting"
        proof.repaired += 1
        proof.units += one.units
        return "repairing"

    def _save(self, proof: Proof, state: str) -> Write:
        kept = Kept(proof.counts, proof.repaired, proof.units, proof.waiting, proof.expected)
        return Write(
            "proof_put",
            [
                {
                    "id": proof.id,
                    "route": proof.route,
                    "state": state,
                    "asked_by": proof.asked_by,
                    "dry_run": int(proof.dry_run),
                    "started_at_ms": proof.started_at_ms,
                    "ended_at_ms": proof.ended_at_ms,
                    "position": msgspec.json.encode([proof.walk, proof.after]).decode(),
                    "rows": proof.rows,
                    "body": msgspec.json.encode(kept).decode(),
                }
            ],
        )

    async def _end(self, proof: Proof, state: str) -> None:
        proof.ended_at_ms = self._clock.now_ms()
        writes = [self._save(proof, state)]
        if state == "done":
            # What was not found again is mended, or mended itself.
            gone = {"route": proof.route, "proof": proof.id, "now_ms": proof.ended_at_ms}
            writes.append(Write("difference_gone", [gone]))
        await self._store.write(self._guard(), *writes)
        self.running.remove(proof)
        proof.over = True
        if state == "done":
            self.latest[proof.route] = proof
            route = self._routes.named(proof.route)
            if route is not None and not proof.dry_run:
                self._ended(route, proof.found, proof.repaired)
        log.info(
            "proof done", action="reconcile_done", route=proof.route, rows=proof.rows, counts=proof.counts
        )

    async def repair(self, route: Route, differences: Sequence[Difference]) -> None:
        """Hand over what a person approved."""
        await self._declared[route.flow].repair(route, differences)


def _row(proof: Proof, route: Route, one: Difference, state: str, now_ms: int) -> dict[str, Any]:
    return {
        "route": route.name,
        "key": one.key,
        "cause": one.cause.value,
        "subject": one.subject,
        "detail": one.detail[:2000],
        "units": one.units,
        "state": state,
        "proof": proof.id,
        "now_ms": now_ms,
    }


def proof_of(row: Sequence[Any]) -> Proof:
    """A proof as stored."""
    id_, route, _, asked_by, dry_run, started_at_ms, ended_at_ms, position, rows, body = row
    walk, after = msgspec.json.decode(position, type=tuple[int, str])
    kept = msgspec.json.decode(body, type=Kept)
    return Proof(
        id_,
        route,
        asked_by,
        bool(dry_run),
        started_at_ms,
        ended_at_ms,
        rows,
        kept.expected,
        dict(kept.counts),
        kept.repaired,
        kept.units,
        kept.waiting,
        walk=walk,
        after=after,
        over=ended_at_ms is not None,
    )
