"""SQLite: the embedded store. One file, one writing connection, nothing to install."""

from syncline.stores.sqlite.store import SqliteStore
from syncline.stores.sqlite.writer import LiveSqliteStore

__all__ = ["LiveSqliteStore", "SqliteStore"]
