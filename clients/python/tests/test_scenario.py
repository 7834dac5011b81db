"""The main job from Python, against the real binary and real databases: the scenario of the quick start."""

from __future__ import annotations

import uuid
from typing import Dict, List

import grpc
import pytest

import dbkeeper
from dbkeeper.v1 import (
    backup_service_pb2 as backup,
    connection_service_pb2 as connection,
    migration_service_pb2 as migration,
    monitor_service_pb2 as monitor,
    operation_pb2,
    schema_service_pb2 as schema,
)
from samples import ROWS, TABLES, Sample
from servers import Dbkeeper

#: A limit for a wait that should not hang the tests; no claim about speed.
LIMIT = 180.0


def register(client: dbkeeper.Client, sample: Sample, database: str) -> str:
    created = client.connections.CreateConnection(
        connection.CreateConnectionRequest(
            connection_id=f"c-{uuid.uuid4().hex}", connection=sample.connection(database), request_id=uuid.uuid4().hex
        )
    )
    assert created.password == "", "a secret is never returned"
    return created.name


def table_names(client: dbkeeper.Client, name: str) -> List[str]:
    # Two a page, so that the pages are followed.
    request = schema.ListTablesRequest(connection=name, page_size=2)
    return [table.name for table in client.pages(client.schema.ListTables, request)]


def tables(client: dbkeeper.Client, name: str, database: str) -> Dict[str, schema.Table]:
    """Every table in full, without what differs between two databases with the same schema."""
    found, summary = {}, None
    for message in client.schema.StreamTables(schema.StreamTablesRequest(connection=name), timeout=60):
        if message.HasField("summary"):
            summary = message.summary
            continue
        table = message.table
        for field in ("connection", "schema", "row_estimate", "data_size_bytes", "index_size_bytes"):
            table.ClearField(field)
        for index in table.indexes:
            index.ClearField("size_bytes")
        for key in table.foreign_keys:
            key.ClearField("referenced_schema")
        # MariaDB writes the name of the database into the text of a view.
        table.view_definition = table.view_definition.replace(f"`{database}`.", "")
        found[table.name] = table
    assert summary is not None and summary.table_count == len(found), "the stream is complete"
    return found


def versions(operation: operation_pb2.Operation) -> List[str]:
    return list(operation.migrate_result.versions)


def test_the_main_job(server: Dbkeeper, sample: Sample) -> None:
    with server.client() as client:
        shop = register(client, sample, sample.database)
        tested = client.connections.TestConnection(connection.TestConnectionRequest(name=shop))
        assert tested.connected, tested
        assert table_names(client, shop) == ["product"]

        migrate(client, sample, shop)
        watch(client, shop)

        before = sample.rows(sample.database)
        taken = back_up(client, shop)
        restore(client, sample, shop, taken)

        copy = register(client, sample, sample.copy)
        restored = tables(client, copy, sample.copy)
        assert restored.keys() >= {*TABLES, "buyers"}
        assert restored == tables(client, shop, sample.database)
        assert sample.rows(sample.copy) == before
        assert sample.rows(sample.database) == before


def migrate(client: dbkeeper.Client, sample: Sample, shop: str) -> None:
    created = client.migrations.CreateMigrationSet(
        migration.CreateMigrationSetRequest(migration_set=migration.MigrationSet(display_name="Shop"))
    )
    files = [migration.MigrationFile(path=path, content=text) for path, text in sample.migrations.items()]
    imported = client.migrations.ImportMigrations(
        migration.ImportMigrationsRequest(migration_set=created.name, files=files)
    )
    assert imported.format == migration.MIGRATION_FORMAT_GOLANG_MIGRATE
    assert imported.added == 2

    plan = client.migrations.PlanMigrations(
        migration.PlanMigrationsRequest(migration_set=created.name, connection=shop)
    )
    assert (plan.total_steps, list(plan.problems)) == (2, [])

    apply = migration.ApplyMigrationsRequest(migration_set=created.name, connection=shop)
    progress: List[int] = []
    applied = client.wait(
        client.migrations.ApplyMigrations(apply), on_progress=lambda step: progress.append(step.done), timeout=LIMIT
    )
    assert versions(applied) == ["1", "2"]
    assert progress == sorted(progress)
    assert set(table_names(client, shop)) >= TABLES.keys()

    revert = migration.RevertMigrationsRequest(migration_set=created.name, connection=shop, steps=1)
    reverted = client.wait(client.migrations.RevertMigrations(revert), timeout=LIMIT)
    assert versions(reverted) == ["2"]
    assert reverted.migrate_result.current_version == "1"
    assert "purchase" not in table_names(client, shop)

    again = client.wait(client.migrations.ApplyMigrations(apply), timeout=LIMIT)
    assert versions(again) == ["2"]
    status = client.migrations.GetMigrationStatus(
        migration.GetMigrationStatusRequest(migration_set=created.name, connection=shop)
    )
    assert (status.current_version, status.applied_count, status.pending_count, status.drifted_count) == ("2", 2, 0, 0)


def watch(client: dbkeeper.Client, shop: str) -> None:
    samples: List[monitor.MetricSample] = []
    for sample in client.stream_metrics(shop, interval=1.0):
        samples.append(sample)
        if len(samples) == 3:
            break
    times = [sample.sample_time.ToNanoseconds() for sample in samples]
    assert times == sorted(set(times)), "each sample is newer than the one before"
    assert all(sample.connection == shop and len(sample.metrics) > 0 for sample in samples)


def back_up(client: dbkeeper.Client, shop: str) -> backup.Backup:
    progress: List[operation_pb2.Progress] = []
    ended = client.wait(
        client.backups.CreateBackup(backup.CreateBackupRequest(connection=shop)),
        on_progress=progress.append,
        timeout=LIMIT,
    )
    name = ended.create_backup_result.backup
    taken = client.backups.GetBackup(backup.GetBackupRequest(name=name))
    assert taken.state == backup.BACKUP_STATE_COMPLETE
    assert taken.row_count >= ROWS and taken.plain_size_bytes > 0
    assert [step.done for step in progress] == sorted(step.done for step in progress)
    listed = client.pages(client.backups.ListBackups, backup.ListBackupsRequest(connection=shop))
    assert [item.name for item in listed] == [name]

    verified = client.wait(
        client.backups.VerifyBackup(backup.VerifyBackupRequest(name=name)), timeout=LIMIT
    ).verify_backup_result
    assert (verified.chunk_count, verified.plain_size_bytes) == (taken.chunk_count, taken.plain_size_bytes)
    return taken


def restore(client: dbkeeper.Client, sample: Sample, shop: str, taken: backup.Backup) -> None:
    request = backup.RestoreBackupRequest(name=taken.name, connection=shop, target_database=sample.copy)
    restored = client.wait(client.backups.RestoreBackup(request), timeout=LIMIT).restore_backup_result
    assert (restored.target_database, restored.row_count) == (sample.copy, taken.row_count)

    # A second time it is not empty.
    with pytest.raises(dbkeeper.DbkeeperError) as caught:
        client.wait(client.backups.RestoreBackup(request), timeout=LIMIT)
    assert caught.value.reason == "TARGET_NOT_EMPTY"


def test_a_failed_migration_tells_where(server: Dbkeeper, sample: Sample) -> None:
    with server.client() as client:
        shop = register(client, sample, sample.database)
        created = client.migrations.CreateMigrationSet(
            migration.CreateMigrationSetRequest(migration_set=migration.MigrationSet(display_name="Broken"))
        )
        text = "CREATE TABLE a (id integer);\nCREATE TABLE b (id integer);\nCREATE TABEL c (id integer);\n"
        client.migrations.ImportMigrations(
            migration.ImportMigrationsRequest(
                migration_set=created.name, files=[migration.MigrationFile(path="001_broken.sql", content=text)]
            )
        )
        apply = migration.ApplyMigrationsRequest(migration_set=created.name, connection=shop)
        with pytest.raises(dbkeeper.OperationFailed) as caught:
            client.wait(client.migrations.ApplyMigrations(apply), timeout=LIMIT)
        statement = caught.value.statement
        assert caught.value.reason == "STATEMENT_FAILED"
        assert statement is not None
        assert (statement.file, statement.statement_index, statement.line) == ("001_broken.sql", 3, 3)


def test_a_wrong_key_and_bad_input_are_refused_with_facts(server: Dbkeeper) -> None:
    with dbkeeper.Client(server.address, "dbk_nobody_0000_00") as stranger:
        with pytest.raises(dbkeeper.DbkeeperError) as caught:
            stranger.connections.ListConnections(connection.ListConnectionsRequest())
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert caught.value.reason == "API_KEY_INVALID"

    with server.client() as client:
        with pytest.raises(dbkeeper.DbkeeperError) as caught:
            client.connections.ListConnections(connection.ListConnectionsRequest(page_size=-1))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in caught.value.field_violations] == ["page_size"]
