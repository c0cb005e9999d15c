"""What goes into ``Authorization``: a token by OAuth 2.0 client credentials, or a signature of each call (TBA).

NetSuite help: section_162755359851 (client credentials), section_1534941088 (Token-Based Authentication, which is
OAuth 1.0a). No new TBA integration can be made from 2027.1 (section_0525020842); accounts that have one may keep it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.model.errors import Misconfigured
from syncline.ports import Clock, Expiry, Transport
from syncline.sdk.ends import Validity, midnight_ms, validity_of
from syncline.sdk.oauth1 import Keys, authorization
from syncline.sdk.tokens import KeptToken

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - a path
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE_S = 300  # at most 3600; short, because an assertion is used once, at once
RSA_BITS = (3072, 4096)
# "If the certificate is valid for a longer time period, the system automatically shortens the validity to two years"
# (subsect_162755332391). From when it counts them is not said; a certificate cannot be uploaded before it is made.
LIFE_MS_MAX = 2 * 365 * 86_400_000

Signer = Callable[[bytes], bytes]
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "ES256": hashes.SHA256(),
    "ES384": hashes.SHA384(),
    "ES512": hashes.SHA512(),
}
_CURVES = {"secp256r1": ("ES256", 32), "secp384r1": ("ES384", 48), "secp521r1": ("ES512", 66)}


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def load_signer(private_key: str) -> tuple[str, Signer]:
    """Read a private key and choose the algorithm that fits it: PS256, or ES256/384/512 by curve.

    RS256 is what most libraries default to and is not in the vendor's list (section_162755359851).

    Raises:
        Misconfigured: not a key that the vendor accepts.
    """
    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause is left out: its text may quote the key.
        raise Misconfigured("netsuite.private_key is not an unencrypted PEM private key.") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size not in RSA_BITS:
            raise Misconfigured("netsuite.private_key: NetSuite accepts RSA keys of 3072 or 4096 bits.")
        rsa_key = key
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
        return "PS256", lambda data: rsa_key.sign(data, pss, hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        ec_key = key
        algorithm, size = _CURVES[key.curve.name]

        def sign(data: bytes) -> bytes:
            # JWS wants r and s side by side (RFC 7518 section 3.4), not the DER pair.
            r, s = decode_dss_signature(ec_key.sign(data, ec.ECDSA(_HASHES[algorithm])))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")

        return algorithm, sign
    raise Misconfigured("netsuite.private_key: NetSuite accepts RSA and EC (P-256, P-384, P-521) keys only.")


def expiries_of(settings: NetSuiteSettings) -> tuple[Expiry, ...]:
    """When the certificate ends, where it or its day is configured. Tokens of TBA last until they are revoked.

    Raises:
        Misconfigured: what is configured is no certificate, or that of another key.
    """
    if settings.auth == "tba":
        return ()
    held = _held(settings) if settings.certificate else None
    end_ms, known_by = 0, ""
    if settings.certificate_expires is not None:
        end_ms, known_by = midnight_ms(settings.certificate_expires), "certificate_expires"
    elif held is not None:
        end_ms, known_by = held.until_ms, "the certificate"
        if held.from_ms + LIFE_MS_MAX < end_ms:
            end_ms, known_by = held.from_ms + LIFE_MS_MAX, "NetSuite's two years"
    mend = (
        "Upload a new one under Setup > Integration > OAuth 2.0 Client Credentials Setup and set certificate_id, "
        "private_key and certificate together."
    )
    return (Expiry("certificate", end_ms, known_by, mend),) if known_by else ()


def _held(settings: NetSuiteSettings) -> Validity:
    try:
        held = validity_of(settings.certificate)
    except ValueError as error:
        raise Misconfigured(f"netsuite.certificate is {error}.") from None
    if held.public_key != _public_key(settings.private_key):
        raise Misconfigured("netsuite.certificate is not the one of netsuite.private_key.")
    return held


def _public_key(private_key: str) -> bytes:
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


class Credential:
    """Makes the header of each call."""

    def __init__(self, settings: NetSuiteSettings, clock: Clock, rng: Random, transport: Transport) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._url = settings.root + TOKEN_PATH
        self._tokens: KeptToken | None = None
        if settings.auth == "tba":
            return
        self._algorithm, self._sign = load_signer(settings.private_key)
        self._tokens = KeptToken(
            clock,
            transport,
            who="NetSuite's token endpoint",
            url=self._url,
            form=self._form,
            refused=_refused,
        )

    async def header(self, method: str, url: str) -> str:
        """The header for one call; a signature is good for this call only.

        Raises:
            AuthExpired: the credential is refused.
            Retryable, Throttled: no token could be had now; nothing was sent to any record.
        """
        return self._signed(method, url) if self._tokens is None else f"Bearer {await self._tokens.token()}"

    async def again(self, refused: str, method: str, url: str) -> str:
        """Another header for a call that was refused with one."""
        if self._tokens is None:
            return self._signed(method, url)
        return f"Bearer {await self._tokens.renew(refused.removeprefix('Bearer '))}"

    async def try_out(self) -> None:
        """Get a token, where there are any, for a check."""
        if self._tokens is not None:
            await self._tokens.token()

    def _signed(self, method: str, url: str) -> str:
        held = self._settings
        keys = Keys(held.consumer_key, held.consumer_secret, held.token_id, held.token_secret)
        # The realm is the account as the product shows it, with its underscore (section_1534941295).
        return authorization(
            keys,
            method,
            url,
            timestamp_s=self._clock.now_ms() // 1000,
            nonce=f"{self._rng.getrandbits(128):032x}",
            realm=held.account,
        )

    def assertion(self) -> str:
        """A signed JWT, valid once for a few minutes (section_162755359851)."""
        now_ms = self._clock.now_ms()
        now_s = now_ms // 1000
        header = {"typ": "JWT", "alg": self._algorithm, "kid": self._settings.certificate_id}
        claims = {
            "iss": self._settings.client_id,
            "scope": ["rest_webservices"],
            "aud": self._url,
            "iat": now_s,
            "exp": now_s + ASSERTION_LIFE_S,
            # The time keeps it unique where a restart repeats the seed.
            "jti": f"{now_ms:x}-{self._rng.getrandbits(96):024x}",
        }
        signed = ".".join(_b64url(msgspec.json.encode(part)) for part in (header, claims))
        return f"{signed}.{_b64url(self._sign(signed.encode()))}"

    def _form(self) -> bytes:
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(),
        }
        return urlencode(fields).encode()


def _refused(status: int, answer: dict[str, Any]) -> str:
    # Bad, expired or unknown assertion: invalid_grant (the status is unsure, so 400, 401 and 403 count).
    reason = str(answer.get("error") or answer.get("title") or "no reason given")[:100]
    return (
        f"NetSuite refused the client credentials ({status} {reason}): check client_id, certificate_id and private_key, "
        "the certificate's two years, and this machine's clock."
    )
