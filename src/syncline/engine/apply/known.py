"""What the applier remembers of the records that it wrote, so that most need not be read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from syncline.model.change import Kind

VERSIONS_MAX = 20_000  # records of which only the version is kept: some 300 bytes each
ORDERS_MAX = 500  # orders are kept whole: some 20 kB each

Name = tuple[str, Kind, str]  # system, kind, key


class Known:
    """The newest version of a record that we hold, in the store or from earlier in the batch.

    ``changed_at_ms`` is its last change, as far as we remember it; 0: we do not. ``passing``: a full read told of it,
    which tells of everything.
    """

    __slots__ = ("changed_at_ms", "hash", "passing", "tiebreak", "value", "version")

    def __init__(
        self,
        version: int,
        tiebreak: int,
        hash_: str,
        value: Any,
        changed_at_ms: int = 0,
        *,
        passing: bool = False,
    ) -> None:
        self.changed_at_ms = changed_at_ms
        self.version = version
        self.tiebreak = tiebreak
        self.hash = hash_
        self.value = value
        self.passing = passing


class Memory:
    """The records written last. Whoever holds the lease ``apply`` is the only one who writes any.

    One event about a record is usually followed by others within the hour, and each must know what is
    there. Only what is stored is remembered; when it is not sure that a transaction was, all is forgotten.
    A full read tells of a million records: it brings those up to date that are remembered, and pushes none out.
    """

    def __init__(self, *, versions_max: int = VERSIONS_MAX, orders_max: int = ORDERS_MAX) -> None:
        self._orders: OrderedDict[Name, Known] = OrderedDict()
        self._others: OrderedDict[Name, Known] = OrderedDict()
        self._orders_max = orders_max
        self._versions_max = versions_max

    def get(self, name: Name) -> Known | None:
        """A record as it is stored; ``None``: look there. Of other kinds than orders the value is ``None``."""
        kept = self._orders if name[1] is Kind.ORDER else self._others
        known = kept.get(name)
        if known is not None:
            kept.move_to_end(name)
        return known

    def stored(self, records: Iterable[tuple[Name, Known]]) -> None:
        """A transaction stored these."""
        for name, known in records:
            order = name[1] is Kind.ORDER
            kept, most = (self._orders, self._orders_max) if order else (self._others, self._versions_max)
            if known.passing and name not in kept:
                continue
            if not order:
                known.value = None
            kept[name] = known
            kept.move_to_end(name)
            if len(kept) > most:
                kept.popitem(last=False)

    def forget(self) -> None:
        """Know nothing: the store may hold something else."""
        self._orders.clear()
        self._others.clear()
