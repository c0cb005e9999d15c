"""Who may call: integrations by OAuth 1.0a signatures or, where it is switched on, bearer tokens; admins by tokens.

Magento/Framework/Oauth/Oauth and Integration/Model/Oauth/Nonce/Generator; contract section 1. HMAC-SHA1 has been
removed from current lines.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

INTEGRATION, ADMINISTRATOR = 1, 2  # kinds of users, as bulk operations tell them
ADMIN_TOKEN_LIFE_S = 4 * 3600  # the default; "Admin Token Lifetime (hours)"
TIME_DEVIATION_S = 600  # how far a timestamp may be ahead; one that is behind is not looked at
NONCES_MAX = 200_000
ADMIN_FAILURES_MAX = 6  # assumption: the default of "Maximum Login Failures to Lock Out Account"
REQUIRED = '"%fieldName" is required. Enter and try again.'
_PART = re.compile(r'\s*([A-Za-z_]+)="([^"]*)"\s*')
_REQUIRED = (
    "oauth_consumer_key",
    "oauth_signature",
    "oauth_signature_method",
    "oauth_nonce",
    "oauth_timestamp",
    "oauth_token",
)


class Refused(Exception):
    """Why a credential was not taken.

    ``status`` and ``message`` are what the vendor answers to a signature that is wrong; without a message it says only that
    the caller is not authorized (magento2: Framework/Oauth/Oauth, Framework/Webapi/ErrorProcessor).
    """

    def __init__(
        self,
        why: str,
        message: str = "",
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        status: int = 401,
    ) -> None:
        super().__init__(why)
        self.status, self.message, self.parameters = status, message, parameters


@dataclass(frozen=True, slots=True)
class Integration:
    """The four values that the Admin shows for an integration."""

    consumer_key: str = "ck-simulated-0123456789abcdef0123"
    consumer_secret: str = "cs-simulated-0123456789abcdef0123"  # noqa: S105 - a made-up one
    access_token: str = "at-simulated-0123456789abcdef0123"  # noqa: S105 - a made-up one
    access_token_secret: str = "as-simulated-0123456789abcdef0123"  # noqa: S105 - a made-up one


@dataclass(slots=True)
class Credentials:
    """Checks the ``Authorization`` header of a request, and hands out admin tokens.

    ``bearer``: whether an integration's access token may be sent as it is; off by default since 2.4.4.
    """

    rng: Random
    integration: Integration
    admins: dict[str, str]
    bearer: bool = False
    _nonces: dict[str, None] = field(default_factory=dict)
    _tokens: dict[str, int] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)

    def admin_token(self, username: object, password: object, now_ms: int) -> str:
        """A token for an administrator.

        Raises:
            Refused: wrong name or password, or locked after too many of them.
        """
        name = str(username)
        held = self.admins.get(name)
        if held is None or self._failures.get(name, 0) >= ADMIN_FAILURES_MAX:
            raise Refused("no such account, or it is locked")
        if not hmac.compare_digest(held.encode(), str(password).encode()):
            self._failures[name] = self._failures.get(name, 0) + 1
            raise Refused("wrong password")
        self._failures.pop(name, None)
        self._tokens = {token: until for token, until in self._tokens.items() if until > now_ms}
        token = "eyJraWQiOiIxIn0." + base64.urlsafe_b64encode(self.rng.randbytes(36)).decode()
        self._tokens[token] = now_ms + ADMIN_TOKEN_LIFE_S * 1000
        return token

    def forget_tokens(self) -> None:
        """End every admin token now."""
        self._tokens.clear()

    def check(self, header: str, method: str, url: str, query: str, now_ms: int) -> int:
        """Take a credential; says which kind of user it is.

        Raises:
            Refused: with the reason.
        """
        if header.startswith("Bearer "):
            token = header[7:]
            by_integration = self.bearer and hmac.compare_digest(
                token.encode(errors="replace"), self.integration.access_token.encode()
            )
            if not by_integration and self._tokens.get(token, 0) <= now_ms:
                raise Refused("the token is unknown or has expired")
            return INTEGRATION if by_integration else ADMINISTRATOR
        if not header.startswith("OAuth "):
            raise Refused("no credential")
        self._check_signature(_parts(header[6:]), method, url, query, now_ms)
        return INTEGRATION

    def _check_signature(self, given: dict[str, str], method: str, url: str, query: str, now_ms: int) -> None:
        for name in _REQUIRED:
            if not given.get(name):
                raise Refused(f"{name} is missing", REQUIRED, {"fieldName": name}, 400)
        if given.get("oauth_version", "1.0") != "1.0":
            words = 'The "%1" Oauth version isn\'t supported.'
            raise Refused("the version is not supported", words, [given["oauth_version"]], 400)
        if given["oauth_signature_method"] != "HMAC-SHA256":
            words = "Signature method %1 is not supported"
            raise Refused(
                "the signature method is not supported", words, [given["oauth_signature_method"]], 400
            )
        held = self.integration
        if given["oauth_consumer_key"] != held.consumer_key:
            raise Refused("the consumer is unknown", "A consumer having the specified key does not exist")
        if not given["oauth_timestamp"].isdigit() or not (
            0 < int(given["oauth_timestamp"]) <= now_ms // 1000 + TIME_DEVIATION_S
        ):
            words = "The timestamp value in the oauth_timestamp parameter is incorrect."
            raise Refused("the timestamp is incorrect", words)
        if given["oauth_nonce"] in self._nonces:
            words = "The nonce is already being used by the consumer with ID %1."
            raise Refused("the nonce is already being used", words, [1])
        # It is noted before the signature is looked at.
        if len(self._nonces) >= NONCES_MAX:
            self._nonces.pop(next(iter(self._nonces)))
        self._nonces[given["oauth_nonce"]] = None
        if given["oauth_token"] != held.access_token:
            raise Refused("the token is unknown", "Specified token does not exist")
        signed = [(k, v) for k, v in given.items() if k not in {"oauth_signature", "realm"}]
        signed += parse_qsl(query, keep_blank_values=True)
        encoded = sorted((_quote(k), _quote(v)) for k, v in signed)
        base = "&".join((method.upper(), _quote(url), _quote("&".join(f"{k}={v}" for k, v in encoded))))
        key = f"{_quote(held.consumer_secret)}&{_quote(held.access_token_secret)}"
        digest = base64.b64encode(hmac.digest(key.encode(), base.encode(), "sha256")).decode()
        if not hmac.compare_digest(digest.encode(), given["oauth_signature"].encode(errors="replace")):
            raise Refused("the signature is invalid", "The signature is invalid. Verify and try again.")


def _parts(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for piece in text.split(","):
        match = _PART.fullmatch(piece)
        if match is None or match[1] in found:
            raise Refused("the header is malformed")
        found[match[1]] = unquote(match[2])
    return found


def _quote(text: str) -> str:
    return quote(text, safe="-._~")
