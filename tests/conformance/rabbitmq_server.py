"""A real RabbitMQ node for the tests: on free loopback ports, in a folder of its own, gone at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path

from tests.ports import free_ports

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in /usr/sbin changes the user
READY = "Starting broker... completed"

# Asks to be ended with whoever started it, and turns into the program.
LAUNCH = """
import ctypes, os, signal, sys

ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
os.execv(sys.argv[1], sys.argv[1:])
"""


class NoBrokerError(Exception):
    """No RabbitMQ can be started here; the message says why."""


class RabbitServer:
    """One running node. ``url`` is its only user's."""

    def __init__(self) -> None:
        if not PROGRAM.exists():
            raise NoBrokerError("RabbitMQ is not installed (apt-get install rabbitmq-server)")
        self.folder = Path(tempfile.mkdtemp(prefix="syncline-mq-"))
        self.port, self._distribution, self._names = free_ports(3)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.said: deque[str] = deque(maxlen=200)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console = true\nlog.console.level = info\n"
        )
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def _environment(self) -> dict[str, str]:
        at = str(self.folder)
        return {
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            "HOME": at,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names),  # its own, so that nobody else's is ended with it
            "RABBITMQ_NODENAME": f"t{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": f"{at}/data",
            "RABBITMQ_LOG_BASE": f"{at}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{at}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": f"{at}/rabbitmq",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def start(self) -> None:
        """Start the node and wait until it says that it is ready."""
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", LAUNCH, str(PROGRAM)],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process, ready), daemon=True)
        self._reader.start()
        if not ready.wait(90) or self._process.poll() is not None:
            raise NoBrokerError("the node did not start: " + " | ".join(list(self.said)[-5:]))

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line.rstrip())
            if READY in line or "startup complete" in line:
                ready.set()
        ready.set()

    def stop(self) -> None:
        """End the node as a crash would. Its data stays."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in self._own():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait()
        if self._reader is not None:
            self._reader.join(5)
        if process.stdout is not None:
            process.stdout.close()

    def _own(self) -> list[int]:
        """The node's processes, also the helper that it leaves behind: nobody else's home is this folder."""
        home = f"HOME={self.folder}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if home in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return found

    def close(self) -> None:
        """End the node and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
