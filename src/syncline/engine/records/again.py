"""Compare one record with its source again, because a person asks for it."""

from __future__ import annotations

from syncline.engine.audit import Audit
from syncline.engine.engine import Engine
from syncline.engine.operations import Done, NotPossible
from syncline.engine.records.kinds import KINDS, contents_of, routes_of
from syncline.engine.records.views import view
from syncline.engine.words import plural
from syncline.ports import Write


async def again(engine: Engine, audit: Audit, name: str, system: str, key: str, *, by: str) -> Done:
    """Have everything that hangs on a record computed again; only what differs is sent.

    Raises:
        NotPossible: nobody knows of such a record.
    """
    records = KINDS[name]
    now_ms = engine.clock.now_ms()
    marks = [
        {"route": route.name, "key": content, "changed_at_ms": now_ms}
        for flow, route in routes_of(engine, records, system)
        for content in contents_of(records, flow, route, key)
    ]
    if not marks or await view(engine, name, system, key) is None:
        raise NotPossible("not_found", f"Nobody knows of the {records.noun} {key!r}.", "Look for it again.")
    subject = f"{records.noun} {key} of {system}"
    await audit.write(Write("state_mark", marks), actor=by, action="replay", subject=subject)
    engine.wake_contents()
    return Done(f"{plural(len(marks), 'value')} computed again; only differences are sent.", len(marks))
