"""PostgreSQL: the store for installations that have a database server already."""

from syncline.model.errors import Misconfigured

try:
    import asyncpg as _asyncpg  # type: ignore[import-untyped]  # noqa: F401 (asked for here: say what to do)
except ImportError as error:
    raise Misconfigured(
        "[store] names PostgreSQL, but its driver is not installed: pip install 'syncline[postgres]'",
    ) from error

from syncline.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
