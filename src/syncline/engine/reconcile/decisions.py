"""What a person decides about differences that Syncline does not mend by itself."""

from __future__ import annotations

from syncline.engine.engine import Engine
from syncline.engine.operations import Done, NotPossible, Operations
from syncline.engine.reconcile.differences import Cause, Difference
from syncline.engine.rewind import CATCHING_UP
from syncline.engine.switches import named
from syncline.engine.words import key_text, plural
from syncline.model.errors import Fenced
from syncline.ports import Row, Write

DECIDE_MAX = 500  # differences in one decision
SEE_DIFFERENCES = "Look again, under Reconcile on the dashboard or by syncline differences list: what waits now stands there."


async def decide(
    engine: Engine, operations: Operations, *, route: str, key: str, cause: str, approve: bool, by: str
) -> Done:
    """Approve or decline the repair of one difference, or of all that wait on a route; recorded with the name.

    ``route`` is its name, or its flow where only one route has it; ``key`` is the record's, or how it is shown.

    Raises:
        NotPossible: there is no such route, nothing of that kind waits, or a store that was restored is not to be mended from yet.
    """
    if approve and engine.rewind.catching_up:
        raise NotPossible("catching_up", f"Not now: {CATCHING_UP}.", "Decide once that has ended.")
    route = named(engine, route, routes=True)
    of = engine.routes.named(route)
    assert of is not None
    rows: list[Row] = await engine.store.read(
        "differences_open", route=route, state="waiting", cause=cause, limit=DECIDE_MAX
    )
    rows = [row for row in rows if key in ("", row[1], key_text(row[1]))]
    if not rows:
        raise NotPossible("nothing_waits", "Nothing of that kind waits for a decision.", SEE_DIFFERENCES)
    state = "repairing" if approve else "declined"
    decided = [{"route": route, "key": row[1], "cause": row[2], "state": state, "by": by} for row in rows]
    try:
        await operations.audit.write(
            Write("difference_decide", decided, guard=True),
            actor=by,
            action="approve repair" if approve else "decline repair",
            subject=f"{plural(len(rows), 'difference')} of {route}",
            before="; ".join(f"{row[2]}: {row[4]}" for row in rows)[:10_000],
            after=state,
        )
    except Fenced as error:
        raise NotPossible("moved_on", "This was decided meanwhile.", SEE_DIFFERENCES) from error
    if approve:
        await engine.reconciler.repair(
            of, [Difference(row[1], row[3], Cause(row[2]), row[4], row[5]) for row in rows]
        )
    told = plural(len(rows), "difference")
    if approve:
        return Done(f"{told} given to the ordinary way; the next proof shows what became of it.", len(rows))
    return Done(f"{told} left as it is, until it goes by itself.", len(rows))
