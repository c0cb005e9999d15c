"""A partner's folder on this machine and our side of it, for the tests of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from syncline.connectors.files.declared import Column, Read, Trailer
from syncline.connectors.files.intake import Intake
from syncline.connectors.files.judging import Acknowledgements
from syncline.connectors.files.local import LocalFolder
from syncline.connectors.files.manifest import FilesSettings
from syncline.connectors.files.sink import FilesSink
from syncline.connectors.files.source import FilesSource
from syncline.connectors.files.spool import Spool
from syncline.model.change import Change, Cursor, Event, LoggedEvent
from syncline.model.errors import Rejected
from syncline.ports import Folder, Page
from syncline.sdk.governor import ConcurrencySlots
from syncline.simulate.clock import VirtualClock, VirtualLoop

START_MS = 1_790_000_000_000
COLUMNS = (Column("sku", name="SKU"), Column("location", name="AT"), Column("quantity", name="QTY"))
STOCK = Read(kind="stock", path="in", pattern="STOCK_*.csv", scope="full", complete="rename", columns=COLUMNS)
TRAILED = Trailer("T", (Column("rows", position=2), Column("total", position=3)), total_of="quantity")


class Desk:
    """One exchange folder, and Syncline's side as a process that may be started again."""

    def __init__(self, root: Path, *reads: Read, **more: Any) -> None:
        self.root = root / "exchange"
        for name in ("in", "out"):
            (self.root / name).mkdir(parents=True)
        self.settings = FilesSettings(folder=str(self.root), spool=str(root / "spool"), reads=reads, **more)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.around: Callable[[Folder], Folder] = lambda folder: folder
        self._rng = Random(1)
        self.start()

    def start(self) -> None:
        """A process that remembers nothing."""
        governor = ConcurrencySlots(self.clock, 4)
        folder = self.around(LocalFolder(str(self.root), self.clock, governor, 1_000))
        self.spool = Spool(self.settings.spool, Random(self._rng.getrandbits(64)), "erp")
        self.intake = Intake(folder, self.spool, self.clock)
        answers = Acknowledgements(self.settings, self.spool, folder)
        self.source = FilesSource("erp", self.settings, self.clock, self.spool, self.intake, answers)
        self.sink = FilesSink(self.settings, self.clock, self.spool, folder)

    def run(self, work):
        """Run to the end."""
        return self.loop.run_until_complete(work)

    def leave(self, name: str, *lines: str, header: str = "SKU,AT,QTY") -> Path:
        """The partner leaves a file, whole."""
        path = self.root / "in" / name
        path.write_bytes("\n".join([header, *lines, ""]).encode())
        return path

    def pages(self, cursor: Cursor | None = None, stream: str = "stock") -> list[Page]:
        """One read, as an engine that stores each page."""

        async def read() -> list[Page]:
            return [page async for page in self.source.poll(stream, cursor)]

        return self.run(read())

    def told(
        self, cursor: Cursor | None = None, stream: str = "stock"
    ) -> tuple[dict[str, int], list[str], Cursor]:
        """What a read tells: figures, refusals, and the cursor at its end."""
        pages = self.pages(cursor, stream)
        figures, refused = self.decoded([event for page in pages for event in page.events])
        return figures, refused, pages[-1].cursor

    def decoded(self, events: list[Event]) -> tuple[dict[str, int], list[str]]:
        """Figures by key, and what is parked."""
        figures: dict[str, int] = {}
        refused: list[str] = []
        for event in events:
            try:
                for change in self.changes(event):
                    figures[change.key.replace("\x1f", "@")] = int(change.value.available)
            except Rejected as error:
                refused.append(str(error))
        return figures, refused

    def changes(self, event: Event) -> list[Change]:
        """What an event states."""
        return self.source.decode(LoggedEvent(1, event.occurred_at_ms, event))

    def names(self, folder: str) -> list[str]:
        """What lies in a folder."""
        path = self.root / folder
        return sorted(each.name for each in path.iterdir()) if path.exists() else []
