"""What every call has in common: the credentials, a deadline, and typed errors."""

from __future__ import annotations

from typing import Any, Callable, Iterator, NamedTuple, Optional, Sequence, Tuple, Union

import grpc

from .errors import DbkeeperError


#: An API key or a token, or what gives one for each call, such as a token that is renewed. None: a client certificate
#: says who calls.
Bearer = Union[str, Callable[[], str], None]


class CallDetails(NamedTuple):
    """The attributes of a call that grpc looks at."""

    method: str
    timeout: Optional[float]
    metadata: Sequence[Tuple[str, str]]
    credentials: Optional[grpc.CallCredentials]
    wait_for_ready: Optional[bool]
    compression: Optional[grpc.Compression]


class Stream:
    """The answers of a streaming call; raises `DbkeeperError` where grpc would raise its own error."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise DbkeeperError.from_call(error) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class Interceptor(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the credentials to every call and the default deadline to those that are no streams."""

    def __init__(self, bearer: Bearer, timeout: float) -> None:
        self._bearer = bearer
        self._timeout = timeout

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        timeout = self._timeout if details.timeout is None else details.timeout
        call = continuation(self._completed(details, timeout), request)
        error = call.exception()
        if isinstance(error, grpc.RpcError):
            raise DbkeeperError.from_call(error) from None
        return call

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        return Stream(continuation(self._completed(details, details.timeout), request))

    def _authorization(self) -> Sequence[Tuple[str, str]]:
        bearer = self._bearer() if callable(self._bearer) else self._bearer
        return [] if bearer is None else [("authorization", f"Bearer {bearer.strip()}")]

    def _completed(self, details: Any, timeout: Optional[float]) -> CallDetails:
        return CallDetails(
            details.method,
            timeout,
            [*(details.metadata or ()), *self._authorization()],
            details.credentials,
            getattr(details, "wait_for_ready", None),
            getattr(details, "compression", None),
        )
