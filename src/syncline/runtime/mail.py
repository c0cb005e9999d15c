"""Alerts by e-mail: plain text over SMTP, sent from a thread so that a slow server holds nobody up."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from syncline.engine.alerts.messages import Message, subject, text
from syncline.model.errors import Rejected, Retryable

TIMEOUT_S = 20.0
SUBJECT_MAX = 140
PERMANENT = 500


class Smtp:
    """One server and how to log in there."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: str,
        user: str = "",
        password: str = "",
        context: ssl.SSLContext | None = None,
    ) -> None:
        """``security``: ``tls`` from the first byte, ``starttls``, or ``none`` for a relay on this machine."""
        self._at = (host, port)
        self._security = security
        self._login = (user, password)
        self._context = context or ssl.create_default_context()
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2

    async def __call__(self, mail: EmailMessage) -> str:
        """Send; returns the server's words.

        Raises:
            Retryable: not reached, or not taken now.
            Rejected: this mail or its recipients are refused.
        """
        return await asyncio.to_thread(self._send, mail)

    def _send(self, mail: EmailMessage) -> str:
        try:
            with self._connect() as server:
                if self._login[0]:
                    server.login(*self._login)
                refused = server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            raise _sorted(
                max(code for code, _ in error.recipients.values()), f"all recipients: {error}"
            ) from error
        except smtplib.SMTPAuthenticationError as error:
            raise Retryable(f"the login is refused: {_words(error)}") from error
        except smtplib.SMTPResponseException as error:
            raise _sorted(error.smtp_code, _words(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Retryable(f"{self._at[0]}:{self._at[1]}: {error}") from error
        if refused:
            raise Rejected(f"refused for {', '.join(sorted(refused))}; the others have it")
        return f"taken by {self._at[0]}"

    def _connect(self) -> smtplib.SMTP:
        if self._security == "tls":
            return smtplib.SMTP_SSL(*self._at, timeout=TIMEOUT_S, context=self._context)
        server = smtplib.SMTP(*self._at, timeout=TIMEOUT_S)
        if self._security == "starttls":
            try:
                server.starttls(context=self._context)
            except (OSError, smtplib.SMTPException):
                server.close()
                raise
        return server


def _words(error: smtplib.SMTPResponseException) -> str:
    said = error.smtp_error
    return f"{error.smtp_code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"


def _sorted(code: int, words: str) -> Rejected | Retryable:
    return Rejected(words) if code >= PERMANENT else Retryable(words)


class MailWay:
    """Each message as one e-mail; those of one alert form a thread."""

    name = "email"

    def __init__(
        self, post: Callable[[EmailMessage], Awaitable[str]], *, sender: str, recipients: Sequence[str]
    ) -> None:
        self._post = post
        self._sender = sender
        self._recipients = tuple(recipients)

    async def send(self, message: Message) -> str:
        """Send it to everybody."""
        return await self._post(self.mail(message))

    def mail(self, message: Message) -> EmailMessage:
        """The message as an e-mail."""
        domain = self._sender.rpartition("@")[2].strip(" >") or "localhost"
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Subject"] = " ".join(subject(message).split())[:SUBJECT_MAX]
        mail["Date"] = format_datetime(datetime.fromtimestamp(message.said_at_ms / 1000, UTC))
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        if message.id != f"{message.thread}.1":
            mail["In-Reply-To"] = mail["References"] = f"<{message.thread}.1@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        if message.severity == "critical" and message.event != "closed":
            mail["Importance"] = "high"
        mail.set_content(text(message))
        return mail
