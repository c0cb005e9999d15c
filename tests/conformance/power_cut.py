"""Records what SQLite writes and syncs, and rebuilds the files as a power cut at any moment may leave them.

What was synced is there. What was written after the last sync of its file may be there, or not, or torn
at a sector, each write on its own: disks reorder what they were not told to keep.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import apsw

SECTOR = 512
NAME = "recording"


class Recorder(apsw.VFS):
    """A file system that remembers every write and sync, in order. Use it as a context manager."""

    def __init__(self):
        self.log = []
        self.base = {}
        super().__init__(NAME, "")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.unregister()

    def xOpen(self, name, flags):  # noqa: N802 (SQLite's name)
        return _File(self, name, flags)

    def xDelete(self, name, sync_folder):  # noqa: N802 (SQLite's name)
        self.log.append(("delete", Path(name).name))
        super().xDelete(name, sync_folder)

    def start(self, *paths):
        """From here on; what the files hold now is taken as synced."""
        self.log.clear()
        self.base = {path.name: path.read_bytes() for path in paths}

    def acknowledge(self, what):
        """Note that somebody was told that ``what`` is safe."""
        self.log.append(("ack", what))


class _File(apsw.VFSFile):
    def __init__(self, recorder, name, flags):
        self._recorder = recorder
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)).name
        super().__init__("", name, flags)

    def xWrite(self, data, offset):  # noqa: N802 (SQLite's name)
        self._recorder.log.append(("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size):  # noqa: N802 (SQLite's name)
        self._recorder.log.append(("truncate", self._name, size))
        super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802 (SQLite's name)
        self._recorder.log.append(("sync", self._name))
        super().xSync(flags)


def _apply(content, change):
    if change[0] == "truncate":
        del content[change[2] :]
        return
    _, _, offset, data = change
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def after_cut(base, log, moment, rng):
    """The files after a cut before ``log[moment]``, and what had been acknowledged by then."""
    files = {name: bytearray(data) for name, data in base.items()}
    pending = {}
    acknowledged = []
    for entry in log[:moment]:
        if entry[0] == "ack":
            acknowledged.append(entry[1])
        elif entry[0] == "sync":
            for change in pending.pop(entry[1], ()):
                _apply(files.setdefault(entry[1], bytearray()), change)
        elif entry[0] == "delete":
            files.pop(entry[1], None)
            pending.pop(entry[1], None)
        else:
            pending.setdefault(entry[1], []).append(entry)
    how = rng.choice(("nothing", "some", "some", "all"))
    for name, changes in pending.items():
        for change in changes:
            if how == "nothing" or (how == "some" and rng.random() < 0.5):
                continue
            kept = change
            if change[0] == "write" and how == "some" and rng.random() < 0.5:
                _, _, offset, data = change
                end = (offset + rng.randrange(len(data) + 1)) // SECTOR * SECTOR - offset
                kept = ("write", name, offset, data[: max(0, end)])
            _apply(files.setdefault(name, bytearray()), kept)
    return files, acknowledged


def moments(log, count, rng: Random):
    """Which cuts to try: right after acknowledgements, where a mistake shows, and anywhere."""
    after_acks = [n + 1 for n, entry in enumerate(log) if entry[0] == "ack"]
    return [rng.choice(after_acks) if n % 2 else rng.randrange(len(log) + 1) for n in range(count)]
