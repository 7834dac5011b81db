"""Client of dbkeeper.

`Client` holds one channel and a typed stub for each service; `DbkeeperError` is what a failed call raises.
The messages are in `dbkeeper.v1`.
"""

from .client import Client
from .errors import DbkeeperError, FieldViolation, OperationFailed

__all__ = ["Client", "DbkeeperError", "FieldViolation", "OperationFailed"]
