"""Where everything lasts: SQLite by default, PostgreSQL for several workers."""
