"""When a credential ends, read from what it is: a certificate, a token that says so, a day that a person wrote down."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

JWT_CHARS_MAX = 16_384
SECONDS_MAX = 253_402_300_799  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate holds, in UTC, and its public key (DER)."""

    from_ms: int
    until_ms: int
    public_key: bytes


def midnight_ms(day: date) -> int:
    """The beginning of a day, in UTC: the careful reading of "it ends on that day"."""
    return round(datetime.combine(day, time(), UTC).timestamp() * 1000)


def validity_of(pem: str) -> Validity:
    """What a certificate in PEM says of itself; of several the first, which is the holder's own.

    Raises:
        ValueError: it is none.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm):
        raise ValueError("not a certificate in PEM") from None
    return Validity(
        round(certificate.not_valid_before_utc.timestamp() * 1000),
        round(certificate.not_valid_after_utc.timestamp() * 1000),
        key,
    )


class _Claims(msgspec.Struct):
    exp: Any = None


def jwt_end_ms(token: str) -> int | None:
    """When a JSON Web Token ends by its own word (``exp``, RFC 7519 section 4.1.4); ``None`` if it says nothing, or is none.

    The signature is not looked at: the token is ours, and what it says only decides when somebody is warned.
    """
    parts = token.split(".")
    if len(parts) != 3 or len(token) > JWT_CHARS_MAX:
        return None
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        exp = msgspec.json.decode(body, type=_Claims).exp
    except (ValueError, msgspec.DecodeError):
        return None
    # A boolean is a number to Python, and no moment to anybody.
    if isinstance(exp, bool) or not isinstance(exp, int | float) or not 0 < exp <= SECONDS_MAX:
        return None
    return round(exp * 1000)
