"""Opens one configured partner, and checks that its folders can be used."""

from __future__ import annotations

from syncline.connectors.files.census import Adopting, FileCensus
from syncline.connectors.files.client import ObjectFolder
from syncline.connectors.files.copies import FileCopies
from syncline.connectors.files.intake import Intake
from syncline.connectors.files.judging import Acknowledgements
from syncline.connectors.files.kinds import ORDER_STATUS, SHOWN
from syncline.connectors.files.local import LocalFolder
from syncline.connectors.files.manifest import FilesSettings, capabilities_of
from syncline.connectors.files.rereads import FileRereads
from syncline.connectors.files.shown import ReadBack, ShownFiles
from syncline.connectors.files.sink import FilesSink
from syncline.connectors.files.source import FilesSource
from syncline.connectors.files.spool import Spool
from syncline.model.errors import Misconfigured, SynclineError
from syncline.ports import Expiry, Folder, Opening, Sink, System
from syncline.sdk.governor import ConcurrencySlots

Finding = tuple[str, bool, str]


def folder_of(settings: FilesSettings, opening: Opening, governor: ConcurrencySlots) -> Folder:
    """The place that a configuration names; no call is made.

    Raises:
        Misconfigured: what it needs is not installed.
    """
    if settings.place == "s3":
        return ObjectFolder(settings, opening.clock, opening.transport, governor)
    if settings.place == "sftp":
        try:
            from syncline.connectors.files.sftp import SftpFolder
        except ImportError as error:
            raise Misconfigured('files.folder: SFTP needs an extra: pip install "syncline[sftp]"') from error
        return SftpFolder(settings, governor)
    return LocalFolder(settings.folder, opening.clock, governor, settings.entries_max)


def open_system(opening: Opening) -> System:
    """Make a System of a configured partner; no call is made.

    Raises:
        Misconfigured: names the field and the mend.
    """
    settings: FilesSettings = opening.settings
    settings.validate()
    governor = ConcurrencySlots(opening.clock, settings.slots)
    folder = folder_of(settings, opening, governor)
    spool = Spool(settings.spool, opening.rng, opening.name)
    intake = Intake(folder, spool, opening.clock)
    answers = Acknowledgements(settings, spool, folder)
    source = FilesSource(opening.name, settings, opening.clock, spool, intake, answers)
    sink: Sink = FilesSink(settings, opening.clock, spool, folder)
    shown = None
    if settings.read(SHOWN.name) is not None:
        shown = ShownFiles(settings, opening.clock, spool, intake)
        sink = ReadBack(sink, shown, opening.clock, spool)
    census = None
    if any(read.kind in ("stock", "order_status") for read in settings.reads):  # an ERP
        census = FileCensus(opening.name, settings, opening.clock, spool, intake)
        sink = Adopting(sink, census, spool)
    booked = settings.read(ORDER_STATUS.name) is not None
    return System(
        opening.name,
        "files",
        capabilities_of(settings),
        source,
        sink,
        governor,
        check=Check(settings, spool, folder).run,
        believed=source.believed,
        rereads=FileRereads(opening.name, settings, opening.clock, spool, shown).offered(),
        census=census,
        order_book=census if booked else None,
        copies=FileCopies(settings, opening.clock, spool, intake),
        expiries=lambda: expiries_of(settings),
    )


def expiries_of(settings: FilesSettings) -> tuple[Expiry, ...]:
    """When the session token of object storage ends, where that is configured; keys and pinned host keys have no end."""
    end = settings.session_token_expires
    if end is None:
        return ()
    mend = "Ask for new temporary keys, or give Syncline a user's own keys, which need no session token."
    return (Expiry("session token", round(end.timestamp() * 1000), "session_token_expires", mend),)


class Check:
    """What an installer wants to know: which folders can be listed, and whether the spool can be written."""

    def __init__(self, settings: FilesSettings, spool: Spool, folder: Folder) -> None:
        self._settings = settings
        self._spool = spool
        self._folder = folder

    async def run(self) -> list[Finding]:
        """All findings, in order."""
        found = [self._spooled()]
        paths = [read.path for read in self._settings.reads] + [write.path for write in self._settings.writes]
        return found + [await self._listed(path) for path in dict.fromkeys(paths)]

    def _spooled(self) -> Finding:
        try:
            self._spool.id  # noqa: B018 (opening it is the test)
        except SynclineError as error:
            return "spool", False, str(error)
        return "spool", True, ""

    async def _listed(self, path: str) -> Finding:
        try:
            await self._folder.list(path)
        except SynclineError as error:
            return f"folder {path}", False, f"{error}; create it, or give Syncline's user access to it."
        return f"folder {path}", True, ""
