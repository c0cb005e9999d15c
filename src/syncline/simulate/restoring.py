"""The whole pipeline under faults, with its store replaced by an older copy in the middle.

A copy is taken at a random moment, in the midst of calls. Trade goes on for a while, Syncline dies, and the next life
starts on the copy, prepared as ``syncline restore`` prepares it. The checkers ask for more than without it: what the
ERP was given before must not even be given again, whether or not it would have been harmless.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import apsw

from syncline.simulate.simulation import Plan, Report, Simulation
from syncline.stores.sqlite import SqliteStore
from syncline.stores.sqlite.backup import copy, rewind


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy of a store, when it was taken, and what had been acknowledged until then."""

    database: apsw.Connection
    taken_at_ms: int
    acknowledged: frozenset[tuple[str, str]]


class Restoring(Simulation):
    """One seed in which the store is put back once to what it was minutes before."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        super().__init__(seed, plan)
        # The first reading after a restore is a first one again: what was edited by hand before it, nobody can know.
        assert self.staff is not None
        self.staff.read_after_s = math.inf
        self.lost_ms = 0  # between the copy and the death
        self.forgotten_events = 0  # acknowledged, and not in the copy

    def take_copy(self) -> Copied:
        """Copy the store as it is now, under the feet of whoever works with it."""
        assert isinstance(self._store, SqliteStore)
        database = apsw.Connection(":memory:")
        # No product code copies a store that lives in memory.
        copy(self._store._connection, database)  # noqa: SLF001
        return Copied(database, self.clock.now_ms(), frozenset(self._inbound.acknowledged))

    def put_back(self, copied: Copied) -> None:
        """Give the next life the copy."""
        self.lost_ms = self.clock.now_ms() - copied.taken_at_ms
        self.forgotten_events = len(self._inbound.acknowledged - copied.acknowledged)
        self._inbound.acknowledged = set(copied.acknowledged)
        rewind(copied.database, now_ms=self.clock.now_ms(), taken_at_ms=copied.taken_at_ms)
        self._store = SqliteStore(copied.database)

    async def _live_and_die(self) -> None:
        rng, minutes = self._rng, self.plan.minutes
        await self.clock.sleep(rng.uniform(0.1, 0.5) * minutes * 60)
        copied = self.take_copy()
        await self.clock.sleep(rng.uniform(0.02, 0.4) * minutes * 60)
        await self._kill("before a restore")
        self.put_back(copied)
        self._start()
        self._prepare_soon()
        await super()._live_and_die()

    def _never(self, report: Report) -> list[str]:
        return [*super()._never(report), *self.sent_again()]

    def sent_again(self) -> list[str]:
        """What the ERP was told to make although it had it."""
        erp = self.world.erp
        made = {
            "salesOrder.put": len(erp.sales_orders_by_external_id()),
            "customerDeposit.put": len(erp.deposits()),
        }
        return [
            f"{again} effects of {operation} on what was there already"
            for operation, there in made.items()
            if (again := erp.ledger.effects[operation] - there) > 0
        ]
