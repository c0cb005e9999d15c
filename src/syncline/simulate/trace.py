"""The ledgers of a play as rows, one an event: what every figure of a report was counted from.

============== =============================================================================================
``sold``       a channel accepted a line of an order: ``units``, of which ``oversold`` were not there
``refused``    a channel turned a line away although the units were there: ``hidden``
``received``   goods arrived at the ERP: ``units``
``call``       a system was called: the ``operation``, the ``values`` in it, the seconds it ``waited_s`` for the limit
``call apart`` the same before the first midnight or after the last order; calls are not counted then
``wrote``      a channel's number of a SKU after a write: ``units``
``landed``     a change of stock is in a channel's number, or an order in the ERP: ``since`` when, after ``lag_ms``;
               ``apart`` if an outage struck it, ``event_lost`` if what would have told of it never came
============== =============================================================================================
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from syncline.model.change import Flow
from syncline.sdk.spreadsheet import cell

COLUMNS = (
    "design",
    "at",
    "event",
    "system",
    "order",
    "sku",
    "units",
    "oversold",
    "hidden",
    "operation",
    "values",
    "waited_s",
    "flow",
    "since",
    "lag_ms",
    "apart",
    "event_lost",
)


class Trace:
    """Writes the rows of one play. Columns that an event does not have stay empty."""

    def __init__(self, to: TextIO, design: str, now_ms: Callable[[], int]) -> None:
        self._rows = csv.writer(to, lineterminator="\n")
        self._design = design
        self._now_ms = now_ms
        self.counts_calls = False

    def _row(self, event: str, system: str, **more: object) -> None:
        found = {"design": self._design, "at": _moment(self._now_ms()), "event": event, "system": system}
        row = {**found, **more}
        values = (row.get(column, "") for column in COLUMNS)
        self._rows.writerow([cell(one) if isinstance(one, str) else one for one in values])

    def sold(self, channel: str, order: str, sku: str, units: int, oversold: int) -> None:
        """A line was accepted."""
        self._row("sold", channel, order=order, sku=sku, units=units, oversold=oversold)

    def refused(self, channel: str, order: str, sku: str, hidden: int) -> None:
        """A line was turned away although the units were there."""
        self._row("refused", channel, order=order, sku=sku, hidden=hidden)

    def received(self, erp: str, sku: str, units: int) -> None:
        """Goods arrived."""
        self._row("received", erp, sku=sku, units=units)

    def called(self, system: str, operation: str, values: int, waited_s: float) -> None:
        """A system was called."""
        event = "call" if self.counts_calls else "call apart"
        waited = f"{waited_s:.3f}" if waited_s else ""
        self._row(event, system, operation=operation, values=values, waited_s=waited)

    def wrote(self, channel: str, sku: str, shown: int) -> None:
        """A number was written."""
        self._row("wrote", channel, sku=sku, units=shown)

    def landed(
        self,
        flow: Flow,
        channel: str,
        record: str,
        since_ms: int,
        lag_ms: int,
        *,
        apart: bool,
        untold: bool,
    ) -> None:
        """A change is where it belongs; ``record`` is a SKU, or the reference of an order."""
        of = {"sku": record} if flow is Flow.INVENTORY else {"order": record}
        more = {
            "since": _moment(since_ms),
            "lag_ms": lag_ms,
            "apart": _yes(apart),
            "event_lost": _yes(untold),
        }
        self._row("landed", channel, flow=str(flow), **of, **more)


def _yes(so: bool) -> str:
    return "yes" if so else "no"


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def part_of(path: Path, which: int) -> Path:
    """Where one of the plays, which may run side by side, keeps its rows."""
    return path.with_name(f"{path.name}.part-{which}")


def joined(path: Path, count: int) -> None:
    """Put the parts of all plays into one file, in their order.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("wb") as to:
        to.write((",".join(COLUMNS) + "\n").encode())
        for which in range(count):
            with part_of(path, which).open("rb") as part:
                shutil.copyfileobj(part, to)


def removed(path: Path, count: int) -> None:
    """Take the parts away."""
    for which in range(count):
        part_of(path, which).unlink(missing_ok=True)
