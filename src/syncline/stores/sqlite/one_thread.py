"""SQLite set up for a process of which one thread alone uses it, as one that does nothing but play an order history."""

from __future__ import annotations

import apsw

# Small objects come from room that a connection has set aside, instead of one by one from the C library. The compiled
# statements alone take up what it sets aside by itself: sqlite.org/malloc.html#lookaside.
SMALL_BYTES = 1_200
SMALL_MANY = 4_000


def for_one_thread() -> bool:
    """Do without the locks around each connection, without counting what is allocated, and set room aside.

    That is a fifteenth of the time of a play (`sqlite.org/threadsafe.html`, `sqlite.org/malloc.html#memory_statistics`). These
    settings are the process's, and can be changed only while it has no connection: returns whether they were.
    """
    if apsw.connections():
        return False
    apsw.shutdown()
    try:
        apsw.config(apsw.SQLITE_CONFIG_MULTITHREAD)
        apsw.config(apsw.SQLITE_CONFIG_MEMSTATUS, 0)
        apsw.config(apsw.SQLITE_CONFIG_LOOKASIDE, SMALL_BYTES, SMALL_MANY)
    finally:
        apsw.initialize()
    return True
