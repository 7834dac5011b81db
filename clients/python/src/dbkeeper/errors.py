"""What a failed call or operation raises."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional

import grpc
from google.rpc import error_details_pb2, status_pb2

from dbkeeper.v1 import common_pb2, operation_pb2

DOMAIN = "dbkeeper"
_DETAILS_KEY = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class FieldViolation(NamedTuple):
    """A field of the request that is at fault."""

    field: str
    description: str


class DbkeeperError(grpc.RpcError):
    """A call that failed, with the facts that the server gave for programs."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        metadata: Optional[Dict[str, str]] = None,
        statement: Optional[common_pb2.StatementFailure] = None,
        field_violations: Optional[List[FieldViolation]] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        self._code = code
        #: What went wrong and what to do.
        self.message = message
        #: Why, in UPPER_SNAKE; docs/errors.md lists them all. Empty where the server was not reached.
        self.reason = reason
        #: Further facts by name.
        self.metadata = metadata or {}
        #: The statement that failed on the database, where one did.
        self.statement = statement
        #: The fields of the request that are at fault.
        self.field_violations = field_violations or []
        #: Seconds after which a repeat makes sense, where the server said so.
        self.retry_after = retry_after

    def code(self) -> grpc.StatusCode:
        """The gRPC code."""
        return self._code

    def details(self) -> str:
        """The message, under the name that grpc uses."""
        return self.message

    def __str__(self) -> str:
        return f"{self._code.name}: {self.reason}: {self.message}" if self.reason else f"{self._code.name}: {self.message}"

    @classmethod
    def from_call(cls, error: grpc.RpcError) -> DbkeeperError:
        """Reads the status and its details from the error of a call."""
        result = cls(error.code(), error.details() or "")
        for item in error.trailing_metadata() or ():
            if item.key == _DETAILS_KEY and isinstance(item.value, bytes):
                result._read_details(item.value)
        return result

    def _read_details(self, encoded: bytes) -> None:
        for detail in status_pb2.Status.FromString(encoded).details:
            info = error_details_pb2.ErrorInfo()
            request = error_details_pb2.BadRequest()
            retry = error_details_pb2.RetryInfo()
            statement = common_pb2.StatementFailure()
            if detail.Unpack(info) and info.domain == DOMAIN:
                self.reason = info.reason
                self.metadata = dict(info.metadata)
            elif detail.Unpack(request):
                self.field_violations = [
                    FieldViolation(violation.field, violation.description) for violation in request.field_violations
                ]
            elif detail.Unpack(retry):
                self.retry_after = retry.retry_delay.ToTimedelta().total_seconds()
            elif detail.Unpack(statement):
                self.statement = statement


class OperationFailed(DbkeeperError):
    """An operation that ended in another state than SUCCEEDED."""

    def __init__(self, operation: operation_pb2.Operation) -> None:
        error = operation.error
        state = operation_pb2.OperationState.Name(operation.state)
        super().__init__(
            _CODES.get(error.code, grpc.StatusCode.UNKNOWN),
            error.message or f"{operation.name} ended as {state}",
            error.reason,
            dict(error.metadata),
            error.statement if error.HasField("statement") else None,
        )
        #: The operation as it ended.
        self.operation = operation
