from __future__ import annotations

import itertools
import os

import pytest
from tests.conformance.postgres_server import NoServerError, PostgresServer

pytest.register_assert_rewrite("syncline.testing")

_schemas = itertools.count(1)


@pytest.fixture(scope="session")
def postgres():
    """One server for all tests of this process."""
    pytest.importorskip("asyncpg", reason="the postgres extra is not installed")
    try:
        server = PostgresServer()
    except NoServerError as error:
        pytest.skip(str(error))
    yield server
    server.close()


@pytest.fixture(scope="session")
def emptied(postgres):
    """A schema of that server which is as new whenever it is asked for."""
    from tests.conformance.emptied import Emptied

    return Emptied(postgres.dsn)


@pytest.fixture
def schema():
    """A name that no other test of this server uses."""
    return f"t{os.getpid()}_{next(_schemas)}"
