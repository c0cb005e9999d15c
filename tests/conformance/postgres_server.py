"""A real PostgreSQL server for the tests: on a free loopback port, in a folder of its own, gone at the end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path

from tests.ports import free_ports

READY = "database system is ready to accept connections"
ROLE = "syncline"  # what the tests connect as: nobody special

# Becomes the account's, asks to be ended with whoever started it, and turns into the program.
LAUNCH = """
import ctypes, os, signal, sys

user, group = map(int, sys.argv[1:3])
if user >= 0:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG
os.execv(sys.argv[3], sys.argv[3:])
"""


class NoServerError(Exception):
    """No PostgreSQL can be started here; the message says why."""


def find_programs() -> Path:
    """The folder with ``initdb`` and ``postgres``, the newest version there is."""
    candidates = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda p: float(p.parent.name or 0),
        reverse=True,
    )
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoServerError("PostgreSQL's server programs are not installed (apt-get install postgresql)")


def _account() -> tuple[int, int] | None:
    """Whom the server has to run as; PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise NoServerError("this runs as root, and there is no user postgres or nobody to run the server as")


class PostgresServer:
    """One running server. ``dsn`` names its database; use a schema for each test."""

    def __init__(self, inside: Path | None = None) -> None:
        """``inside``: a folder that everybody may enter, such as a file system of its own."""
        self._programs = find_programs()
        self._account = _account()
        # Not pytest's folder, which nobody but its owner may enter; and short, for the socket's sake.
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-pg-", dir=inside))
        self._data = self.folder / "data"
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self.said: deque[str] = deque(maxlen=200)
        self._reader: threading.Thread | None = None
        try:
            if self._account is not None:
                os.chown(self.folder, *self._account)
            self._run(
                "initdb",
                "-D",
                str(self._data),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale",
                "C.UTF-8",
                "--no-sync",
                "--no-instructions",
            )
            self.start()
            self.sql(f"CREATE ROLE {ROLE} LOGIN", f"CREATE DATABASE syncline OWNER {ROLE}")
        except BaseException:
            self.close()
            raise

    def _command(self, program: str, *arguments: str) -> list[str]:
        user, group = self._account or (-1, -1)
        return [
            sys.executable,
            "-S",
            "-c",
            LAUNCH,
            str(user),
            str(group),
            str(self._programs / program),
            *arguments,
        ]

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            self._command(program, *arguments),
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NoServerError(f"{program} failed: {done.stderr.strip()[-500:]}")
        return done.stdout

    def start(self) -> None:
        """Start the server and wait until it says that it is ready."""
        if not self.port:
            (self.port,) = free_ports()
        self._process = subprocess.Popen(
            self._command(
                "postgres",
                "-D",
                str(self._data),
                "-p",
                str(self.port),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                f"unix_socket_directories={self.folder}",
                "-c",
                "fsync=on",
                "-c",
                "full_page_writes=on",
                "-c",
                "max_connections=60",
                "-c",
                "shared_buffers=32MB",
                "-c",
                "logging_collector=off",
                "-c",
                "deadlock_timeout=50ms",
            ),
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process, ready), daemon=True)
        self._reader.start()
        if not ready.wait(60) or self._process.poll() is not None:
            raise NoServerError("the server did not start: " + " | ".join(list(self.said)[-5:]))

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line.rstrip())
            if READY in line:
                ready.set()
        ready.set()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT at once but properly, SIGQUIT as a crash would. Its data stays."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join(5)
        if process.stdout is not None:
            process.stdout.close()

    def close(self) -> None:
        """End the server, without a last checkpoint, and delete its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[str, ...]]:
        """Run statements as the superuser; the rows of all of them, as text."""
        said = ""
        for statement in statements:
            said += self._run(
                "psql",
                "-A",
                "-t",
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                str(self.folder),
                "-p",
                str(self.port),
                "-U",
                "postgres",
                "-d",
                database,
                "-c",
                statement,
            )
        return [tuple(row.split("|")) for row in said.splitlines()]

    @property
    def dsn(self) -> str:
        """Through the socket in the server's own folder."""
        return f"postgresql://{ROLE}@/syncline?host={self.folder}&port={self.port}"

    def dsn_over_tcp(self, port: int) -> str:
        """Through a loopback port: the server's own, or one that a test listens on."""
        return f"postgresql://{ROLE}@127.0.0.1:{port}/syncline?sslmode=disable"
