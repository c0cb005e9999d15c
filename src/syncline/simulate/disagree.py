"""Plants differences between the simulators, behind everybody's back, and says what has to be found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any, Protocol

from syncline.connectors.business_central.simulator import BusinessCentralSimulator
from syncline.connectors.netsuite.simulator import NetSuiteSimulator
from syncline.engine.reconcile.differences import MEANINGS, Cause
from syncline.engine.reconcile.reconciler import Reconciler
from syncline.engine.routes import Route, reference_of, split_key, stock_key
from syncline.ports import Clock, Store
from syncline.simulate.sides.ports import Place
from syncline.simulate.staff import Staff
from syncline.simulate.world import SHOP, World

Found = tuple[str, str]  # key and cause
MORE = 6  # units that appear without a word
SKUS = 6
STEP_S = 5.0
PROOF_MAX_S = 3_600.0
LEVEL = "inventory_levels/update"
EVENTS_MAX = 1_000_000
STAMP_MS = 1_000  # what was told under one stamp of the shop


class Hand(Protocol):
    """Changes an ERP so that nothing tells of it."""

    def stock(self, sku: str, at: Place, units: int) -> None:
        """Units that are there all of a sudden."""

    def rename(self, order_id: Any, reference: str) -> Callable[[], None]:
        """Give an order another reference, or none; returns how it is given back."""


class InNetSuite:
    """Figures without a document, and external ids."""

    def __init__(self, simulator: NetSuiteSimulator) -> None:
        self._erp = simulator

    def stock(self, sku: str, at: Place, units: int) -> None:
        self._erp.opening_balance(sku, at, units)

    def rename(self, order_id: Any, reference: str) -> Callable[[], None]:
        account = self._erp.account
        txn = account.txns[order_id]
        before = txn.external_id

        def become(now: str | None) -> None:
            if txn.external_id is not None:
                account.external.pop(("salesOrder", txn.external_id.casefold()), None)
            txn.external_id = now
            if now is not None:
                account.external["salesOrder", now.casefold()] = txn.id
            account.dirty.txns[txn.id] = None

        become(reference or None)
        return lambda: become(before)


class InBusinessCentral:
    """Levels whose row version did not move, and external document numbers of orders and of what was posted of them."""

    def __init__(self, simulator: BusinessCentralSimulator) -> None:
        self._erp = simulator

    def stock(self, sku: str, at: Place, units: int) -> None:
        company, key = self._erp.company, (sku, "", at)
        level = company.level(key)
        level.inventory += units
        entry = {"itemNumber": sku, "quantity": Decimal(units), "_key": key}
        company.insert(
            "itemLedgerEntries",
            {**entry, "entryNumber": len(company.tables["itemLedgerEntries"]) + 1, "entryType": "Purchase"},
        )

    def rename(self, order_id: Any, reference: str) -> Callable[[], None]:
        company = self._erp.company
        open_ = company.tables["salesOrders"].get(order_id)
        held = [open_ if open_ is not None else company.archive[order_id][0]]
        held += [x for x in company.tables["salesInvoices"].values() if x.values["orderId"] == order_id]
        before = [row.values["externalDocumentNumber"] for row in held]

        def become(names: list[str]) -> None:
            for row, name in zip(held, names, strict=True):
                row.values["externalDocumentNumber"] = name

        become([reference.upper()] * len(held))
        return lambda: become(before)


class Disagreement:
    """Figures without a document, numbers that somebody typed, references that were taken off or changed."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._undo: list[Callable[[], None]] = []
        erp = world.erp_side.simulator
        self._hand: Hand = (
            InBusinessCentral(erp) if isinstance(erp, BusinessCentralSimulator) else InNetSuite(world.erp)
        )

    def plant(self) -> set[Found]:
        """Plant some of each; returns what a proof has to find, and nothing else."""
        return self._stock() | self._orders()

    def _stock(self) -> set[Found]:
        world, trade = self._world, self._world.trade
        expected: set[Found] = set()
        for n, sku in enumerate(self._rng.sample(trade.skus, min(SKUS, len(trade.skus)))):
            erp_at, shop_at = trade.locations[n % len(trade.locations)]
            level = world.shop.state.skus[sku].levels.get(shop_at)
            if level is None or not trade.should_show(sku, erp_at):
                continue
            if n % 2:
                self._hand.stock(world.erp_side.spelt(sku), erp_at, MORE)
                expected.add((stock_key(sku, str(shop_at)), Cause.MISSED_EVENT))
            elif not trade.aside(sku, erp_at):  # else it looks like the return of what was set aside
                level.available += MORE
                expected.add((stock_key(sku, str(shop_at)), Cause.CHANGED_AT_CHANNEL))
        return expected

    def _orders(self) -> set[Found]:
        expected: set[Found] = set()
        orders = [order_id for order_id in self._world.trade.placed if self._there(order_id) is not None]
        for n, order_id in enumerate(self._rng.sample(orders, min(2, len(orders)))):
            there = self._there(order_id)
            assert there is not None
            wanted = self._world.shop.orders[order_id].cancelled_ms is None
            # Goods that had left before the shop cancelled stay on the ERP's order; cancelled in both, it takes nothing.
            overtaken = self._world.trade.overtaken(order_id, self._world.erp_side.order(there))
            takes = wanted or overtaken
            if wanted and overtaken:  # the ERP refused the cut: a person has to look at that order already
                continue
            self._undo.append(self._hand.rename(there, reference_of(SHOP, f"9{order_id}") if n else ""))
            if n and takes:
                expected.add((f"9{order_id}", Cause.UNKNOWN_TO_SHOP))
            if wanted:
                expected.add((str(order_id), Cause.MISSING_IN_ERP))
        return expected

    def _there(self, order_id: int) -> Any:
        return self._world.erp_side.find(reference_of(SHOP, str(order_id)))

    def undo(self) -> None:
        """Give the orders their references back, as a person would who was told of them."""
        while self._undo:
            self._undo.pop()()


async def prove(
    reconciler: Reconciler, store: Store, clock: Clock, *, dry_run: bool
) -> tuple[set[Found], str]:
    """Have everything proved; returns what was found that somebody has to mend, and why it did not end if so."""
    proofs = await reconciler.ask(flow="", route="", dry_run=dry_run, by="simulation")
    until_s = clock.monotonic() + PROOF_MAX_S
    while not all(proof.over for proof in proofs):
        if clock.monotonic() >= until_s:
            return set(), f"a proof did not end: {[proof.error for proof in proofs if not proof.over]}"
        await clock.sleep(STEP_S)
    found: set[Found] = set()
    for route in reconciler.routes():
        rows = await store.read("differences_open", route=route.name, state="", cause="", limit=10_000)
        found |= {(row[1], row[2]) for row in rows if MEANINGS[Cause(row[2])].drift}
    return found, ""


def explained(world: World, found: Found) -> bool:
    """Whether a difference is true and nobody's fault: goods had left for an order that was cut or cancelled later.

    Where the ERP refused the cut, that refusal is what a proof names.
    """
    key, cause = found
    if cause not in (Cause.WRONG_LINES, Cause.REJECTED_WRITE) or not key.isdigit():
        return False
    erp_id = world.erp_side.find(reference_of(SHOP, key))
    return erp_id is not None and world.trade.overtaken(int(key), world.erp_side.order(erp_id))


async def untold(world: World, staff: Staff, routes: Iterable[Route], store: Store) -> set[Found]:
    """Numbers that staff changed at the shop, and of which nobody told us: to name them is what a proof is for.

    Webhooks get lost, and no read of changes tells of a level. So there may be such a number after faults, right at
    the shop and another one in our books: what was given back there still counts as unseen here. It is a true difference
    only if no event in the log tells of the number since staff changed it, and if it is by as many units as staff
    changed it (a reading may have found some of the changes, the first ones). Orders have no part in it: they are
    told by themselves.
    """
    told_ms: dict[tuple[int, int], int] = {}
    for logged in await store.events(0, EVENTS_MAX):
        if logged.event.system == SHOP and logged.event.topic == LEVEL:
            body = json.loads(logged.event.body)
            at = body["inventory_item_id"], body["location_id"]
            stamp_ms = round(datetime.fromisoformat(body["updated_at"]).timestamp() * 1000)
            told_ms[at] = max(stamp_ms, told_ms.get(at, stamp_ms))
    found: set[Found] = set()
    for route in routes:
        cause = Cause.CHANGED_AT_CHANNEL.value
        rows = await store.read("differences_open", route=route.name, state="", cause=cause, limit=10_000)
        for _, key, _, sku, _, units, *_ in rows:
            place = int(split_key(key)[1])
            since_ms = told_ms.get((world.shop.state.skus[sku].inventory_item_id, place), 0)
            changes = [by for at_ms, by in staff.changes[sku, place] if at_ms >= since_ms + STAMP_MS]
            if units in {abs(sum(changes[first:])) for first in range(len(changes))}:
                found.add((key, cause))
    return found


__all__ = ["Disagreement", "Found", "explained", "prove", "untold"]
