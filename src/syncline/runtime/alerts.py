"""``[alerts]``: what is told, how often, and by which ways; from the configuration to a running watch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from syncline.engine.alerts.messages import trial
from syncline.engine.alerts.watch import Settings
from syncline.engine.alerts.ways import LogWay, Way, WebhookWay, secret_bytes
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured, SynclineError
from syncline.ports import Clock, Expiry, System, Transport
from syncline.runtime.mail import MailWay, Smtp
from syncline.sdk.ends import midnight_ms

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class EmailConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from"}, kw_only=True
):
    """``[alerts.email]``: an SMTP server, and who is told."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""
    sender: str
    to: list[str]

    def __repr__(self) -> str:
        """Without the password."""
        return f"EmailConfig(host={self.host!r}, port={self.port}, to={self.to!r})"


class WebhookConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[alerts.webhook]``: an address that takes signed messages."""

    url: str
    secret: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"WebhookConfig(url={self.url!r})"


class AlertsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[alerts]``: how alerts are told. Without it they are in the log and on the dashboard."""

    repeat: str = "1h"
    repeat_max: str = "1d"
    parked_after: str = "1d"
    expires: dict[str, date] = {}
    expires_within: str = "30d"
    log: bool = True
    email: EmailConfig | None = None
    webhook: WebhookConfig | None = None

    def check(self, systems: Collection[str], duration_ms: Callable[[str, str], int]) -> Settings:
        """The same for the engine.

        Raises:
            Misconfigured: names the field and how to mend it.
        """
        repeat_ms = duration_ms(self.repeat, "alerts.repeat")
        repeat_max_ms = duration_ms(self.repeat_max, "alerts.repeat_max")
        if not 60_000 <= repeat_ms <= repeat_max_ms:
            raise Misconfigured("alerts.repeat: must be at least a minute and not above repeat_max")
        for name in self.expires:
            if name not in systems:
                raise Misconfigured(f"alerts.expires.{name}: no [systems.{name}] is configured")
        if self.email is not None:
            _check_email(self.email)
        if self.webhook is not None:
            secret_bytes(self.webhook.secret)
            at = urlsplit(self.webhook.url)
            if not at.hostname or (
                at.scheme != "https" and not (at.scheme == "http" and at.hostname in LOOPBACK)
            ):
                raise Misconfigured(
                    "alerts.webhook.url: give an https:// address (http:// only on this machine)"
                )
        return Settings(
            repeat_ms=repeat_ms,
            repeat_max_ms=repeat_max_ms,
            parked_after_ms=duration_ms(self.parked_after, "alerts.parked_after"),
            expires_within_ms=duration_ms(self.expires_within, "alerts.expires_within"),
        )

    def with_expiry(self, system: System) -> System:
        """A system with the end of its credential that ``expires`` tells, besides those that it knows itself."""
        day = self.expires.get(system.name)
        if day is None:
            return system
        told = Expiry("credential", midnight_ms(day), "[alerts.expires]")
        return replace(system, expiries=lambda: (*system.expiries(), told))

    def ways(self, clock: Clock, transport: Transport) -> list[Way]:
        """The configured ways out, ready to use; opens nothing."""
        found: list[Way] = [LogWay()] if self.log else []
        if self.email is not None:
            mail = self.email
            post = Smtp(mail.host, mail.port, security=mail.security, user=mail.user, password=mail.password)
            found.append(MailWay(post, sender=mail.sender, recipients=mail.to))
        if self.webhook is not None:
            key = secret_bytes(self.webhook.secret)
            found.append(WebhookWay(transport, clock, url=self.webhook.url, key=key))
        return found


def _check_email(mail: EmailConfig) -> None:
    if not mail.to:
        raise Misconfigured("alerts.email.to: name at least one recipient")
    for field, address in [("from", mail.sender), *(("to", to) for to in mail.to)]:
        if "@" not in address or any(not c.isprintable() for c in address):
            raise Misconfigured(f"alerts.email.{field}: {address!r} is no address")
    if mail.security == "none" and mail.password:
        raise Misconfigured("alerts.email.security: a password is not sent without TLS; use starttls or tls")
    if bool(mail.user) != bool(mail.password):
        raise Misconfigured("alerts.email: give user and password together, or neither")


class Tried(msgspec.Struct, frozen=True):
    """What came back from one way out."""

    way: str
    ok: bool
    said: str


async def try_ways(alerts: AlertsConfig, clock: Clock, transport: Transport) -> list[Tried]:
    """Send a marked test message by every configured way."""
    tried = []
    for way in alerts.ways(clock, transport):
        message = trial(clock.now_ms(), f"test-{clock.now_ms()}")
        try:
            tried.append(Tried(way.name, ok=True, said=await way.send(message)))
        except SynclineError as error:
            tried.append(Tried(way.name, ok=False, said=str(error)))
    return tried


def disk_of(path: Path) -> Callable[[], tuple[int, int] | None]:
    """Asks for free and all bytes of the disk that a path is on."""

    def ask() -> tuple[int, int] | None:
        try:
            usage = shutil.disk_usage(path)
        except OSError:
            return None
        return usage.free, usage.total

    return ask
