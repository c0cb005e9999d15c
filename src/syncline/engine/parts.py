"""What an ERP holds of the single parts of kits that wait for others.

An order line of kits is known to the engine in whole kits. An ERP that promises each part by itself may have taken units of
one out of its figures long before another part is there; subtracted once more, too few of the first would be shown for as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncline.engine.codec import decode
from syncline.engine.routes import SEP, reference_of
from syncline.inventory.availability import Demand, needed, units
from syncline.inventory.recipes import Line, Parted, Promised, Recipes
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.records import ErpLine, ErpOrder
from syncline.ports import Store

ORDERS_MAX = (
    200  # orders of kits looked at in one round; of more, whole kits count: too few are shown, never too many
)
PUTS_MAX = 50  # revisions of one order; of one with more it is not known whether all are answered
OrderOf = tuple[str, str]


def since(erp: ErpOrder, before: ErpOrder | None) -> ErpOrder:
    """An order with the moment since when each part is known to be held as it is; what is as it was keeps its own."""
    known = {
        (line.sku, line.location, part.sku, part.quantity): part.since_ms
        for line in (before.lines if before is not None else ())
        for part in line.parts
    }
    if not any(line.parts for line in erp.lines):
        return erp
    lines = []
    for line in erp.lines:
        parts = tuple(
            replace(
                part,
                since_ms=known.get((line.sku, line.location, part.sku, part.quantity), erp.erp_stamp_ms),
            )
            for part in line.parts
        )
        lines.append(replace(line, parts=parts))
    return replace(erp, lines=tuple(lines))


def moved(erp: ErpOrder) -> set[str]:
    """The kits of which another quantity of some part is held than before, or than anybody knew; after ``since``."""
    return {line.sku for line in erp.lines if any(part.since_ms == erp.erp_stamp_ms for part in line.parts)}


async def read_parts(
    store: Store, recipes: Recipes, source: str, sold: Mapping[str, Sequence[Demand]]
) -> Parted:
    """What the ERP holds of single parts, for the open order lines of kits among some.

    Only what the ERP told last counts, and of that nothing while it is being told something else: a revision
    that takes kits off may have taken effect although nobody has heard so.
    """
    waiting: dict[OrderOf, dict[str, list[Demand]]] = {}
    for sku, lines in sold.items():
        if len(recipes.parts(sku)) > 1:
            for line in lines:
                if line.erp_stamp_ms is not None and line.our_stamp_ms is None:
                    waiting.setdefault((line.channel, line.order_key), {}).setdefault(sku, []).append(line)
    if not waiting:
        return {}
    asked = {reference_of(*order): order for order in sorted(waiting)[:ORDERS_MAX]}
    names = [*asked, *(reference.upper() for reference in asked)]  # as some ERPs hold them
    found: dict[Line, dict[str, Promised]] = {}
    for row in await store.read("records_get", system=source, kind=Kind.ERP_ORDER.value, keys=names):
        order = asked.get(row[0].lower())
        erp: ErpOrder = decode(Kind.ERP_ORDER, row[4])
        if order is None or not erp.commits_stock or not any(line.parts for line in erp.lines):
            continue
        if await _under_way(store, source, order[1]):
            continue
        for sku, lines in waiting[order].items():
            of_sku = [line for line in erp.lines if line.sku == sku]
            for told in of_sku:
                here = [
                    line
                    for line in lines
                    if line.location == told.location or (not line.location and len(of_sku) == 1)
                ]
                _share(told, here, recipes.parts(sku), erp.erp_stamp_ms, found)
    return found


def _share(
    told: ErpLine,
    lines: Sequence[Demand],
    counts: Mapping[str, int],
    stamp_ms: int,
    found: dict[Line, dict[str, Promised]],
) -> None:
    """Give what is held of each part beyond whole kits to the lines that have not all of it."""
    for part in told.parts:
        count = counts.get(part.sku, 0)
        beyond = units(part.quantity) - needed(told.quantity) * count
        if not count or beyond < 0:  # the ERP makes the kit of something else
            continue
        for line in lines:
            if line.erp_stamp_ms is None or line.erp_stamp_ms > stamp_ms:
                continue
            more = min(beyond, max(0, line.quantity - line.erp_quantity) * count)
            beyond -= more
            at = found.setdefault((line.channel, line.order_key, line.line_id, line.location), {})
            at[part.sku] = Promised(line.erp_quantity * count + more, part.since_ms or stamp_ms)


async def _under_way(store: Store, source: str, order_key: str) -> bool:
    """Whether the ERP is still to be told a revision of an order, or was and has not answered."""
    rows = await store.read(
        "deliveries_range",
        system=source,
        operation="put_order",
        **{"from": order_key + SEP, "to": order_key + chr(ord(SEP) + 1)},
        limit=PUTS_MAX,
    )
    return len(rows) == PUTS_MAX or any(row[4] not in ("completed", "superseded") for row in rows)
