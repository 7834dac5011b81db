"""The client: one channel, a stub for each service, and the loops that every user would write anew."""

from __future__ import annotations

import json
import random
import time
from collections.abc import MutableSequence
from types import TracebackType
from typing import Any, Callable, Iterator, Optional, Sequence, Type, Union

import grpc
from google.protobuf import duration_pb2

from dbkeeper.v1 import (
    access_service_pb2_grpc,
    backup_service_pb2_grpc,
    common_pb2,
    connection_service_pb2_grpc,
    migration_service_pb2_grpc,
    monitor_service_pb2,
    monitor_service_pb2_grpc,
    operation_pb2,
    operation_service_pb2,
    operation_service_pb2_grpc,
    schema_service_pb2_grpc,
    vault_service_pb2_grpc,
)

from .errors import DbkeeperError, OperationFailed
from .interceptor import Bearer, Interceptor

#: Deadline of a call that is no stream and is given none, in seconds.
DEFAULT_TIMEOUT = 30.0
#: Longest pause before a watch is taken up again, in seconds.
MAX_PAUSE = 5.0

_RUNNING = (operation_pb2.OPERATION_STATE_QUEUED, operation_pb2.OPERATION_STATE_RUNNING)

# Only UNAVAILABLE is repeated: after any other code a repeat gives the same answer, or may do the work twice.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "3s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


class Client:
    """A client of one dbkeeper server. Use it as a context manager, or call `close`.

    `address` is `host:port`. `api_key` is an API key or a token of the server's identity provider, or a function that
    gives one for each call; None where `client_certificate`, a pair of certificate chain and private key in PEM, says who
    calls. Without `root_certificates` or `tls` the channel is in clear, which a server takes on
    loopback only, unless it was started with `--insecure`. Threads may share a client.
    """

    def __init__(
        self,
        address: str,
        api_key: Bearer,
        *,
        tls: bool = False,
        root_certificates: Optional[bytes] = None,
        client_certificate: Optional[tuple[bytes, bytes]] = None,
        timeout: float = DEFAULT_TIMEOUT,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        settings = [
            ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
            ("grpc.max_receive_message_length", 16 * 1024 * 1024),
            *options,
        ]
        if tls or root_certificates is not None or client_certificate is not None:
            chain, key = client_certificate or (None, None)
            credentials = grpc.ssl_channel_credentials(root_certificates, private_key=key, certificate_chain=chain)
            self._channel = grpc.secure_channel(address, credentials, options=settings)
        else:
            self._channel = grpc.insecure_channel(address, options=settings)
        channel = grpc.intercept_channel(self._channel, Interceptor(api_key, timeout))

        #: Tells who may call.
        self.access = access_service_pb2_grpc.AccessServiceStub(channel)
        self.vault = vault_service_pb2_grpc.VaultServiceStub(channel)
        #: Registers databases.
        self.connections = connection_service_pb2_grpc.ConnectionServiceStub(channel)
        #: Reads schemas.
        self.schema = schema_service_pb2_grpc.SchemaServiceStub(channel)
        #: Migrates databases.
        self.migrations = migration_service_pb2_grpc.MigrationServiceStub(channel)
        #: Backs up and restores.
        self.backups = backup_service_pb2_grpc.BackupServiceStub(channel)
        #: Watches databases.
        self.monitor = monitor_service_pb2_grpc.MonitorServiceStub(channel)
        #: Follows and cancels long-running work.
        self.operations = operation_service_pb2_grpc.OperationServiceStub(channel)

    def close(self) -> None:
        """Closes the channel; calls that are under way end as CANCELLED."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def pages(self, method: Callable[[Any], Any], request: Any) -> Iterator[Any]:
        """Every item that a List method has for a request, page after page.

        >>> for table in client.pages(client.schema.ListTables, ListTablesRequest(connection="connections/shop")):
        ...     print(table.name)
        """
        request = type(request).FromString(request.SerializeToString())
        while True:
            response = method(request)
            yield from getattr(response, _items_field(response))
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    def wait(
        self,
        operation: Union[operation_pb2.Operation, str],
        *,
        on_progress: Optional[Callable[[operation_pb2.Progress], None]] = None,
        on_log: Optional[Callable[[str], None]] = None,
        timeout: Optional[float] = None,
    ) -> operation_pb2.Operation:
        """Follows an operation to its end and returns it; raises `OperationFailed` unless it succeeded.

        A server that goes away is dialled again, and the watch goes on after the last event seen. After `timeout`
        seconds the wait ends with DEADLINE_EXCEEDED; the operation itself goes on.
        """
        name = operation if isinstance(operation, str) else operation.name
        deadline = None if timeout is None else time.monotonic() + timeout
        sequence, failures = 0, 0
        while True:
            remaining = None if deadline is None else max(deadline - time.monotonic(), 0.001)
            request = operation_service_pb2.WatchOperationRequest(name=name, after_sequence=sequence)
            try:
                for event in self.operations.WatchOperation(request, timeout=remaining):
                    sequence, failures = max(sequence, event.sequence), 0
                    kind = event.WhichOneof("event")
                    if kind == "progress" and on_progress is not None:
                        on_progress(event.progress)
                    elif kind == "log" and on_log is not None:
                        on_log(event.log.text)
                    elif kind == "operation" and event.operation.state not in _RUNNING:
                        return _succeeded(event.operation)
                current = self.operations.GetOperation(operation_service_pb2.GetOperationRequest(name=name))
                if current.state not in _RUNNING:
                    return _succeeded(current)
            except DbkeeperError as error:
                if isinstance(error, OperationFailed) or error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
            failures += 1
            pause = random.uniform(0.5, 1.0) * min(0.2 * 2**failures, MAX_PAUSE)
            time.sleep(pause if remaining is None else min(pause, remaining))

    def stream_metrics(
        self,
        connection: str,
        *,
        interval: float = 5.0,
        name_prefixes: Sequence[str] = (),
        on_gap: Optional[Callable[[common_pb2.Gap], None]] = None,
        on_failure: Optional[Callable[[monitor_service_pb2.SampleFailure], None]] = None,
    ) -> Iterator[monitor_service_pb2.MetricSample]:
        """Samples of a database as they are taken. Ending the loop ends the call.

        `on_gap` is told of samples that this subscriber was too slow for, `on_failure` of a database that could not be
        sampled; the stream goes on after either.
        """
        period = duration_pb2.Duration()
        period.FromNanoseconds(int(interval * 1e9))
        request = monitor_service_pb2.StreamMetricsRequest(
            connection=connection, name_prefixes=name_prefixes, interval=period
        )
        call: Any = self.monitor.StreamMetrics(request)
        try:
            for message in call:
                kind = message.WhichOneof("event")
                if kind == "sample":
                    yield message.sample
                elif kind == "gap" and on_gap is not None:
                    on_gap(message.gap)
                elif kind == "failure" and on_failure is not None:
                    on_failure(message.failure)
        finally:
            call.cancel()


def _items_field(response: Any) -> str:
    """The name of the repeated field that holds the items of a page: the first one."""
    for field in response.DESCRIPTOR.fields:
        if isinstance(getattr(response, field.name), MutableSequence):
            return str(field.name)
    raise TypeError(f"{response.DESCRIPTOR.full_name} holds no list")


def _succeeded(operation: operation_pb2.Operation) -> operation_pb2.Operation:
    if operation.state != operation_pb2.OPERATION_STATE_SUCCEEDED:
        raise OperationFailed(operation)
    return operation
