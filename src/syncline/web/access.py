"""Who may do what: accounts with a role, tokens kept as hashes, signed sessions, CSRF marks.

Deny by default: an endpoint names the least role that may use it, and everybody else is refused.
Secrets are handed in or drawn from an injected source, and never leave through a log or an answer.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from urllib.parse import quote

import msgspec

from syncline.engine.audit import Audit
from syncline.engine.operations import NotPossible
from syncline.engine.rewind import STREAM, SYSTEM, Mark
from syncline.model.errors import Misconfigured
from syncline.ports import Clock, Store, Write

TOKEN_BYTES = 32
SECRET_BYTES_MIN = 24
SESSION_MS = 12 * 3_600_000
ACCOUNTS_MAX = 1_000
_NAME = re.compile(r"[\w][\w .@+-]{0,63}")

TokenBytes = Callable[[int], bytes]


class Role(IntEnum):
    """What somebody may do. Each role may do all that the ones before it may, but a checkout does not look.

    Its token lies on a shop's web server, so it answers what a cart asks and opens nothing else.
    """

    NOBODY = 0  # not logged in
    VIEWER = 1  # look
    CHECKOUT = 2  # ask and hold for a buyer; the role of a shop's token
    OPERATOR = 3  # release, edit, discard, replay
    ADMIN = 4  # accounts


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who proved who they are. ``session`` is empty for a bearer token."""

    name: str
    role: Role
    session: str = ""

    def may(self, least: Role) -> bool:
        """Whether the role suffices."""
        return least is Role.CHECKOUT if self.role is Role.CHECKOUT else self.role >= least


class _Session(msgspec.Struct, frozen=True, array_like=True):
    name: str
    proof: str  # of the token it was made from, so that a new token ends old sessions
    ends_at_ms: int
    mark: str


def hash_token(token: str) -> str:
    """What is stored of a token. The token is 32 random bytes, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def private_file(path: Path, make: Callable[[], str]) -> str:
    """The content of a file that only its owner may read; made if it does not exist.

    Raises:
        Misconfigured: others may read it, it cannot be written, or nothing is in it: its making was cut off.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            raise Misconfigured(f"{path} can be read by others: run chmod 600 {path}") from None
        if not (text := path.read_text(encoding="utf-8").strip()):
            raise Misconfigured(f"{path} is empty: delete it, and it is made anew") from None
        return text
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}") from error
    text = make()
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # such as a full disk
        path.unlink(missing_ok=True)
        raise Misconfigured(f"{path} cannot be written: {error.strerror}") from error
    return text


class Access:
    """Accounts, tokens and sessions of one installation.

    ``secret`` signs sessions, CSRF marks and webhook addresses. Who knows it can do anything, so keep
    it in a private file (``private_file``) or a secret store.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        audit: Audit,
        *,
        secret: bytes,
        token_bytes: TokenBytes,
        metrics_token: str = "",
        secure: bool = False,
    ) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise Misconfigured(f"the server's secret must have at least {SECRET_BYTES_MIN} random bytes")
        if metrics_token and len(metrics_token) < SECRET_BYTES_MIN:
            raise Misconfigured(f"the metrics token must have at least {SECRET_BYTES_MIN} characters")
        self._store = store
        self._clock = clock
        self._audit = audit
        self._secret = secret
        self._token_bytes = token_bytes
        self._metrics_hash = hash_token(metrics_token) if metrics_token else ""
        self._restored_ms: int | None = None
        self._changing = asyncio.Lock()  # of two who make one name at a time, the second is refused
        self.secure = secure

    # --- accounts -----------------------------------------------------------------------------------

    async def people(self) -> list[tuple[str, Role, int]]:
        """Name, role and the moment each account was made."""
        return [(name, Role[role.upper()], at) for name, role, _, at in await self._store.read("accounts")]

    async def add(self, name: str, role: Role, *, by: str) -> str:
        """Make an account. Returns its token.

        Raises:
            Misconfigured: the name cannot be shown safely, or there are too many accounts.
            NotPossible: there is one of this name, whose token somebody uses.
        """
        if not _NAME.fullmatch(name):
            raise Misconfigured("an account's name has up to 64 letters, digits, spaces or . @ + - _")
        async with self._changing:
            known = await self._roles()
            if name in known:
                raise NotPossible(
                    "account_exists",
                    f"There is an account {name!r} already.",
                    "Choose another name; or renew it, which gives it a new token and ends the one in use.",
                )
            if len(known) >= ACCOUNTS_MAX:
                raise Misconfigured(f"there are {ACCOUNTS_MAX} accounts already")
            token = _text(self._token_bytes(TOKEN_BYTES))
            await self._put(name, role, token, by=by, action="account")
        return token

    async def renew(self, name: str, *, by: str) -> tuple[Role, str]:
        """Give an account a new token; the one it had and its sessions end at once. Returns its role and the token.

        Raises:
            NotPossible: there is no such account.
        """
        async with self._changing:
            known = await self._roles()
            if name not in known:
                raise NotPossible("not_found", f"There is no account {name!r}.")
            role = Role[known[name].upper()]
            token = _text(self._token_bytes(TOKEN_BYTES))
            await self._put(name, role, token, by=by, action="account renewed", before=known[name])
        return role, token

    async def _roles(self) -> dict[str, str]:
        return {row[0]: row[1] for row in await self._store.read("accounts")}

    async def _put(
        self, name: str, role: Role, token: str, *, by: str, action: str, before: str = ""
    ) -> None:
        row = {
            "name": name,
            "role": role.name.lower(),
            "token_hash": hash_token(token),
            "now_ms": self._clock.now_ms(),
        }
        await self._audit.write(
            Write("account_put", [row]),
            actor=by,
            action=action,
            subject=name,
            before=before,
            after=role.name.lower(),
        )

    async def drop(self, name: str, *, by: str) -> bool:
        """Delete an account; its token and sessions end at once. Returns whether there was one.

        Raises:
            NotPossible: it is the only administrator's; two who delete each other at one moment would leave none.
        """
        async with self._changing:
            known = await self._roles()
            if name not in known:
                return False
            admin = Role.ADMIN.name.lower()
            if known[name] == admin and list(known.values()).count(admin) == 1:
                raise NotPossible(
                    "last_admin", f"{name!r} is the only administrator.", "Make another one before."
                )
            await self._audit.write(
                Write("account_drop", [{"name": name}]),
                actor=by,
                action="account removed",
                subject=name,
            )
        return True

    async def first_start(self, token_file: Path) -> str:
        """Make the first account, ``admin``, unless there is one; returns its token, or "".

        The token is written to a file that only its owner may read, so that the login link can be
        shown again.
        """
        if await self._store.read("accounts"):
            return ""
        token = private_file(token_file, lambda: _text(self._token_bytes(TOKEN_BYTES)))
        if len(token) < SECRET_BYTES_MIN:
            raise Misconfigured(f"{token_file} holds no token that would be safe: delete it, and one is made")
        await self._put("admin", Role.ADMIN, token, by="first start", action="account")
        return token

    # --- proving who one is -------------------------------------------------------------------------

    async def by_token(self, token: str) -> Person | None:
        """Who carries a token. Every account is compared, so that time tells nothing; no token is nobody's."""
        if not token:
            return None
        offered = hash_token(token)
        found: Person | None = None
        for name, role, stored, _ in await self._store.read("accounts"):
            if hmac.compare_digest(stored, offered):
                found = Person(name, Role[role.upper()])
        return found

    async def log_in(self, person: Person, token: str) -> str:
        """A session for whoever carries a token, as ``by_token`` has found."""
        session = _Session(
            person.name,
            self._sign(f"proof:{hash_token(token)}"),
            self._clock.now_ms() + SESSION_MS,
            _text(self._token_bytes(16)),
        )
        body = _text(msgspec.json.encode(session))
        await self._audit.write(actor=person.name, action="log in", subject="dashboard")
        return f"{body}.{self._sign(f'session:{body}')}"

    async def by_session(self, cookie: str) -> Person | None:
        """Who a session belongs to; ``None`` if it is forged, over, or its token was replaced."""
        session = self._signed(cookie)
        if session is None or await self._store.read("session_ended", hash=hash_token(cookie)):
            return None
        if session.ends_at_ms - SESSION_MS < await self._restored_at_ms():
            return None  # who logged out after the backup is not known any more, so everybody logs in again
        for name, role, stored, _ in await self._store.read("accounts"):
            if name == session.name and hmac.compare_digest(self._sign(f"proof:{stored}"), session.proof):
                return Person(name, Role[role.upper()], cookie)
        return None

    def _signed(self, cookie: str) -> _Session | None:
        """What a cookie says, if it was made here and is not over."""
        body, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(f"session:{body}").encode()):
            return None
        try:
            session = msgspec.json.decode(
                base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=_Session
            )
        except (ValueError, msgspec.DecodeError):
            return None
        return session if session.ends_at_ms > self._clock.now_ms() else None

    async def _restored_at_ms(self) -> int:
        """When this store was put back from a backup; 0: never. That cannot happen while a process has it."""
        if self._restored_ms is None:
            rows = await self._store.read("cursor_get", system=SYSTEM, stream=STREAM)
            self._restored_ms = msgspec.json.decode(rows[0][0], type=Mark).restored_at_ms if rows else 0
        return self._restored_ms

    async def log_out(self, person: Person) -> None:
        """End a session for good, whoever else has its cookie and whatever restarts; on disk before this returns."""
        session = self._signed(person.session)
        if session is None:
            return
        row = {"hash": hash_token(person.session), "ends_at_ms": session.ends_at_ms}
        await self._audit.write(
            Write("session_end", [row]),
            Write("forget_sessions", [{"now_ms": self._clock.now_ms()}]),
            actor=person.name,
            action="log out",
            subject="dashboard",
        )

    def may_scrape(self, token: str) -> bool:
        """Whether a bearer token is the one for metrics."""
        return bool(self._metrics_hash) and hmac.compare_digest(hash_token(token), self._metrics_hash)

    # --- marks --------------------------------------------------------------------------------------

    def _sign(self, text: str) -> str:
        return _text(hmac.digest(self._secret, text.encode(), "sha256"))

    def csrf(self, person: Person) -> str:
        """The mark that a form of this session carries."""
        return self._sign(f"csrf:{person.session}")

    def csrf_holds(self, person: Person, mark: str) -> bool:
        """Whether a form was made for this session."""
        return bool(person.session) and hmac.compare_digest(self.csrf(person).encode(), mark.encode())

    def hook_token(self, system: str) -> str:
        """The part of a webhook address that cannot be guessed."""
        return self._sign(f"hook:{system}")[:32]

    def hook_url(self, public_url: str, system: str) -> str:
        """The address to give to a vendor."""
        return f"{public_url.rstrip('/')}/hooks/{system}/{self.hook_token(system)}"

    def gate_url(self, public_url: str, system: str) -> str:
        """Where a system's checkout asks; what it asks for is still to follow."""
        token = self.hook_token(system)
        return f"{public_url.rstrip('/')}/v1/adobe-commerce/webhooks/{system}/{token}"


def login_link(url: str, token: str) -> str:
    """A link that logs its bearer in."""
    return f"{url.rstrip('/')}/login?token={quote(token, safe='')}"
