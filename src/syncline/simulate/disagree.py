"""Plants differences between the simulators, behind everybody's back, and says what has to be found."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from syncline.connectors.netsuite.simulator.state import Txn
from syncline.engine.reconcile.differences import MEANINGS, Cause
from syncline.engine.reconcile.reconciler import Reconciler
from syncline.engine.routes import reference_of, stock_key
from syncline.ports import Clock, Store
from syncline.simulate.world import SHOP, World

Found = tuple[str, str]  # key and cause
MORE = 6  # units that appear without a word
SKUS = 6
STEP_S = 5.0
PROOF_MAX_S = 3_600.0


class Disagreement:
    """Figures without a document, numbers that somebody typed, references that were taken off or changed."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._undo: list[Callable[[], None]] = []

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
                world.erp.opening_balance(sku, erp_at, MORE)
                expected.add((stock_key(sku, str(shop_at)), Cause.MISSED_EVENT))
            else:
                level.available += MORE
                expected.add((stock_key(sku, str(shop_at)), Cause.CHANGED_AT_CHANNEL))
        return expected

    def _orders(self) -> set[Found]:
        expected: set[Found] = set()
        orders = [order_id for order_id in self._world.trade.placed if self._txn(order_id) is not None]
        for n, order_id in enumerate(self._rng.sample(orders, min(2, len(orders)))):
            txn = self._txn(order_id)
            assert txn is not None
            self._rename(txn, reference_of(SHOP, f"9{order_id}") if n else None)
            if n:
                expected.add((f"9{order_id}", Cause.UNKNOWN_TO_SHOP))
            if self._world.shop.orders[order_id].cancelled_ms is None:
                expected.add((str(order_id), Cause.MISSING_IN_ERP))
            elif n:
                expected.discard(
                    (f"9{order_id}", Cause.UNKNOWN_TO_SHOP)
                )  # cancelled in both: it takes nothing
        return expected

    def _txn(self, order_id: int) -> Txn | None:
        found = self._world.erp.find_order(reference_of(SHOP, str(order_id)))
        return None if found is None else self._world.erp.account.txns[found]

    def _rename(self, txn: Txn, reference: str | None) -> None:
        account, before = self._world.erp.account, txn.external_id

        def become(now: str | None) -> None:
            if txn.external_id is not None:
                account.external.pop(("salesOrder", txn.external_id.casefold()), None)
            txn.external_id = now
            if now is not None:
                account.external["salesOrder", now.casefold()] = txn.id
            account.dirty.txns[txn.id] = None

        become(reference)
        self._undo.append(lambda: become(before))

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
    """Whether a difference is true and nobody's fault: goods had left for an order that was cut or cancelled later."""
    key, cause = found
    if cause != Cause.WRONG_LINES or not key.isdigit():
        return False
    erp_id = world.erp.find_order(reference_of(SHOP, key))
    return erp_id is not None and world.trade.overtaken(int(key), world.erp.order(erp_id))


__all__ = ["Disagreement", "Found", "explained", "prove"]
