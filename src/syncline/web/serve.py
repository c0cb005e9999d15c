"""Serving: Syncline on a port, started and stopped cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from random import Random

import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline.engine.alerts.watch import Watch
from syncline.engine.capture.ingress import Answer
from syncline.engine.engine import Engine
from syncline.engine.failpoints import arm_from
from syncline.engine.operations import NotPossible, Operations
from syncline.engine.subscriptions import keep
from syncline.model.errors import Busy, Misconfigured, SynclineError
from syncline.ports import Clock, Store
from syncline.runtime.alerts import disk_of
from syncline.runtime.app import open_engine, open_store
from syncline.runtime.clock import SystemClock
from syncline.runtime.config import Config, environment
from syncline.runtime.memory import settle
from syncline.runtime.transport import AiohttpTransport
from syncline.web.access import Access, login_link, private_file
from syncline.web.app import WebApp, build_app
from syncline.web.connections import Connection
from syncline.web.hooks import messages_of

STOP_S = 9.0  # a clean stop takes less than ten seconds, calls in flight included
ANSWER_S = 2.5  # of it, for requests that are being answered
STOPPING = Answer(503, "stopping", retry_after_s=5)

log = structlog.get_logger(__name__)


def _heed(task: asyncio.Task[None]) -> asyncio.Task[None]:
    """Have the log say why a part of the service ended for which nobody waits: it goes on without it."""

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error(
                "a part of the service ended", action="part_ended", part=task.get_name(), exc_info=error
            )

    task.add_done_callback(ended)
    return task


class _Quiet(uvicorn.Server):
    """A uvicorn server that leaves signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Ending:
    """An app whose requests end when it is stopped. One that waited for the store is refused then: nothing was promised."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def told(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, told)
        except asyncio.CancelledError:
            if not self.stopping:
                raise
            for message in () if begun else messages_of(STOPPING):
                await send(message)


def open_port(host: str, port: int) -> socket.socket:
    """A socket that listens. Port 0 is any that is free: who has to name it before the app is built opens it first.

    Raises:
        Misconfigured: the port is taken, or is not ours to open.
    """
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        # Two that are started together may both bind, but only one may listen: then the other must know now.
        opened.listen()
    except OSError as error:
        opened.close()
        raise Misconfigured(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another port"
        ) from error
    return opened


class Listener:
    """An ASGI app on a port of this machine, inside the running loop."""

    def __init__(self, app: ASGIApp, host: str, port: int, opened: socket.socket | None = None) -> None:
        """``opened``: what ``open_port`` has opened for it already."""
        self._socket = opened if opened is not None else open_port(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._app = _Ending(app)
        config = uvicorn.Config(
            self._app,
            log_level="error",  # what is no HTTP is worth no line: anybody could write any number
            access_log=False,
            lifespan="off",
            loop="none",
            http=Connection,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=30,
            proxy_headers=False,
        )
        self._server = _Quiet(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> asyncio.Task[None]:
        """Begin to serve; the task ends only with an error or by ``stop``."""
        loop = asyncio.get_running_loop()
        self._task = _heed(loop.create_task(self._server.serve(sockets=[self._socket]), name="web server"))
        return self._task

    async def stop(self) -> None:
        """Stop accepting, let answers end, refuse what waits longer, close."""
        self._server.should_exit = True
        if self._task is not None and not (await asyncio.wait([self._task], timeout=ANSWER_S))[0]:
            self._app.stopping = True
            for request in list(self._server.server_state.tasks):
                request.cancel()
            await asyncio.wait([self._task], timeout=ANSWER_S)
        self._socket.close()


class Service:
    """An engine with its web application."""

    def __init__(self, engine: Engine, app: WebApp, access: Access, watch: Watch) -> None:
        self.engine = engine
        self.watch = watch
        self.app = app
        self.access = access
        self._running: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    def build(
        cls,
        engine: Engine,
        store: Store,
        clock: Clock,
        *,
        secret: bytes,
        public_url: str,
        metrics_token: str = "",
        trusted_proxies: Collection[str] = (),
        watch: Watch | None = None,
    ) -> Service:
        """Put the parts together; nothing runs yet."""
        operations = Operations(engine)
        access = Access(
            store,
            clock,
            operations.audit,
            secret=secret,
            token_bytes=secrets.token_bytes,
            metrics_token=metrics_token,
            secure=public_url.startswith("https://"),
        )
        watch = watch or Watch(engine)
        app = build_app(
            engine, access, operations, public_url=public_url, trusted_proxies=trusted_proxies, watch=watch
        )
        return cls(engine, app, access, watch)

    def start(self) -> asyncio.Task[None]:
        """Start the engine; the task ends only with an error or by ``stop``."""
        loop = asyncio.get_running_loop()
        self._running = loop.create_task(self.engine.run(), name="engine")
        self._watching = _heed(loop.create_task(self.watch.run(), name="watch"))
        return self._running

    async def stop(self) -> None:
        """Stop cleanly: no call is cut off, whatever is unanswered is resolved at the next start."""
        self.app.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            stopping = _heed(asyncio.get_running_loop().create_task(self.engine.stop(), name="stop"))
            await asyncio.wait([stopping], timeout=STOP_S)


async def serve(
    config: Config,
    *,
    say: Callable[[str], object],
    shadow: Sequence[str] | None = None,
    terminal: bool = False,
) -> None:
    """Run Syncline until SIGTERM or SIGINT.

    With ``shadow``, these routes (none named: all) are put in shadow before anything can be sent. They stay so, at
    later starts too, until somebody lets them go live. ``terminal``: only people at a terminal hear what is said, so it may have
    the link that logs an administrator in.

    Raises:
        Misconfigured: store, port or a system cannot work as configured.
        SynclineError: the engine ended by an error.
    """
    arm_from(environment("SYNCLINE_FAILPOINT"))
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stopper(stop, number))
    folder = config.folder
    token_file = folder / config.server.token_file
    store = await open_store(config, clock)
    transport = AiohttpTransport()
    try:
        engine = open_engine(config, store, clock, Random(secrets.randbits(128)), transport)
        server_secret = config.server.secret or private_file(
            token_file.with_suffix(".secret"),
            lambda: secrets.token_urlsafe(32),
        )
        service = Service.build(
            engine,
            store,
            clock,
            secret=server_secret.encode(),
            public_url=config.server.public_url,
            metrics_token=config.server.metrics_token,
            trusted_proxies=config.server.trusted_proxies,
            watch=Watch(
                engine,
                config.alerts.ways(clock, transport),
                config.watch,
                disk=disk_of(folder / config.store.path if not config.store.url else folder),
            ),
        )
        await service.access.first_start(token_file)
        if shadow is not None:
            say(await _into_shadow(service, shadow))
        listener = Listener(service.app, config.server.host, config.server.port)
        serving = listener.start()
        running = service.start()
        subscribing = _prepare(service, config.server.public_url, say)
        preparing = _heed(loop.create_task(subscribing, name="subscriptions"))
        settling = _heed(loop.create_task(settle(service.engine), name="settle"))
        say(f"Syncline listens on {listener.url}")
        say(way_in(listener.url, token_file, terminal=terminal))
        waiting = loop.create_task(stop.wait())
        await asyncio.wait([running, serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        preparing.cancel()
        settling.cancel()
        waiting.cancel()
        failed = _ended_by(running) or _ended_by(serving)
        # Side by side, because each may take most of the ten seconds.
        await asyncio.gather(service.stop(), listener.stop())
        if failed is not None:
            cause = _root_cause(failed)
            if not isinstance(cause, Busy):  # it runs, only not here
                await service.watch.farewell(str(cause) or type(cause).__name__)
            raise cause
        say("Stopped.")
    finally:
        await transport.close()
        await store.close()


def _ended_by(task: asyncio.Task[None]) -> BaseException | None:
    """By what error a part ended that should have lasted."""
    if not task.done() or task.cancelled():
        return None
    return task.exception() or RuntimeError(f"the {task.get_name()} ended")


def _stopper(stop: asyncio.Event, number: int) -> Callable[[], None]:
    """The first signal asks for a clean stop; a second one ends at once, as ``kill -9`` would: that is survived too."""

    def signalled() -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    return signalled


async def _into_shadow(service: Service, routes: Sequence[str]) -> str:
    """Put routes in shadow at the start; those that are in shadow already stay so."""
    try:
        return (await service.app.site.switches.shadow(routes, by="syncline run --shadow")).message
    except NotPossible as error:
        if error.code == "already":
            return str(error)
        raise Misconfigured(f"{error} {error.mend}") from error


def way_in(url: str, token_file: Path, *, terminal: bool) -> str:
    """How to log in. Where another program keeps what a service says, that is a log, and no token is in it."""
    if not terminal:
        return f"Log in at {url}/login with the token in {token_file}"
    try:
        token = token_file.read_text(encoding="utf-8").strip()
    except OSError:
        token = "<your token>"  # noqa: S105 (what a person puts there)
    return f"Log in: {login_link(url, token)}"


def _root_cause(error: BaseException) -> BaseException:
    """The first expected error inside a group, so that the user reads one sentence."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            found = _root_cause(inner)
            if isinstance(found, SynclineError):
                return found
    return error


async def _prepare(service: Service, public_url: str, say: Callable[[str], object]) -> None:
    """Subscribe the webhooks of every system that can, and look after them."""
    if not public_url:
        say("No [server] public_url: events cannot reach us, every flow is polled.")
        return
    async with asyncio.TaskGroup() as group:
        for name, system in service.engine.systems.items():
            if not service.engine.hears(name):
                say(f"{name}: its routes do without events, so none are subscribed.")
                continue
            address = service.access.hook_url(public_url, name)
            if system.prepare is None and system.capabilities.webhooks:
                say(f"{name}: send its events to {address}")
            if system.gate is not None:
                say(
                    f"{name}: its checkout asks at {service.access.gate_url(public_url, name)}/credit (or holds, prices)"
                )
            group.create_task(keep(service.engine, name, address, say), name=f"subscriptions {name}")
