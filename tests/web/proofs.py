"""A week of proofs to look at, in the made-up ERP and shop."""

from __future__ import annotations

import msgspec

from syncline.model.copying import replace
from syncline.model.errors import Retryable
from syncline.ports import Rereads, Write

DAY_MS = 86_400_000


async def _never(*_):
    raise Retryable("nobody reads in these tests")


async def prove_some(engine) -> None:
    """A week of proofs of every route, one under way, and differences in every state."""
    reads = Rereads(_never, _never, _never, _never, _never, _never, _never)
    for name, system in list(engine.systems.items()):
        engine.systems[name] = replace(system, rereads=reads)
    now_ms = engine.clock.now_ms()
    stock, orders = engine.reconciler.routes()[:2]
    base = {"state": "done", "asked_by": "syncline", "dry_run": 0, "position": '[1,""]', "rows": 99_998}
    proofs = []
    for day in range(7):
        counts = {"changed at the channel": day % 3, "missed event": 5 - day % 4, "rounding": 12}
        kept = {"counts": counts, "repaired": 4, "units": 31, "waiting": 2 * (day == 0), "expected": 99_000}
        for route in (stock, orders):
            at_ms = now_ms - day * DAY_MS - 7_200_000
            told = {"id": f"{route.flow}-{9 - day}", "route": route.name, "started_at_ms": at_ms}
            proofs.append(
                {**base, **told, "ended_at_ms": at_ms + 4_000_000, "body": msgspec.json.encode(kept).decode()}
            )
    kept = {"counts": {"missed event": 1}, "expected": 99_998}
    proofs.append(
        {
            **base,
            "id": "now",
            "route": stock.name,
            "state": "running",
            "asked_by": "anna",
            "rows": 41_200,
            "started_at_ms": now_ms - 600_000,
            "ended_at_ms": None,
            "body": msgspec.json.encode(kept).decode(),
        }
    )
    found = [
        (
            "CAP-BLK\x1fL1",
            "changed at the channel",
            "waiting",
            "the channel shows 41 at L1, 14 was known; 14 is right",
            27,
        ),
        ("SOCK-42\x1fL2", "missed event", "waiting", "erp has 240 of SOCK-42 at 1, 12 was known", 228),
        (
            "TEE-RED-M\x1fL1",
            "rejected write",
            "named",
            "the channel shows 3 at L1, 2 is right. rejected: locked",
            1,
        ),
        (
            "MUG-1\x1f#gid://shopify/ProductVariant/77",
            "duplicate",
            "declined",
            "two variants have the SKU MUG-1",
            0,
        ),
        ("MUG-2\x1fL1", "not computed", "repairing", "the channel shows 9 at L1, 8 is right", 1),
    ]
    rows = [
        {
            "route": stock.name,
            "key": key,
            "cause": cause,
            "subject": key.partition("\x1f")[0],
            "detail": detail,
        }
        | {"units": units, "state": state, "proof": "now", "now_ms": now_ms - 3_600_000}
        for key, cause, state, detail, units in found
    ]
    await engine.store.write(Write("proof_put", proofs), Write("difference_put", rows))
    await engine.reconciler.load()
