"""What is known of proofs and of what they found, for screens, metrics and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncline.engine.engine import Engine
from syncline.engine.reconcile.differences import MEANINGS, Cause
from syncline.engine.reconcile.reconciler import Proof, Reconciler, proof_of
from syncline.engine.routes import Route
from syncline.engine.words import duration, key_text, plural, sentence

LIST_MAX = 500
TREND_MS = 92 * 86_400_000
TREND_MAX = 400
ENOUGH = 0.02  # of a proof must be done before its end is foretold


@dataclass(frozen=True, slots=True)
class ProofView:
    """One reading of both sides. ``rows`` of about ``expected`` were compared; ``found`` of them were not the same.

    ``counts`` are differences by cause, those included that need nothing.
    """

    id: str
    route: str
    asked_by: str
    dry_run: bool
    started_at_ms: int
    ended_at_ms: int | None
    rows: int
    expected: int
    found: int
    counts: dict[str, int]
    repaired: int
    units: int
    waiting: int
    error: str


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """One record that is not the same on both sides, with what that means and what to do."""

    route: str
    key: str
    where: str
    cause: str
    says: str
    mend: str
    detail: str
    units: int
    state: str
    first_at_ms: int
    seen_at_ms: int
    times: int
    decided_by: str


@dataclass(frozen=True, slots=True)
class RouteProof:
    """Where a route stands: its last whole proof, the one that runs, and what is open.

    ``open`` are differences by cause and state; ``waiting`` those that a person decides about. ``cannot`` says why
    it is not proved, or why not as often as declared; "" if all is well.
    """

    route: str
    flow: str
    latest: ProofView | None
    running: ProofView | None
    open: dict[str, int]
    waiting: int
    units: int
    due_at_ms: int | None
    cannot: str


def _view(proof: Proof) -> ProofView:
    return ProofView(
        proof.id,
        proof.route,
        proof.asked_by,
        proof.dry_run,
        proof.started_at_ms,
        proof.ended_at_ms,
        max(proof.rows, proof.ahead[2]),
        proof.expected,
        proof.found,
        dict(sorted(proof.counts.items())),
        proof.repaired,
        proof.units,
        proof.waiting,
        proof.error,
    )


def troubles(routes: Sequence[RouteProof], *, by_itself: bool) -> Iterator[tuple[str, str, str]]:
    """What a person should know of proofs: a sentence, what to do, and where."""
    for route in routes:
        if route.waiting:
            verb = "waits" if route.waiting == 1 else "wait"
            yield (
                f"{plural(route.waiting, 'difference')} of {key_text(route.route)} {verb} for a decision.",
                "Open Reconcile, look at some of them, then approve or decline their repair.",
                "reconcile",
            )
        if by_itself and route.cannot and route.due_at_ms is not None:
            yield (
                f"{key_text(route.route)} is not proved as often as declared.",
                route.cannot,
                route.route,
            )


async def route_proofs(engine: Engine) -> tuple[RouteProof, ...]:
    """Every route that can be reconciled at all."""
    reconciler = engine.reconciler
    sums: dict[str, dict[str, int]] = {}
    waiting: dict[str, int] = {}
    units: dict[str, int] = {}
    for route, cause, state, count, sum_units, _ in await engine.store.read("difference_counts"):
        of = sums.setdefault(route, {})
        of[cause] = of.get(cause, 0) + count
        if state == "waiting":
            waiting[route] = waiting.get(route, 0) + count
        if MEANINGS[Cause(cause)].drift:
            units[route] = units.get(route, 0) + sum_units
    found = []
    for one in reconciler.routes():
        running = next((proof for proof in reconciler.running if proof.route == one.name), None)
        latest = reconciler.latest.get(one.name)
        found.append(
            RouteProof(
                one.name,
                one.flow.value,
                _view(latest) if latest is not None else None,
                _view(running) if running is not None else None,
                sums.get(one.name, {}),
                waiting.get(one.name, 0),
                units.get(one.name, 0),
                reconciler.due_ms(one),
                _cannot(reconciler, one, running, latest, engine.clock.now_ms()),
            )
        )
    return tuple(found)


def _cannot(
    reconciler: Reconciler, route: Route, running: Proof | None, latest: Proof | None, now_ms: int
) -> str:
    """Why a route is not proved as declared."""
    reason = reconciler.impossible(route)
    if reason:
        return sentence(f"It cannot be proved: {reason}")
    settings = reconciler.settings
    takes_ms = 0
    if latest is not None and latest.ended_at_ms is not None and latest.by_itself:
        takes_ms = latest.ended_at_ms - latest.started_at_ms
    if running is not None and running.by_itself and running.expected:
        share = max(running.rows, running.ahead[2]) / running.expected
        if share >= ENOUGH:
            takes_ms = max(takes_ms, round((now_ms - running.started_at_ms) / min(1.0, share)))
    if not settings.every_ms or takes_ms <= settings.every_ms:
        return ""
    budget = float(settings.budget)
    needed = budget * takes_ms / settings.every_ms
    return (
        f"A whole proof takes {duration(takes_ms)} at {budget:.0%} of the limits, so it cannot be made every "
        f"{duration(settings.every_ms)}. Set reconcile.budget to {min(1.0, needed):.0%}, or reconcile.every to "
        f"{duration(takes_ms)}."
    )


async def proof(engine: Engine, proof_id: str) -> ProofView | None:
    """One proof, running or done; ``None`` if there is none of that id."""
    for one in (*engine.reconciler.running, *engine.reconciler.latest.values()):
        if one.id == proof_id:
            return _view(one)
    rows = await engine.store.read("proof_get", id=proof_id)
    return _view(proof_of(rows[0])) if rows else None


async def trend(engine: Engine, route: str) -> list[ProofView]:
    """The whole proofs of a route in the last quarter, newest first."""
    since_ms = engine.clock.now_ms() - TREND_MS
    rows = await engine.store.read("proofs", route=route, since=since_ms, limit=TREND_MAX)
    return [_view(proof_of(row)) for row in rows if row[2] == "done"]


async def differences(
    engine: Engine, *, route: str, state: str = "", cause: str = "", limit: int = LIST_MAX
) -> list[DifferenceView]:
    """What is not the same on both sides of a route, as far as the last proofs know; at most ``LIST_MAX``."""
    rows = await engine.store.read(
        "differences_open", route=route, state=state, cause=cause, limit=max(1, min(limit, LIST_MAX))
    )
    return [_difference(row) for row in rows]


def _difference(row: tuple[object, ...]) -> DifferenceView:
    route, key, cause, _, detail, units, state, first_at_ms, seen_at_ms, times, decided_by = row
    meaning = MEANINGS[Cause(str(cause))]
    values: Mapping[str, object] = {
        "units": units, "first": first_at_ms, "seen": seen_at_ms, "times": times,
    }  # fmt: skip
    number = {name: int(str(value)) for name, value in values.items()}
    return DifferenceView(
        str(route),
        str(key),
        key_text(str(key)),
        str(cause),
        meaning.says,
        meaning.mend,
        str(detail),
        number["units"],
        str(state),
        number["first"],
        number["seen"],
        number["times"],
        str(decided_by),
    )
