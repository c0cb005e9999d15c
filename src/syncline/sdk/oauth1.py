"""OAuth 1.0a signatures with HMAC-SHA256 (RFC 5849), for vendors whose integrations sign every call."""

from __future__ import annotations

import base64
import hmac
from urllib.parse import parse_qsl, quote, urlsplit

from msgspec import Struct

METHOD = "HMAC-SHA256"


class Keys(Struct, frozen=True):
    """The two pairs that a vendor gives: of the application, and of who it acts for."""

    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str


def signature(keys: Keys, method: str, url: str, *, timestamp_s: int | str, nonce: str) -> str:
    """The signature of one request, base64 (RFC 5849 section 3.4).

    Every parameter of the query in ``url`` enters the base string; ``realm`` and a body that is not a form do not.
    """
    parts = urlsplit(url)
    address = f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"
    pairs = [*_protocol(keys, timestamp_s, nonce).items(), *parse_qsl(parts.query, keep_blank_values=True)]
    joined = "&".join(f"{name}={value}" for name, value in sorted((escape(k), escape(v)) for k, v in pairs))
    base = "&".join((method.upper(), escape(address), escape(joined)))
    key = f"{escape(keys.consumer_secret)}&{escape(keys.token_secret)}"
    return base64.b64encode(hmac.digest(key.encode(), base.encode(), "sha256")).decode()


def authorization(
    keys: Keys, method: str, url: str, *, timestamp_s: int | str, nonce: str, realm: str = ""
) -> str:
    """The ``Authorization`` header of one request; it is good for this request only."""
    fields = {"realm": realm} if realm else {}
    fields |= _protocol(keys, timestamp_s, nonce)
    fields["oauth_signature"] = signature(keys, method, url, timestamp_s=timestamp_s, nonce=nonce)
    return "OAuth " + ", ".join(f'{name}="{escape(value)}"' for name, value in fields.items())


def escape(text: str) -> str:
    """Percent-encoding as RFC 5849 section 3.6 wants it: everything but unreserved characters."""
    return quote(text, safe="-._~")


def _protocol(keys: Keys, timestamp_s: int | str, nonce: str) -> dict[str, str]:
    return {
        "oauth_consumer_key": keys.consumer_key,
        "oauth_nonce": nonce,
        "oauth_signature_method": METHOD,
        "oauth_timestamp": str(timestamp_s),
        "oauth_token": keys.token,
        "oauth_version": "1.0",
    }
