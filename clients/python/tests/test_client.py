"""The wrapper against a small server in this process."""

from __future__ import annotations

import time
from concurrent import futures
from typing import Any, Callable, Iterator, List

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

import dbkeeper
from dbkeeper.v1 import (
    common_pb2,
    connection_service_pb2,
    connection_service_pb2_grpc,
    monitor_service_pb2,
    monitor_service_pb2_grpc,
    operation_pb2,
    operation_service_pb2,
    operation_service_pb2_grpc,
)


def status(code: int, reason: str, message: str, *details: Any) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason=reason, domain="dbkeeper", metadata={"connection": "connections/x"})
    packed = []
    for detail in (info, *details):
        item = any_pb2.Any()
        item.Pack(detail)
        packed.append(item)
    return status_pb2.Status(code=code, message=message, details=packed)


def abort(context: grpc.ServicerContext, answer: status_pb2.Status) -> Any:
    context.set_trailing_metadata((("grpc-status-details-bin", answer.SerializeToString()),))
    codes = {code.value[0]: code for code in grpc.StatusCode}
    context.abort(codes[answer.code], answer.message)


class Fake(
    connection_service_pb2_grpc.ConnectionServiceServicer,
    operation_service_pb2_grpc.OperationServiceServicer,
    monitor_service_pb2_grpc.MonitorServiceServicer,
):
    """Answers as each test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: List[Any] = []
        self.authorizations: List[Any] = []
        self.deadlines: List[Any] = []
        self.answer: Callable[[Any, grpc.ServicerContext], Any] = lambda request, context: None

    def _answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        self.authorizations.append(dict(context.invocation_metadata()).get("authorization"))
        self.deadlines.append(context.time_remaining())
        return self.answer(request, context)

    GetConnection = ListConnections = GetOperation = _answer

    def WatchOperation(self, request: Any, context: Any) -> Iterator[Any]:
        yield from self._answer(request, context)

    def StreamMetrics(self, request: Any, context: Any) -> Iterator[Any]:
        yield from self._answer(request, context)


@pytest.fixture
def fake() -> Iterator[Fake]:
    yield Fake()  # type: ignore[abstract]


@pytest.fixture
def address(fake: Fake) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    connection_service_pb2_grpc.add_ConnectionServiceServicer_to_server(fake, server)
    operation_service_pb2_grpc.add_OperationServiceServicer_to_server(fake, server)
    monitor_service_pb2_grpc.add_MonitorServiceServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def client(address: str) -> Iterator[dbkeeper.Client]:
    with dbkeeper.Client(address, "dbk_key\n", timeout=20) as client:
        yield client


def get(client: dbkeeper.Client) -> connection_service_pb2.Connection:
    return client.connections.GetConnection(connection_service_pb2.GetConnectionRequest(name="connections/x"))


def event(sequence: int, **fields: Any) -> operation_service_pb2.WatchOperationResponse:
    return operation_service_pb2.WatchOperationResponse(sequence=sequence, **fields)


def operation(state: Any, **fields: Any) -> operation_pb2.Operation:
    return operation_pb2.Operation(name="operations/o", state=state, **fields)


def test_each_call_carries_the_key_and_a_deadline(client: dbkeeper.Client, fake: Fake) -> None:
    fake.answer = lambda request, context: connection_service_pb2.Connection(name=request.name)
    assert get(client).name == "connections/x"
    assert fake.authorizations == ["Bearer dbk_key"]
    assert 10 < fake.deadlines[0] <= 20


def test_a_token_is_asked_for_at_each_call(address: str, fake: Fake) -> None:
    fake.answer = lambda request, context: connection_service_pb2.Connection(name=request.name)
    tokens = iter(["first", "second"])
    with dbkeeper.Client(address, lambda: next(tokens)) as client:
        get(client)
        get(client)
    with dbkeeper.Client(address, None) as client:
        get(client)
    assert fake.authorizations == ["Bearer first", "Bearer second", None]


def test_an_error_has_the_facts_of_the_server(client: dbkeeper.Client, fake: Fake) -> None:
    failure = common_pb2.StatementFailure(file="3_c.up.sql", statement_index=3, sql_state="42601")
    violation = error_details_pb2.BadRequest(
        field_violations=[error_details_pb2.BadRequest.FieldViolation(field="name", description="too long")]
    )
    fake.answer = lambda request, context: abort(
        context, status(code_pb2.FAILED_PRECONDITION, "STATEMENT_FAILED", "it failed", failure, violation)
    )
    with pytest.raises(dbkeeper.DbkeeperError) as caught:
        get(client)
    error = caught.value
    assert isinstance(error, grpc.RpcError)
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert (error.reason, error.message) == ("STATEMENT_FAILED", "it failed")
    assert error.metadata == {"connection": "connections/x"}
    assert error.statement is not None and error.statement.statement_index == 3
    assert error.field_violations == [dbkeeper.FieldViolation("name", "too long")]
    assert len(fake.requests) == 1, "only UNAVAILABLE is repeated"


def test_unavailable_is_repeated(client: dbkeeper.Client, fake: Fake) -> None:
    def answer(request: Any, context: Any) -> Any:
        if len(fake.requests) < 3:
            abort(context, status(code_pb2.UNAVAILABLE, "SHUTTING_DOWN", "the server stops"))
        return connection_service_pb2.Connection(name=request.name)

    fake.answer = answer
    assert get(client).name == "connections/x"
    assert len(fake.requests) == 3


def test_pages_are_followed_and_the_request_is_left_alone(client: dbkeeper.Client, fake: Fake) -> None:
    def answer(request: Any, context: Any) -> Any:
        page = int(request.page_token or 0)
        names = [connection_service_pb2.Connection(name=f"connections/{page}{i}") for i in "ab"]
        token = "" if page == 2 else str(page + 1)
        return connection_service_pb2.ListConnectionsResponse(connections=names, next_page_token=token)

    fake.answer = answer
    request = connection_service_pb2.ListConnectionsRequest(page_size=2)
    names = [item.name[-2:] for item in client.pages(client.connections.ListConnections, request)]
    assert names == ["0a", "0b", "1a", "1b", "2a", "2b"]
    assert request.page_token == ""


def test_wait_reports_progress_and_goes_on_after_a_lost_stream(client: dbkeeper.Client, fake: Fake) -> None:
    running = operation(operation_pb2.OPERATION_STATE_RUNNING)

    def answer(request: Any, context: Any) -> Iterator[Any]:
        if request.after_sequence == 0:
            yield event(1, operation=running)
            yield event(2, progress=operation_pb2.Progress(done=1, total=3))
            abort(context, status(code_pb2.UNAVAILABLE, "SHUTTING_DOWN", "the server stops"))
        yield event(3, log=operation_service_pb2.OperationLog(text="half way"))
        yield event(4, progress=operation_pb2.Progress(done=3, total=3))
        yield event(5, operation=operation(operation_pb2.OPERATION_STATE_SUCCEEDED))

    fake.answer = answer
    seen: List[int] = []
    lines: List[str] = []
    ended = client.wait(running, on_progress=lambda progress: seen.append(progress.done), on_log=lines.append)
    assert ended.state == operation_pb2.OPERATION_STATE_SUCCEEDED
    assert seen == [1, 3] and lines == ["half way"]
    assert [request.after_sequence for request in fake.requests] == [0, 2]


def test_wait_raises_what_made_the_operation_fail(client: dbkeeper.Client, fake: Fake) -> None:
    error = operation_pb2.OperationError(code=15, reason="BACKUP_CORRUPT", message="chunk 7 is damaged")
    failed = operation(operation_pb2.OPERATION_STATE_FAILED, error=error)
    fake.answer = lambda request, context: iter([event(1, operation=failed)])
    with pytest.raises(dbkeeper.OperationFailed) as caught:
        client.wait("operations/o")
    assert caught.value.code() == grpc.StatusCode.DATA_LOSS
    assert caught.value.reason == "BACKUP_CORRUPT"
    assert caught.value.operation.name == "operations/o"


def test_wait_ends_at_its_timeout(client: dbkeeper.Client, fake: Fake) -> None:
    def answer(request: Any, context: Any) -> Iterator[Any]:
        yield event(1, operation=operation(operation_pb2.OPERATION_STATE_RUNNING))
        # Ends by itself in the end, so that a client without a limit fails this test and does not hang it.
        limit = time.monotonic() + 10
        while context.is_active() and time.monotonic() < limit:
            time.sleep(0.01)
        yield event(2, operation=operation(operation_pb2.OPERATION_STATE_SUCCEEDED))

    fake.answer = answer
    with pytest.raises(dbkeeper.DbkeeperError) as caught:
        client.wait("operations/o", timeout=0.5)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_metrics_are_samples_and_the_rest_goes_to_the_callbacks(client: dbkeeper.Client, fake: Fake) -> None:
    sample = monitor_service_pb2.MetricSample(connection="connections/x")
    message = monitor_service_pb2.StreamMetricsResponse
    fake.answer = lambda request, context: iter(
        [
            message(sequence=1, sample=sample),
            message(sequence=5, gap=common_pb2.Gap(missed=3)),
            message(sequence=6, failure=monitor_service_pb2.SampleFailure()),
            message(sequence=7, sample=sample),
        ]
    )
    missed: List[int] = []
    failures: List[Any] = []
    samples = list(
        client.stream_metrics(
            "connections/x", interval=1.5, on_gap=lambda gap: missed.append(gap.missed), on_failure=failures.append
        )
    )
    assert len(samples) == 2 and missed == [3] and len(failures) == 1
    assert fake.requests[0].interval.ToMilliseconds() == 1500
