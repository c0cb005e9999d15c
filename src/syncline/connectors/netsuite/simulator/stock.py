"""Commitment: which units on hand are promised to which sales order line.

``available = on_hand - committed``; a level never commits more than it holds. Free stock goes to
waiting lines in the order in which they began to wait. The product can be configured otherwise
(allocation by ship date, manual reallocation): first come, first served is an assumption.

A kit has no level: its members are promised, each by itself (``kits``).
"""

from __future__ import annotations

from syncline.connectors.netsuite.simulator.state import Account, Level, Line, Txn

Key = tuple[int, int]


class Stock:
    """Moves units and keeps the commitment of open lines right."""

    def __init__(self, account: Account) -> None:
        self._account = account
        # Levels that the current save changed, in order; the user-event script reads it.
        self.touched: dict[Key, None] = {}

    def level(self, key: Key) -> Level:
        """The level, created empty if need be."""
        level = self._account.levels.get(key)
        if level is None:
            level = self._account.levels[key] = Level()
            self._note(key)
        return level

    def _note(self, key: Key) -> None:
        self.touched[key] = None
        self._account.touch_level(key)

    def commit(self, line: Line) -> None:
        """Promise a line what is free; the rest waits."""
        for member in line.members:
            self.commit(member)
        if line.location is None or not self._account.items[line.item].stocked:
            return
        key = (line.item, line.location)
        level = self.level(key)
        need = line.open - line.committed - line.backordered
        if need <= 0:
            return
        take = min(need, max(0, level.on_hand - level.committed))
        if take:
            line.committed += take
            level.committed += take
            self._account.holding.setdefault(key, {})[line.unique_key] = line
        if rest := need - take:
            line.backordered += rest
            level.backordered += rest
            self._account.waiting.setdefault(key, {})[line.unique_key] = line
        self._note(key)
        self._dirty(line)

    def release(self, line: Line) -> None:
        """Take back everything promised to a line, and pass it to lines that wait."""
        for member in line.members:
            self.release(member)
        if line.location is None or not (line.committed or line.backordered):
            return
        key = (line.item, line.location)
        level = self.level(key)
        level.committed -= line.committed
        level.backordered -= line.backordered
        line.committed = line.backordered = 0
        self._account.holding.get(key, {}).pop(line.unique_key, None)
        self._account.waiting.get(key, {}).pop(line.unique_key, None)
        self._note(key)
        self._dirty(line)
        self._serve(key)

    def ship(self, line: Line, quantity: int) -> None:
        """Committed units leave the building; of a kit, those of its members."""
        for member in line.members:
            self.ship(member, quantity * member.each)
        if not self._account.items[line.item].stocked:
            line.done += quantity
            return
        assert line.location is not None
        assert quantity <= line.committed
        key = (line.item, line.location)
        level = self.level(key)
        line.committed -= quantity
        line.done += quantity
        level.committed -= quantity
        level.on_hand -= quantity
        if not line.committed:
            self._account.holding.get(key, {}).pop(line.unique_key, None)
        self._note(key)
        self._dirty(line)

    def move(self, item: int, location: int, quantity: int) -> None:
        """Units come (positive) or go. Going, the youngest promises are broken first."""
        key = (item, location)
        level = self.level(key)
        level.on_hand += quantity
        self._note(key)
        holding = self._account.holding.get(key)
        while level.committed > max(0, level.on_hand) and holding:
            youngest = next(reversed(holding))
            line = holding[youngest]
            back = min(line.committed, level.committed - max(0, level.on_hand))
            line.committed -= back
            line.backordered += back
            level.committed -= back
            level.backordered += back
            if not line.committed:
                del holding[youngest]
            self._account.waiting.setdefault(key, {})[line.unique_key] = line
            self._dirty(line)
        if quantity > 0:
            self._serve(key)

    def _serve(self, key: Key) -> None:
        waiting = self._account.waiting.get(key)
        level = self.level(key)
        while waiting and level.on_hand > level.committed:
            oldest = next(iter(waiting))
            line = waiting[oldest]
            take = min(line.backordered, level.on_hand - level.committed)
            line.backordered -= take
            line.committed += take
            level.backordered -= take
            level.committed += take
            if not line.backordered:
                del waiting[oldest]
            self._account.holding.setdefault(key, {})[line.unique_key] = line
            self._note(key)
            self._dirty(line)

    def _dirty(self, line: Line) -> None:
        # The order's row changes, but not its stamp: only an edit of the order moves that (unsure).
        self._account.touch(self._account.txns[line.txn], modified=False)

    def commit_order(self, order: Txn) -> None:
        """Promise stock to every line of an approved order."""
        for line in order.lines:
            self.commit(line)

    def release_order(self, order: Txn) -> None:
        """Take every promise back."""
        for line in order.lines:
            self.release(line)
