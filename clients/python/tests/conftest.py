"""The servers of the tests."""

from __future__ import annotations

from typing import Iterator

import pytest

from samples import MariaDbSample, PostgreSqlSample, Sample, SqliteSample
from servers import Dbkeeper, MariaDb, PostgreSql


@pytest.fixture(scope="session")
def server() -> Iterator[Dbkeeper]:
    with Dbkeeper() as server:
        assert isinstance(server, Dbkeeper)
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def sample(request: pytest.FixtureRequest, server: Dbkeeper) -> Iterator[Sample]:
    """A new database of each engine."""
    if request.param == "postgresql":
        with PostgreSql() as database:
            assert isinstance(database, PostgreSql)
            yield PostgreSqlSample(database)
    elif request.param == "mariadb":
        with MariaDb() as database:
            assert isinstance(database, MariaDb)
            yield MariaDbSample(database)
    else:
        # The databases of an account lie in the folder of its name.
        yield SqliteSample(server.data_dir / "sqlite" / "default")
