"""What both sides have in common that share an object store with us: where it is, how it is written, and that it tells nobody."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from typing import Any

from syncline.connectors.files import CONNECTOR, FilesSettings
from syncline.connectors.files.declared import Column, Read, Write
from syncline.connectors.files.simulator import ACCESS_KEY, SECRET_KEY, ObjectStoreSimulator

ROUND_S = 60.0  # between two times that somebody looks what was left, and leaves what is new
DIALECT: dict[str, Any] = {
    "encoding": "cp1252",
    "delimiter": ";",
    "decimal": ",",
    "date_format": "%d.%m.%Y %H:%M:%S.%f",
}
STAMPED: dict[str, Any] = {
    "complete": "rename",
    "stamp": "name",
    "stamp_format": "%Y%m%d%H%M%S%f",
    **DIALECT,
}


def columns(fields: Sequence[str], names: Sequence[str]) -> tuple[Column, ...]:
    """Columns by what they are called in the header."""
    return tuple(Column(field, name=name) for field, name in zip(fields, names, strict=True))


class Exchange:
    """One object store, and Syncline's own folder."""

    connector = CONNECTOR
    licence = "an object store that sets no limit we know of"
    unit = "at once"
    calls_max = 16
    subscribes = False
    strict = True
    origin: str
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]
    untold: tuple[str, ...] = ()

    def share(self, simulator: ObjectStoreSimulator) -> None:
        """This is the store."""
        self._bucket = simulator.bucket
        self._folder = tempfile.mkdtemp(prefix="files-side-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def origins(self) -> list[str]:
        """Where it answers."""
        return [self.origin]

    def serve_at(self, url: str) -> None:
        """It answers under whatever address it is asked."""

    def settings(self, url: str = "") -> FilesSettings:
        """How Syncline gets there."""
        return FilesSettings(
            folder=f"s3://{self._bucket}",
            endpoint=url or self.origin,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            spool=f"{self._folder}/spool",
            reads=self.reads,
            writes=self.writes,
            untold=self.untold,  # type: ignore[arg-type]  # of the words that the settings know
        )

    def listen(self, url: str) -> None:
        """Files tell nobody that they are there."""

    def quiet(self) -> bool:
        """Nothing is ever under way."""
        return True


__all__ = ["DIALECT", "ROUND_S", "STAMPED", "Exchange", "columns"]
