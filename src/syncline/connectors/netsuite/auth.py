"""Access tokens by OAuth 2.0 client credentials, and the older Token-Based Authentication signature.

NetSuite help: section_162755359851 (client credentials), section_1534941088 (TBA). No new TBA
integration can be made from 2027.1 (section_0525020842), so only its signature is kept here.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.model.errors import AuthExpired, Misconfigured, OutcomeUnknown, Retryable, Throttled
from syncline.ports import Clock, Request, Transport

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - a path
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE_S = 300  # at most 3600; short, because an assertion is used once, at once
TOKEN_LIFE_S = 3600
TOKEN_LIFE_S_MIN = 60
RENEW_BEFORE_S = 300  # of the token's hour: a call under way must not outlive it
RSA_BITS = (3072, 4096)

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


class Tokens:
    """Keeps one access token alive. Safe for any number of tasks: only one asks at a time.

    There is no refresh token: a new assertion is made each time (section_162755332391).
    """

    def __init__(self, settings: NetSuiteSettings, clock: Clock, rng: Random, transport: Transport) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._transport = transport
        self._url = settings.root + TOKEN_PATH
        self._algorithm, self._sign = load_signer(settings.private_key)
        self._token = ""
        self._renew_at = 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """A token with some life left.

        Raises:
            AuthExpired: the credential is refused.
            Retryable, Throttled: no token could be had now; nothing was sent to any record.
        """
        if self._fresh():
            return self._token
        async with self._asking:
            if not self._fresh():
                await self._ask()
            return self._token

    async def renew(self, refused: str) -> str:
        """A token other than ``refused``; whoever comes second gets the one that the first fetched."""
        async with self._asking:
            if self._token == refused or not self._fresh():
                await self._ask()
            return self._token

    def _fresh(self) -> bool:
        return bool(self._token) and self._clock.monotonic() < self._renew_at

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

    async def _ask(self) -> None:
        form = urlencode(
            {
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self.assertion(),
            },
        )
        request = Request(
            "POST",
            self._url,
            {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            form.encode(),
            timeout_s=30.0,
        )
        began = self._clock.monotonic()
        try:
            response = await self._transport.send(request)
        except OutcomeUnknown as error:
            raise Retryable("NetSuite's token endpoint did not answer.") from error
        answer = _object(response.body)
        if response.status == 429:
            raise Throttled("NetSuite's token endpoint asked us to slow down.")
        if response.status in (400, 401, 403):
            # Bad, expired or unknown assertion: invalid_grant (the status is unsure, so all three count).
            reason = str(answer.get("error") or answer.get("title") or "no reason given")[:100]
            raise AuthExpired(
                f"NetSuite refused the client credentials ({response.status} {reason}): check client_id, "
                "certificate_id and private_key, the certificate's two years, and this machine's clock.",
            )
        token = answer.get("access_token")
        if response.status != 200 or not isinstance(token, str) or not token:
            raise Retryable(f"NetSuite's token endpoint answered {response.status} without a token.")
        self._token = token
        life = max(TOKEN_LIFE_S_MIN, _seconds(answer.get("expires_in")))
        self._renew_at = began + max(life - RENEW_BEFORE_S, life / 2)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(value: Any) -> int:
    # A number or a string: the documents disagree, so both are read.
    try:
        return min(int(value), TOKEN_LIFE_S)
    except (TypeError, ValueError, OverflowError):
        return TOKEN_LIFE_S


def tba_signature(
    method: str,
    url: str,
    *,
    consumer_key: str,
    consumer_secret: str,
    token: str,
    token_secret: str,
    nonce: str,
    timestamp: str,
) -> str:
    """The OAuth 1.0a HMAC-SHA256 signature of one request, base64.

    Every query parameter enters the base string; ``realm`` and a JSON body do not
    (section_1534941088). Proved by that page's vectors in the tests.
    """
    parts = urlsplit(url)
    base_url = f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"
    pairs = [
        *parse_qsl(parts.query, keep_blank_values=True),
        ("oauth_consumer_key", consumer_key),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "HMAC-SHA256"),
        ("oauth_timestamp", timestamp),
        ("oauth_token", token),
        ("oauth_version", "1.0"),
    ]
    joined = "&".join(f"{name}={value}" for name, value in sorted((_enc(k), _enc(v)) for k, v in pairs))
    base = "&".join((method.upper(), _enc(base_url), _enc(joined)))
    key = f"{_enc(consumer_secret)}&{_enc(token_secret)}"
    return base64.b64encode(hmac.digest(key.encode(), base.encode(), "sha256")).decode()


def tba_header(
    account: str, signature: str, *, consumer_key: str, token: str, nonce: str, timestamp: str
) -> str:
    """The ``Authorization`` header that carries a ``tba_signature``. The realm keeps the underscore."""
    fields = {
        "realm": account,
        "oauth_consumer_key": consumer_key,
        "oauth_token": token,
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": timestamp,
        "oauth_nonce": nonce,
        "oauth_version": "1.0",
        "oauth_signature": signature,
    }
    return "OAuth " + ", ".join(f'{name}="{_enc(value)}"' for name, value in fields.items())


def _enc(text: str) -> str:
    return quote(text, safe="-._~")
