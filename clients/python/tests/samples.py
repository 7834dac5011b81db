"""A database for each engine: a table with awkward values to begin with, two migrations, and a look at its rows that
does not go through dbkeeper."""

from __future__ import annotations

import pathlib
import sqlite3
import uuid
from typing import Dict, Protocol

from dbkeeper.v1 import common_pb2, connection_service_pb2
from servers import PASSWORD, MariaDb, PostgreSql

#: Tables after both migrations, with a column that orders their rows.
TABLES = {"product": "id", "customer": "id", "purchase": "id"}
#: Rows of those tables together.
ROWS = 7

_ROWS = "INSERT INTO product VALUES (1, 'Käse 🧀', NULL, {blob}), (2, '', 12.50, NULL), (3, 'a''b\\c', 0, {empty})"


class Sample(Protocol):
    """A database that the scenario runs on."""

    #: The database that is there at the beginning.
    database: str
    #: The database that is restored into; it is not there.
    copy: str
    #: Two migrations, by file name.
    migrations: Dict[str, str]

    def connection(self, database: str) -> connection_service_pb2.Connection:
        """Settings to register one of its databases with."""
        ...


    def rows(self, database: str) -> Dict[str, str]:
        """Every row of every table as the engine's own client shows it."""
        ...


def _migrations(key: str, text: str, checked: str) -> Dict[str, str]:
    return {
        "1_customer.up.sql": f"""
            CREATE TABLE customer (id {key}, name {text} NOT NULL, CONSTRAINT named CHECK ({checked}));
            INSERT INTO customer (name) VALUES ('Ada; not the end'), ('Łukasz -- no comment');
            """,
        "1_customer.down.sql": "DROP TABLE customer;",
        "2_purchase.up.sql": f"""
            CREATE TABLE purchase (
                id {key},
                customer_id integer NOT NULL REFERENCES customer (id),
                product_id integer NOT NULL REFERENCES product (id) ON DELETE CASCADE
            );
            CREATE INDEX purchase_customer ON purchase (customer_id);
            CREATE VIEW buyers AS SELECT name FROM customer WHERE id IN (SELECT customer_id FROM purchase);
            INSERT INTO purchase (customer_id, product_id) VALUES (1, 1), (2, 3);
            """,
        "2_purchase.down.sql": "DROP VIEW buyers; DROP TABLE purchase;",
    }


class PostgreSqlSample:
    database, copy = "shop", "shop_copy"
    migrations = _migrations("integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "text", "length(name) > 0")

    def __init__(self, server: PostgreSql) -> None:
        self._server = server
        server.query("postgres", "CREATE DATABASE shop OWNER app")
        create = "CREATE TABLE product (id integer PRIMARY KEY, name text, price numeric(10,2), picture bytea)"
        rows = _ROWS.format(blob="'\\x00ff0a'", empty="''")
        server.query("shop", f"SET ROLE app; {create}; {rows}")

    def connection(self, database: str) -> connection_service_pb2.Connection:
        return connection_service_pb2.Connection(
            display_name=f"{database} on PostgreSQL", engine=common_pb2.ENGINE_POSTGRESQL, host="127.0.0.1",
            port=self._server.port, database=database, username="app", password=PASSWORD,
        )

    def rows(self, database: str) -> Dict[str, str]:
        return {
            table: self._server.query(database, f"COPY (SELECT * FROM {table} ORDER BY {key}) TO STDOUT")
            for table, key in TABLES.items()
        }


class MariaDbSample:
    database, copy = "shop", "shop_copy"
    migrations = _migrations("integer AUTO_INCREMENT PRIMARY KEY", "varchar(100)", "char_length(name) > 0")

    def __init__(self, server: MariaDb) -> None:
        self._server = server
        server.query("", "CREATE DATABASE shop CHARACTER SET utf8mb4")
        create = "CREATE TABLE product (id integer PRIMARY KEY, name text, price decimal(10,2), picture blob)"
        rows = _ROWS.format(blob="x'00ff0a'", empty="''")
        server.query("shop", f"SET sql_mode = 'NO_BACKSLASH_ESCAPES'; {create}; {rows}")

    def connection(self, database: str) -> connection_service_pb2.Connection:
        return connection_service_pb2.Connection(
            display_name=f"{database} on MariaDB", engine=common_pb2.ENGINE_MYSQL, host="127.0.0.1",
            port=self._server.port, database=database, username="app", password=PASSWORD,
        )

    def rows(self, database: str) -> Dict[str, str]:
        return {
            table: self._server.query(database, f"SELECT * FROM {table} ORDER BY {key}") for table, key in TABLES.items()
        }


class SqliteSample:
    migrations = _migrations("integer PRIMARY KEY", "text", "length(name) > 0")

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root
        # The root is the server's, and so of all tests.
        unique = uuid.uuid4().hex
        self.database, self.copy = f"shop-{unique}.db", f"shop-copy-{unique}.db"
        root.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(root / self.database)
        database.execute("CREATE TABLE product (id integer PRIMARY KEY, name text, price real, picture blob)")
        database.execute(_ROWS.format(blob="x'00ff0a'", empty="x''"))
        database.commit()
        database.close()

    def connection(self, database: str) -> connection_service_pb2.Connection:
        return connection_service_pb2.Connection(
            display_name=f"{database} in SQLite", engine=common_pb2.ENGINE_SQLITE, database=database
        )

    def rows(self, database: str) -> Dict[str, str]:
        connection = sqlite3.connect(self._root / database)
        try:
            return {
                table: "".join(f"{row!r}\n" for row in connection.execute(f"SELECT * FROM {table} ORDER BY {key}"))
                for table, key in TABLES.items()
            }
        finally:
            connection.close()
