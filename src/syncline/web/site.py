"""What every endpoint needs, and the one gate that each request passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from syncline.engine.alerts.watch import Watch
from syncline.engine.engine import Engine
from syncline.engine.operations import NotPossible, Operations
from syncline.engine.status import RouteStatus, Status, lag_rows, status
from syncline.engine.survey import Found, RecoveredAt
from syncline.engine.switches import Switches
from syncline.model.errors import SynclineError
from syncline.web.access import Access, Person, Role
from syncline.web.limits import Deadlines, Overdue, RateLimit, forwarded_for, source_of
from syncline.web.looks import Looks
from syncline.web.render import Pages
from syncline.web.strip import axis, strip

FORM_BYTES_MAX = 12 * 1024 * 1024  # a payload of 8 MB as a form, percent signs included
BODY_SECONDS = 30.0
FIELDS_MAX = 20
REFRESH_S = 1.0
STRIPS_REFRESH_S = 5.0
METRICS_PATH = "/metrics"
RECOVERED_MS = 30 * 86_400_000
COST_SHARE = 0.1  # of one core, spent on looking at things
WRONG_PER_S = 0.2
WRONG_BURST = 10
ASKED_PER_S, ASKED_BURST = 300.0, 600  # questions of one shop's checkouts

log = structlog.get_logger(__name__)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class ErrorText(msgspec.Struct, frozen=True):
    """What went wrong: a code for programs, a sentence, and how to mend it."""

    code: str
    message: str
    mend: str = ""


class ErrorBody(msgspec.Struct, frozen=True):
    """Every error of the API."""

    error: ErrorText


class Refusal(Exception):
    """An answer other than success."""

    def __init__(
        self, status: int, code: str, message: str, mend: str = "", *, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = ErrorText(code, message, mend)
        self.retry_after_s = retry_after_s


T = TypeVar("T")


def answer(value: object, status_code: int = 200) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status_code, media_type="application/json")


Handler = Callable[["Site", Request, Person], Awaitable[Response]]
NOBODY = Person("", Role.NOBODY)
STATUS_OF = {
    "not_found": 404,
    "not_json": 422,
    "too_large": 413,
    "not_editable": 422,
    "nothing_to_send": 422,
    "too_much": 422,
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. ``least`` of ``None``: for everybody, logged in or not; ``checkout``: for a shop's token, too."""

    method: str
    path: str
    least: Role | None
    handle: Handler
    summary: str = ""
    page: bool = False
    takes: type[Any] | None = None
    gives: Any = None
    query: tuple[str, ...] = ()
    checkout: bool = False

    def admits(self, person: Person) -> bool:
        """Whether somebody's role suffices."""
        return self.least is None or person.may(self.least) or (self.checkout and person.may(Role.CHECKOUT))

    @property
    def needs(self) -> str:
        """Which role it takes, in words; "" for none."""
        if self.least is None:
            return ""
        return self.least.name.lower() + (" or checkout" if self.checkout else "")


class Snapshots:
    """The status, computed at most once a second however many look, and less often when it is dear.

    ``parts`` keeps what was drawn of it for everybody, until the next one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._alone = asyncio.Lock()
        self._status: Status | None = None
        self._until = 0.0
        self.parts: dict[str, str] = {}
        self._strips: dict[str, tuple[float, str]] = {}
        self._recovered: dict[str, list[RecoveredAt]] = {}
        self._recovered_of = Found(0, {}, {})

    async def status(self) -> Status:
        """The status, at most about a second old."""
        clock = self._engine.clock
        async with self._alone:
            if self._status is None or clock.monotonic() >= self._until:
                began = clock.monotonic()
                self._status = await status(self._engine, clock.now_ms())
                self.parts = {}
                cost = clock.monotonic() - began
                self._until = clock.monotonic() + max(REFRESH_S * 0.9, cost / COST_SHARE)
            return self._status

    async def strip(self, route: RouteStatus) -> str:
        """The strip of a route, at most some seconds old; more where there are many."""
        clock = self._engine.clock
        async with self._alone:
            until, drawn = self._strips.get(route.name, (0.0, ""))
            if clock.monotonic() >= until:
                began, now_ms = clock.monotonic(), clock.now_ms()
                rows = await lag_rows(self._engine, route.name, now_ms)
                drawn = "".join((strip(rows, route, now_ms), axis(rows, now_ms)))
                cost = (clock.monotonic() - began) * len(self._engine.routes.all)
                until = clock.monotonic() + max(STRIPS_REFRESH_S * 0.9, cost / COST_SHARE)
                self._strips[route.name] = (until, drawn)
            return drawn

    async def recovered(self) -> dict[str, list[RecoveredAt]]:
        """What each route's buffers gave back in the last days, read anew after each survey."""
        survey = self._engine.survey
        async with self._alone:
            if self._recovered_of is not survey.latest:
                since_ms = self._engine.clock.now_ms() - RECOVERED_MS
                found = survey.latest
                self._recovered = {name: await survey.history(name, since_ms) for name in found.recovered}
                self._recovered_of = found
            return self._recovered

    def forget(self) -> None:
        """Somebody did something: look again."""
        self._until = 0.0
        self._strips.clear()


class Site:
    """The engine, the people and the settings that endpoints work with."""

    def __init__(
        self,
        engine: Engine,
        access: Access,
        operations: Operations,
        *,
        public_url: str,
        trusted_proxies: Collection[str],
        version: str,
        watch: Watch,
    ) -> None:
        self.engine = engine
        self.watch = watch
        self.clock = engine.clock
        self.access = access
        self.operations = operations
        self.switches = Switches(engine, operations.audit)
        self.public_url = public_url
        self.version = version
        self.snapshots = Snapshots(engine)
        self.looks = Looks(engine.clock)
        self.pages = Pages(engine.clock, access, version)
        self.closing = asyncio.Event()
        self.watching = 0
        self._trusted = frozenset(trusted_proxies)
        self._arriving = Deadlines(engine.clock, BODY_SECONDS)
        self._wrong = RateLimit(engine.clock, per_s=WRONG_PER_S, burst=WRONG_BURST)
        self.asking = RateLimit(engine.clock, per_s=ASKED_PER_S, burst=ASKED_BURST)

    # --- who asks -----------------------------------------------------------------------------------

    def source(self, request: Request) -> str:
        """The network address that limits apply to."""
        peer = request.client.host if request.client else ""
        return source_of(peer, forwarded_for(request.headers.raw), self._trusted)

    def wrong(self, request: Request) -> None:
        """Count a wrong token.

        Raises:
            Refusal: too many from this source.
        """
        wait = self._wrong.take(self.source(request))
        if wait:  # and no more lines in the log
            raise Refusal(429, "too_many", "Too many wrong tokens.", "Wait a minute.", retry_after_s=wait)
        log.warning("wrong token", action="login_refused", source=self.source(request))

    def is_secure(self, request: Request) -> bool:
        """Whether the browser came by the public address, which is https; not by the local port."""
        return self.access.secure and request.headers.get("host", "") == urlsplit(self.public_url).netloc

    def cookie(self, request: Request) -> str:
        """The session cookie's name; on https it is one that no other host can set."""
        return "__Host-syncline" if self.is_secure(request) else "syncline"

    async def who(self, request: Request) -> Person | None:
        """Who sent this request; ``None`` if nobody known did. A wrong token is counted."""
        person = await self.known(request)
        if person is None and _bearer(request):
            self.wrong(request)
        return person

    async def known(self, request: Request) -> Person | None:
        """Whom the credential of this request stands for at this moment; ``None`` for nobody, or nobody any more."""
        if token := _bearer(request):
            if request.url.path == METRICS_PATH and self.access.may_scrape(token):
                return Person("metrics", Role.VIEWER)
            return await self.access.by_token(token)
        cookie = request.cookies.get(self.cookie(request), "")
        return await self.access.by_session(cookie) if cookie else None

    # --- bodies -------------------------------------------------------------------------------------

    async def body(self, request: Request, bytes_max: int = FORM_BYTES_MAX) -> bytes:
        """The body, within a limit of size and one of time; read once.

        Raises:
            Refusal: it is too large, or does not arrive.
        """
        if not hasattr(request.state, "body"):
            chunks: list[bytes] = []
            size = 0
            try:
                with self._arriving.start():
                    async for chunk in request.stream():
                        size += len(chunk)
                        if size > bytes_max:
                            raise Refusal(413, "too_large", "The body is too large.")
                        chunks.append(chunk)
            except Overdue as error:
                raise Refusal(408, "too_slow", "The body did not arrive in time.") from error
            request.state.body = b"".join(chunks)
        body: bytes = request.state.body
        return body

    async def form(self, request: Request, bytes_max: int = FORM_BYTES_MAX) -> dict[str, str]:
        """The fields of a form; each name counts once.

        Raises:
            Refusal: it is no form.
        """
        try:
            pairs = parse_qsl(
                (await self.body(request, bytes_max)).decode(),
                keep_blank_values=True,
                max_num_fields=FIELDS_MAX,
            )
        except ValueError as error:
            raise Refusal(400, "not_a_form", "This form cannot be read.") from error
        return dict(pairs)

    async def json(self, request: Request, type_: type[T]) -> T:
        """The body as a value of a type that allows no unknown field.

        Raises:
            Refusal: it is none; says where.
        """
        try:
            return msgspec.json.decode(await self.body(request), type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal(400, "bad_request", str(error), "See /v1/openapi.json.") from error

    # --- pages --------------------------------------------------------------------------------------

    def render(self, template: str, person: Person, **values: Any) -> Response:
        """A page as HTML."""
        status_code = values.pop("status_code", 200)
        text = self.pages.render(template, person=person, **values)
        return HTMLResponse(text, status_code=status_code)

    # --- the gate -----------------------------------------------------------------------------------

    async def check_csrf(self, request: Request, person: Person) -> None:
        """Make sure that a change was asked for by our own page.

        Raises:
            Refusal: it was not.
        """
        origin = request.headers.get("origin", "")
        own = {request.headers.get("host", ""), urlsplit(self.public_url).netloc} - {""}
        if origin and origin.partition("://")[2] not in own:
            raise Refusal(
                403, "foreign_origin", "This was sent by another site.", "Use the dashboard's own page."
            )
        mark = request.headers.get("x-csrf-token", "") or (await self.form(request)).get("csrf", "")
        if not self.access.csrf_holds(person, mark):
            raise Refusal(
                403, "csrf", "This form is not from your session.", "Reload the page and try again."
            )


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def guard(site: Site, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint behind the gate: who, what role, which form; then errors as answers."""

    async def serve(request: Request) -> Response:
        person: Person | None = None
        try:
            # Who may come without an account is not asked for a token: a vendor may send one of its own.
            if endpoint.least is not None or endpoint.page:
                person = await site.who(request)
            if endpoint.least is not None:
                await _admit(site, request, endpoint, person)
            return await endpoint.handle(site, request, person or NOBODY)
        except Refusal as refusal:
            return _refused(site, endpoint, person, refusal)
        except NotPossible as error:
            status_code = STATUS_OF.get(error.code, 409)
            return _refused(site, endpoint, person, Refusal(status_code, error.code, str(error), error.mend))
        except SynclineError as error:
            busy = Refusal(503, "unavailable", str(error), "Try again in a moment.", retry_after_s=5)
            return _refused(site, endpoint, person, busy)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            log.exception("request failed", action="request_failed", path=endpoint.path)
            broken = Refusal(
                500, "failed", "Syncline failed on this request; nothing is known to be lost.", "See the log."
            )
            return _refused(site, endpoint, person, broken)

    return serve


async def _admit(site: Site, request: Request, endpoint: Endpoint, person: Person | None) -> None:
    if person is None:
        raise Refusal(
            401, "not_logged_in", "You are not logged in.", "Use the login link, or send a bearer token."
        )
    if not endpoint.admits(person):
        await site.operations.audit.write(
            actor=person.name,
            action="refused",
            subject=f"{endpoint.method} {endpoint.path}",
            after=f"needs the role {endpoint.needs}",
        )
        raise Refusal(
            403,
            "not_allowed",
            f"This needs the role {endpoint.needs}; {person.name} is {person.role.name.lower()}.",
            "Ask an admin.",
        )
    if endpoint.method != "GET" and person.session:
        await site.check_csrf(request, person)


def _refused(site: Site, endpoint: Endpoint, person: Person | None, refusal: Refusal) -> Response:
    response: Response
    if endpoint.page and refusal.status == 401 and endpoint.method == "GET":
        response = RedirectResponse("/login", 303)
    elif endpoint.page:
        response = site.render(
            "error.html", person or NOBODY, status_code=refusal.status, error=refusal.error
        )
    else:
        body = msgspec.to_builtins(ErrorBody(refusal.error))
        response = JSONResponse(body, refusal.status)
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if refusal.status in (408, 413):  # what is left of the body is not waited for
        response.headers["Connection"] = "close"
    if refusal.retry_after_s:
        response.headers["Retry-After"] = str(max(1, round(refusal.retry_after_s)))
    return response
