"""A process that has imported everything and forks a Syncline whenever it is told to.

Started as ``python zygote.py CONFIG.pickle LOG TTL``, the last being the milliseconds of a lease; the configuration is read at each
start. Reads ``start SETTING`` (of ``SYNCLINE_FAILPOINT``;
``-`` for none) and answers with the process id; says ``0`` once it has imported everything; reads ``wait PID`` and answers with the exit status,
negative for a signal, or ``look PID``: 1 if it has ended, else 0. When its input ends, it kills the children that are left and ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
from pathlib import Path

import uvloop

from syncline.connectors.netsuite import manifest as netsuite
from syncline.connectors.shopify import manifest as shopify
from syncline.engine.delivery import lane
from syncline.engine.engine import Engine
from syncline.model.copying import replace
from syncline.model.errors import SynclineError
from syncline.runtime.config import Config
from syncline.runtime.logs import configure
from syncline.runtime.registry import connectors
from syncline.stores.postgres import server
from syncline.web.serve import serve

LOOK_UP_WINDOW_MS = 1_000  # these simulators' searches do not lag, and a test has no minute to wait
BACKOFF_MAX_S = 2.0


def hurry(*, lease_ttl_ms: int) -> None:
    """Shorten what waits for a vendor's consistency or for better times; change nothing else."""
    Engine.__init__.__kwdefaults__["lease_ttl_ms"] = lease_ttl_ms
    server.IDLE_IN_TRANSACTION_MS = min(server.IDLE_IN_TRANSACTION_MS, lease_ttl_ms // 3)
    lane.BACKOFF_MAX_S = BACKOFF_MAX_S
    for operations in (netsuite.OPERATIONS, shopify.OPERATIONS):
        for name, operation in operations.items():
            if operation.look_up:
                operations[name] = replace(operation, look_up_window_ms=LOOK_UP_WINDOW_MS)


def live(config: Config, setting: str, log: Path) -> None:
    """Be one Syncline, in a forked process; never returns."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ["SYNCLINE_FAILPOINT"] = setting
    configure()
    status = 70
    try:
        uvloop.run(serve(config, say=lambda text: None))
        status = 0
    except SynclineError as error:
        os.write(2, f"{error}\n".encode())
        status = 2
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    log = Path(sys.argv[2])
    hurry(lease_ttl_ms=int(sys.argv[3]))
    connectors()
    alive: set[int] = set()
    answers = os.fdopen(os.dup(1), "w")
    answers.write("0\n")
    answers.flush()
    for line in sys.stdin:
        command, argument = line.split()
        if command == "start":
            config: Config = pickle.loads(Path(sys.argv[1]).read_bytes())
            pid = os.fork()
            if not pid:
                live(config, "" if argument == "-" else argument, log)
            alive.add(pid)
            answer = pid
        elif command == "look":
            ended, _ = os.waitpid(int(argument), os.WNOHANG)
            if ended:
                alive.discard(ended)
            answer = int(bool(ended))
        else:
            _, status = os.waitpid(int(argument), 0)
            alive.discard(int(argument))
            answer = os.waitstatus_to_exitcode(status)
        answers.write(f"{answer}\n")
        answers.flush()
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
