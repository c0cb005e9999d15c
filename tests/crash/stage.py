"""Real processes, sockets and files: a Syncline that can be killed, between simulators that live on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import re
import secrets
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import apsw
from tests.ports import free_ports

from syncline.connectors.shopify.simulator.app import HttpApp
from syncline.engine.leases import TTL_MS
from syncline.engine.reconcile.differences import Settings
from syncline.freshness.risk import EPSILON
from syncline.freshness.velocity import Thresholds
from syncline.model.copying import replace
from syncline.ports import Request, Response, Transport
from syncline.runtime.clock import SystemClock
from syncline.runtime.config import Config, ServerConfig, StoreConfig, SystemConfig
from syncline.runtime.transport import AiohttpTransport
from syncline.simulate.history import generate_history, stock_case
from syncline.simulate.simulation import EVENT_IDS
from syncline.simulate.world import ERP, PUSH_SECRET, SHOP, Pace, World
from syncline.web.access import Access
from syncline.web.serve import Listener

ROOT = Path(__file__).parents[2]
ANSWER_MS = (10.0, 60.0)
WRITES = re.compile(rb"\bmutation\b")
STARTED_S_MAX = 5.0
IMPORTED_S_MAX = 60.0
INTRODUCED_S_MAX = 30.0


def failpoints() -> list[str]:
    """Every failpoint of the service, read from its source; an adoption dies in tests of its own."""
    found: dict[str, None] = {}
    for path in sorted((ROOT / "src" / "syncline").rglob("*.py")):
        if path.parent.name == "adopt":
            continue
        for name in re.findall(r'^\s+failpoint\("([^"]+)"\)', path.read_text(encoding="utf-8"), re.MULTILINE):
            found[name] = None
    return list(found)


class Watched:
    """A simulator that can pull the trigger while it answers a call with an effect."""

    def __init__(self, app: Any, writes: Callable[[str, str, bytes], bool]) -> None:
        self._app = app
        self._writes = writes
        self.in_flight = 0
        self.calls = 0
        self.trigger: Callable[[str], None] = lambda moment: None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        pending = [{"type": "http.request", "body": body, "more_body": False}]
        writes = self._writes(scope["method"], scope["path"], body)
        answer: list[Any] = []

        async def take() -> Any:
            return pending.pop() if pending else {"type": "http.disconnect"}

        async def keep(message: Any) -> None:
            answer.append(message)

        self.calls += 1
        self.in_flight += 1
        try:
            if writes:
                self.trigger("before the effect")
            await self._app(scope, take, keep)
            if writes:
                self.trigger("after the effect")
        finally:
            self.in_flight -= 1
        for message in answer:
            await send(message)


class Acknowledged(Transport):
    """The vendors' way to us; remembers every event that was answered with 2xx."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.events: set[tuple[str, str]] = set()
        self.statuses: Counter[int] = Counter()

    async def send(self, request: Request) -> Response:
        answer = await self._inner.send(request)
        self.statuses[answer.status] += 1
        if 200 <= answer.status < 300:
            system = urlsplit(request.url).path.split("/")[2]
            self.events.add((system, next(request.headers[n] for n in EVENT_IDS if n in request.headers)))
        return answer


class Remains:
    """What a dead process left on disk."""

    def __init__(self, unfinished: int, fresh: int, waiting: int, unapplied: int, held: int) -> None:
        self.unfinished = unfinished  # intents without a result
        self.fresh = fresh  # of these, begun since the last look: not left by an earlier death
        self.waiting = waiting
        self.unapplied = unapplied
        self.held = held  # numbers that the channel is known to show

    @property
    def busy(self) -> bool:
        return bool(self.unfinished or self.waiting or self.unapplied)


class Stage:
    """The world, the zygote, and the life that it gives."""

    store = StoreConfig("syncline.sqlite")
    tables = "SELECT name FROM sqlite_schema"
    lease_ttl_ms = TTL_MS

    def __init__(self, folder: Path, seed: int, transport: Transport) -> None:
        self.folder = folder
        self.rng = Random(seed)
        self.clock = SystemClock()
        # Orders older than the first read are nobody's business unless asked for; here they all count.
        self.since = datetime.fromtimestamp(self.clock.now_ms() // 1000 - 1, UTC).isoformat()
        self.acknowledged = Acknowledged(transport)
        pace = Pace(inventory_ms=2_000, orders_ms=2_000, order_status_ms=2_000, poll_ms=2_000)
        self.world = World(
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            transport=self.acknowledged,
            pace=pace,
            sockets=True,
        )
        self.world.shop.app = HttpApp(self.world.shop, ANSWER_MS)
        self.world.erp.record_ms = self.world.erp.suiteql_ms = ANSWER_MS
        history = generate_history(self.rng.getrandbits(32), orders=3_000, skus=40)
        case = stock_case(history.orders)
        self.world.trade.stock(case, sorted(case.target))
        self.orders = iter(history.orders)
        self.shop = Watched(self.world.shop, lambda method, path, body: bool(WRITES.search(body)))
        self.erp = Watched(self.world.erp, lambda method, path, body: method != "GET" and "/record/" in path)
        self.deaths: Counter[str] = Counter()
        self.pid = 0
        self._logged: set[tuple[str, str]] = set()
        self._read_to = 0
        self._unfinished: set[str] = set()
        self._zygote: asyncio.subprocess.Process | None = None
        self._secret = ""

    # --- opening and closing ----------------------------------------------------------------------

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, seed: int) -> AsyncIterator[Stage]:
        async with AiohttpTransport() as transport:
            stage = cls(folder, seed, transport)
            listeners = [Listener(app, "127.0.0.1", 0) for app in (stage.shop, stage.erp)]
            for listener in listeners:
                listener.start()
            tasks = stage.world.run_people()
            try:
                await stage._open(listeners[0].url, listeners[1].url)
                yield stage
            finally:
                await stage._close()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for listener in listeners:
                    await listener.stop()

    async def _open(self, shop_url: str, erp_url: str) -> None:
        shop, erp = self.world.settings(shop_url=shop_url, erp_url=erp_url)
        values = {name: getattr(shop, name) for name in shop.__struct_fields__}
        shop = type(shop)(**{**values, "order_overlap_s": 5, "orders_since": self.since})
        erp = replace(erp, poll_overlap_s=20)
        self._secret = secrets.token_urlsafe(32)
        self.config = Config(
            self.store,
            ServerConfig(secret=self._secret),
            (SystemConfig(SHOP, "shopify", shop), SystemConfig(ERP, "netsuite", erp)),
            self.world.routes(),
            self.folder,
            EPSILON,
            {},
            Thresholds(),
            reconcile=Settings(every_ms=0),  # a proof would mend what a crash had lost, and hide it
        )
        self.settle()
        self._zygote = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("zygote.py")),
            str(self._pickled),
            str(self.log_path),
            str(self.lease_ttl_ms),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        # Importing is no part of a start, and takes as long as the machine is busy.
        assert await asyncio.wait_for(self._zygote.stdout.readline(), IMPORTED_S_MAX) == b"0\n"

    def settle(self) -> None:
        """Have what is started next listen on a port that was free, as on a machine of its own."""
        (port,) = free_ports()
        self.url = f"http://127.0.0.1:{port}"
        server = ServerConfig(port=port, public_url=self.url, secret=self._secret)
        self._pickled.write_bytes(pickle.dumps(replace(self.config, server=server)))
        access = Access(None, self.clock, None, secret=self._secret.encode(), token_bytes=secrets.token_bytes)
        self.world.erp.configure_push(access.hook_url(self.url, ERP), [PUSH_SECRET])

    @property
    def _pickled(self) -> Path:
        return self.folder / "config.pickle"

    @property
    def log_path(self) -> Path:
        return self.folder / "syncline.log"

    async def _close(self) -> None:
        assert self._zygote is not None
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._zygote.stdin.close()
        await asyncio.wait_for(self._zygote.wait(), 10)

    # --- life and death ---------------------------------------------------------------------------

    async def _tell(self, command: str, limit_s: float) -> int:
        self._zygote.stdin.write(f"{command}\n".encode())
        line = await asyncio.wait_for(self._zygote.stdout.readline(), limit_s)
        return int(line)

    async def start(self, failpoint: str = "-") -> int:
        self.pid = await self._tell(f"start {failpoint}", 10)
        return self.pid

    def strike(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    async def ended(self, limit_s: float) -> int:
        """How the process ended: 0 or an exit status, -9 for a kill."""
        status = await self._tell(f"wait {self.pid}", limit_s)
        self.pid = 0
        return status

    async def gone(self) -> bool:
        """Whether the process has ended by itself."""
        return await self._tell(f"look {self.pid}", 10) == 1

    async def answers(self) -> float:
        """Seconds until the process accepts connections."""
        began = self.clock.monotonic()
        port = urlsplit(self.url).port
        while self.clock.monotonic() - began < STARTED_S_MAX:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            writer.close()
            return self.clock.monotonic() - began
        raise AssertionError(f"not up after {STARTED_S_MAX} s:\n{self.tail()}")

    async def introduce(self) -> None:
        """Let Syncline read both systems for the first time, before anybody trades."""
        await self.start()
        await self.answers()
        began = self.clock.monotonic()
        while self.clock.monotonic() - began < INTRODUCED_S_MAX:
            remains = self.remains()
            if remains.held >= len(self.world.trade.skus) and not remains.busy:
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"first reads took over {INTRODUCED_S_MAX} s:\n{self.tail()}")

    async def rest(self, limit_s: float) -> None:
        """Wait until no call is without its result: every unknown outcome was found out."""
        began = self.clock.monotonic()
        while self.clock.monotonic() - began < limit_s:
            if not self.remains().unfinished:
                return
            await asyncio.sleep(0.5)
        raise AssertionError(f"calls whose outcome is unknown after {limit_s} s of calm:\n{self.tail()}")

    def tail(self) -> str:
        return self.log_path.read_text(errors="replace")[-4_000:] if self.log_path.exists() else ""

    def remains(self) -> Remains:
        """Look at what is stored.

        Raises:
            AssertionError: something that was acknowledged is not in the log.
        """
        with self.looking() as ask:
            if ("intent",) not in ask(self.tables):
                assert not self.acknowledged.events
                return Remains(0, 0, 0, 0, 0)
            logged = ask(
                f'SELECT "offset", system, event_id FROM event WHERE "offset" > {self._read_to} ORDER BY "offset"'
            )
            for offset, system, event_id in logged:
                self._read_to = int(offset)
                self._logged.add((system, event_id))
            forgotten = self.acknowledged.events - self._logged
            assert not forgotten, f"acknowledged and forgotten: {sorted(forgotten)[:5]}"
            unfinished = {key for (key,) in ask("SELECT id FROM intent WHERE finished_at_ms IS NULL")}
            ((waiting,),) = ask(
                "SELECT count(*) FROM delivery WHERE state IN ('available', 'scheduled', 'retryable', 'running')"
            )
            ((applied,),) = ask('SELECT coalesce(max("offset"), 0) FROM progress')
            ((held,),) = ask("SELECT count(*) FROM binding WHERE held IS NOT NULL")
        fresh = unfinished - self._unfinished
        self._unfinished = unfinished
        return Remains(len(unfinished), len(fresh), int(waiting), self._read_to - int(applied), int(held))

    @contextlib.contextmanager
    def looking(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """Asks a copy of the files, so that the next process has to recover by itself."""
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("syncline.sqlite", "syncline.sqlite-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(self.folder / name, copy / name)
        with contextlib.closing(apsw.Connection(str(copy / "syncline.sqlite"))) as database:
            yield lambda question: list(database.execute(question))

    @contextlib.contextmanager
    def aiming(self, trigger: Callable[[str], None]) -> Iterator[None]:
        """Call ``trigger`` at every call with an effect, before and after it."""
        self.shop.trigger = self.erp.trigger = trigger
        try:
            yield
        finally:
            self.shop.trigger = self.erp.trigger = lambda moment: None

    # --- trade ------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def trading(self, gap_s: float) -> AsyncIterator[None]:
        """Buyers, sales representatives and the warehouse at work."""
        task = asyncio.get_running_loop().create_task(self._trade(gap_s))
        try:
            yield
        finally:
            task.cancel()
            result = (await asyncio.gather(task, return_exceptions=True))[0]
            if isinstance(result, Exception):
                raise result

    async def _trade(self, gap_s: float) -> None:
        trade, rng = self.world.trade, self.rng
        for order in self.orders:
            trade.place(order)
            if rng.random() < 0.5:
                trade.withdraw()
            if rng.random() < 0.05:
                trade.receive(3)
            trade.ship(1)
            await asyncio.sleep(rng.uniform(0.5, 1.5) * gap_s)

    def problems(self) -> list[str]:
        """What does not agree yet, by the simulators' ledgers."""
        trade = self.world.trade
        truth = trade.truth()
        return [
            f"{count} {what}"
            for count, what in (
                (truth.orders_lost, "orders not in the ERP"),
                (truth.order_lines_wrong, "orders with wrong lines"),
                (truth.order_totals_wrong, "orders with wrong totals"),
                (truth.fulfilments_shipped - truth.fulfilments_at_shop, "shipments not at the shop"),
                (truth.payments_taken - truth.payments_in_erp, "payments not in the ERP"),
                (truth.stock_mismatches, f"numbers that differ, such as {trade.mismatches()[:3]}"),
            )
            if count
        ]

    async def agree(self, limit_s: float) -> float:
        """Wait until both ledgers say the same; return how long it took.

        Raises:
            AssertionError: they do not after ``limit_s``, or something happened that never may.
        """
        began = self.clock.monotonic()
        problems = self.problems()
        while problems and self.clock.monotonic() - began < limit_s:
            await asyncio.sleep(0.5)
            problems = self.problems()
        assert not problems, f"{problems}\n{self.tail()}"
        truth = self.world.trade.truth()
        assert truth.orders_placed > 0
        assert truth.orders_duplicated == 0
        assert truth.fulfilments_doubled == 0
        deposits = Counter(deposit.external_id for deposit in self.world.erp.deposits())
        assert max(deposits.values()) == 1
        breaches = self.world.shop.ledger.breaches + self.world.erp.ledger.breaches
        assert not breaches, dict(breaches)
        return self.clock.monotonic() - began
