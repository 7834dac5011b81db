"""Real servers for the tests: PostgreSQL, MariaDB and dbkeeper itself, each in a temporary folder on a free port.

Works as root, then the databases run as the users that their Debian packages made, and as an ordinary user.
"""

from __future__ import annotations

import glob
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Callable, Dict, Optional, Sequence, Type

import grpc

import dbkeeper

ROOT = pathlib.Path(__file__).resolve().parents[3]
PASSWORD = "s3cret: 'quoted' \\ pässword"
START_TIMEOUT = 60.0


def free_port() -> int:
    """A port that nobody listens on, from below those that the system gives to whoever dials: else one who dials could
    have it before the server is there."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def program(name: str, package: str, *patterns: str) -> str:
    """The path of a program; the newest of those that match where there are several."""
    found = sorted(path for pattern in patterns for path in glob.glob(pattern))
    path = found[-1] if found else shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed; run scripts/setup.sh, or: apt-get install {package}")
    return path


class Process:
    """A process in a temporary folder of its own, ended and removed at the end of the block."""

    def __init__(self, name: str, user: Optional[str] = None) -> None:
        #: User to run as; only root can choose one.
        self.user = user if os.geteuid() == 0 else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"dbkeeper-{name}-"))
        self.port = free_port()
        self._name = name
        self._process: Optional[subprocess.Popen[bytes]] = None
        if self.user:
            shutil.chown(self.folder, self.user, self.user)

    def run(self, command: Sequence[str], **options: object) -> str:
        """Runs a command to its end as the user of the process, and returns what it printed."""
        done = subprocess.run(
            command, user=self.user, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}, **options,  # type: ignore[call-overload]
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr}")
        return str(done.stdout)

    def start(self, command: Sequence[str], ready: Callable[[], bool], env: Optional[Dict[str, str]] = None) -> None:
        """Starts the process and waits until `ready` holds."""
        log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(
            command, user=self.user, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, env=env
        )
        log.close()
        deadline = time.monotonic() + START_TIMEOUT
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._name} did not start:\n{self.log()}")
            time.sleep(0.1)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(40)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgreSql(Process):
    """A PostgreSQL server with a user `app` that logs in with `PASSWORD` and may make databases."""

    def __init__(self) -> None:
        super().__init__("postgres", "postgres")
        binaries = os.path.dirname(program("initdb", "postgresql", "/usr/lib/postgresql/*/bin/initdb"))
        data = str(self.folder / "data")
        self.run(
            [f"{binaries}/initdb", "-D", data, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256",
             "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        )
        self.start(
            [f"{binaries}/postgres", "-D", data, "-p", str(self.port), "-k", str(self.folder), "-h", "127.0.0.1",
             "-c", "fsync=off"],
            self._answers,
        )
        quoted = PASSWORD.replace("'", "''")
        self.query("postgres", f"SET standard_conforming_strings = on; CREATE ROLE app LOGIN CREATEDB PASSWORD '{quoted}'")

    def _answers(self) -> bool:
        try:
            self.query("postgres", "SELECT 1")
        except RuntimeError:
            return False
        return True

    def query(self, database: str, sql: str) -> str:
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port)]
        return self.run([*command, "-U", "postgres", "-d", database, "-c", sql])


class MariaDb(Process):
    """A MariaDB server with a user `app` that logs in with `PASSWORD` and may do everything."""

    def __init__(self) -> None:
        super().__init__("mariadb", "mysql")
        server = program("mariadbd", "mariadb-server", "/usr/sbin/mariadbd")
        data = str(self.folder / "data")
        self._socket = str(self.folder / "socket")
        as_user = [f"--user={self.user}"] if self.user else []
        self.run(
            [program("mariadb-install-db", "mariadb-server"), "--no-defaults", f"--datadir={data}",
             "--auth-root-authentication-method=normal", "--skip-test-db", *as_user]
        )
        self.start(
            [server, "--no-defaults", f"--datadir={data}", f"--socket={self._socket}", f"--port={self.port}",
             "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid", "--innodb-flush-log-at-trx-commit=0", *as_user],
            self._answers,
        )
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
        self.query("", f"CREATE USER app@'%' IDENTIFIED BY '{quoted}'; GRANT ALL ON *.* TO app@'%'")

    def _answers(self) -> bool:
        try:
            self.query("", "SELECT 1")
        except RuntimeError:
            return False
        return True

    def query(self, database: str, sql: str) -> str:
        command = ["mariadb", "--no-defaults", f"--socket={self._socket}", "--user=root", "--batch", "--skip-column-names",
                   "--default-character-set=utf8mb4", "--binary-as-hex"]
        return self.run([*command, *([database] if database else []), "--execute", sql])


class Dbkeeper(Process):
    """The real binary on an empty data directory."""

    def __init__(self) -> None:
        super().__init__("server")
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
        binary = ROOT / target / "debug" / "dbkeeper"
        if not binary.exists():
            raise RuntimeError(f"{binary} is not built; run: cargo build --bin dbkeeper")
        self.data_dir = self.folder / "data"
        self.address = f"127.0.0.1:{self.port}"
        env = {name: value for name, value in os.environ.items() if not name.startswith("DBKEEPER_")}
        self.start(
            [str(binary), "serve", "--data-dir", str(self.data_dir), "--listen", self.address], self._answers, env
        )

    def _answers(self) -> bool:
        if not (self.data_dir / "admin.key").exists():
            return False
        with grpc.insecure_channel(self.address) as channel:
            try:
                grpc.channel_ready_future(channel).result(1)
            except grpc.FutureTimeoutError:
                return False
        return True

    def client(self) -> dbkeeper.Client:
        return dbkeeper.Client(self.address, (self.data_dir / "admin.key").read_text())
