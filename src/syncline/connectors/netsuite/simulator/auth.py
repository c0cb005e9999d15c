"""Who may call: OAuth 2.0 client credentials with a signed assertion, and OAuth 1.0a (TBA).

Rules: contract sheet section 2 (NS:section_162755359851, section_162790605110, section_1534941088,
section_1534939551). Where the sheet says *unsure* the comment here does too.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - a path, not a secret
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_LIFE_S = 3600
ASSERTION_LIFE_S_MAX = 3600
CLOCK_SKEW_S_MAX = 300  # OAuth 1 timestamps; for ``iat`` in the future it is an assumption
LOCK_AFTER_FAILURES = 5
LOCK_MS = 30 * 60_000
SCOPES = ("restlets", "rest_webservices", "suite_analytics")

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVE_BYTES = {"256": 32, "384": 48, "512": 66}


def make_certificate(kid: str = "demo-cert-1") -> tuple[str, str, str]:
    """Make an EC P-256 key pair for demos and tests.

    Returns:
        The private key PEM, the public key PEM, and ``kid``: the id that the product shows after a
        certificate is uploaded. Keys are not seeded; nothing in a run depends on their bytes.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM,
        serialization.PublicFormat.SubjectPublicKeyInfo,
    )
    return private.decode(), public.decode(), kid


class Refused(Exception):
    """Why a login failed."""


def _b64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise Refused("malformed assertion") from error


def load_public_key(pem: str) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """Read a public key or an X.509 certificate.

    Raises:
        ValueError: not a key type or size that the product accepts.
    """
    data = pem.encode()
    key = (
        x509.load_pem_x509_certificate(data).public_key()
        if b"BEGIN CERTIFICATE" in data
        else serialization.load_pem_public_key(data)
    )
    if isinstance(key, rsa.RSAPublicKey) and key.key_size not in (3072, 4096):
        raise ValueError("NetSuite accepts RSA keys of 3072 or 4096 bits only.")
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("NetSuite accepts RSA and EC certificates only.")  # noqa: TRY004 - the value of the PEM
    return key


def _verify(key: Any, algorithm: str, signed: bytes, signature: bytes) -> None:
    digest = _HASHES[algorithm[2:]]
    try:
        if algorithm.startswith("ES"):
            size = _CURVE_BYTES[algorithm[2:]]
            if not isinstance(key, ec.EllipticCurvePublicKey) or len(signature) != 2 * size:
                raise Refused("algorithm does not fit the certificate")
            if (key.key_size + 7) // 8 != size:
                raise Refused("algorithm does not fit the certificate")
            r = int.from_bytes(signature[:size], "big")
            s = int.from_bytes(signature[size:], "big")
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(digest))
            return
        if not isinstance(key, rsa.RSAPublicKey):
            raise Refused("algorithm does not fit the certificate")
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        key.verify(signature, signed, pss, digest)
    except InvalidSignature as error:
        raise Refused("bad signature") from error


@dataclass(slots=True)
class OAuth2:
    """Issues and checks access tokens."""

    rng: Random
    client_id: str
    keys: Mapping[str, Any]
    _tokens: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)

    def issue(self, form: bytes, audiences: tuple[str, ...], now_ms: int) -> dict[str, Any]:
        """Answer a token request.

        Raises:
            Refused: with the reason.
        """
        fields = dict(parse_qsl(form.decode("utf-8", "replace")))
        if fields.get("grant_type") != "client_credentials":
            raise Refused("unsupported grant type")
        if fields.get("client_assertion_type") != ASSERTION_TYPE:
            raise Refused("unsupported assertion type")
        scopes = self._check(fields.get("client_assertion", ""), audiences, now_ms)
        token = base64.urlsafe_b64encode(self.rng.randbytes(48)).decode()
        self._tokens = {t: v for t, v in self._tokens.items() if v[0] > now_ms}
        self._tokens[token] = (now_ms + TOKEN_LIFE_S * 1000, scopes)
        return {"access_token": token, "expires_in": TOKEN_LIFE_S, "token_type": "Bearer"}

    def _check(self, assertion: str, audiences: tuple[str, ...], now_ms: int) -> tuple[str, ...]:
        parts = assertion.split(".")
        if len(parts) != 3:
            raise Refused("malformed assertion")
        try:
            header = msgspec.json.decode(_b64url(parts[0]), type=dict[str, Any])
            claims = msgspec.json.decode(_b64url(parts[1]), type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise Refused("malformed assertion") from error
        algorithm = str(header.get("alg"))
        # RS256 is not in the vendor's list, although most OAuth libraries default to it.
        if algorithm[:2] not in ("PS", "ES") or algorithm[2:] not in _HASHES:
            raise Refused(f"algorithm {algorithm} is not accepted")
        if header.get("typ") != "JWT":
            raise Refused("typ must be JWT")
        key = self.keys.get(str(header.get("kid")))
        if key is None:
            raise Refused("unknown kid")
        _verify(key, algorithm, f"{parts[0]}.{parts[1]}".encode(), _b64url(parts[2]))
        if claims.get("iss") != self.client_id:
            raise Refused("unknown iss")
        if claims.get("aud") not in audiences:
            raise Refused("aud is not the token URL")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int):
            raise Refused("iat and exp are required")
        now_s = now_ms / 1000
        if expires <= now_s or expires - issued > ASSERTION_LIFE_S_MAX or expires <= issued:
            raise Refused("expired, or longer than 60 minutes")
        if issued > now_s + CLOCK_SKEW_S_MAX:
            raise Refused("issued in the future")
        # The documents' text says comma-separated, their sample is an array: both are accepted.
        scope = claims.get("scope")
        names = scope if isinstance(scope, list) else str(scope or "").split(",")
        scopes = tuple(str(name).strip() for name in names)
        if not scopes or any(name not in SCOPES for name in scopes):
            raise Refused("unknown scope")
        # A replayed jti is refused as any JWT bearer server does (RFC 7523 section 3); the vendor's
        # own rule is not documented: assumption.
        if (jti := claims.get("jti")) is not None:
            self._seen = {k: v for k, v in self._seen.items() if v > now_s}
            if str(jti) in self._seen:
                raise Refused("jti was used before")
            self._seen[str(jti)] = expires
        return scopes

    def holds(self, token: str, now_ms: int) -> bool:
        """Whether the token is alive and covers REST web services."""
        entry = self._tokens.get(token)
        return entry is not None and entry[0] > now_ms and "rest_webservices" in entry[1]

    def forget(self) -> None:
        """Revoke every token."""
        self._tokens.clear()


@dataclass(slots=True)
class OAuth1:
    """Checks Token-Based Authentication, HMAC-SHA256 only (SHA-1 went away in 2023.1)."""

    account: str
    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)
    _failures: int = 0
    _locked_until_ms: int = 0

    def check(self, header: str, method: str, url: str, query: str, now_ms: int) -> None:
        """Verify one request.

        Raises:
            Refused: with the login-audit name of the reason.
        """
        if now_ms < self._locked_until_ms:
            raise Refused("temporary_locked")
        try:
            self._check(header, method, url, query, now_ms)
        except Refused as reason:
            # Five bad logins lock the entity for 30 minutes (NS:section_1534939551). Only failures
            # of a known consumer and token can lock that entity.
            if str(reason) in ("InvalidSignature", "nonce_used", "InvalidTimestamp"):
                self._failures += 1
                if self._failures >= LOCK_AFTER_FAILURES:
                    self._failures, self._locked_until_ms = 0, now_ms + LOCK_MS
            raise
        self._failures = 0

    def _check(self, header: str, method: str, url: str, query: str, now_ms: int) -> None:
        given: dict[str, str] = {}
        for part in header[len("OAuth ") :].split(","):
            name, _, value = part.strip().partition("=")
            given[name] = unquote(value.strip('"'))
        if given.get("oauth_consumer_key") != self.consumer_key:
            raise Refused("consumer_key_unknown")
        if given.get("oauth_token") != self.token:
            raise Refused("token_rejected")
        # The realm is the account id with its underscore; its casing is unsure, so either is taken.
        if given.get("realm", "").upper() != self.account.upper():
            raise Refused("permission_denied")
        if given.get("oauth_signature_method") != "HMAC-SHA256":
            raise Refused("UnknownAlgorithm")
        if given.get("oauth_version", "1.0") != "1.0":
            raise Refused("VersionRejected")
        nonce, stamp = given.get("oauth_nonce", ""), given.get("oauth_timestamp", "")
        if not 6 <= len(nonce) <= 64:
            raise Refused("InvalidSignature")
        if not stamp.isdigit() or abs(int(stamp) - now_ms / 1000) > CLOCK_SKEW_S_MAX:
            raise Refused("InvalidTimestamp")
        if (nonce, stamp) in self._seen:
            raise Refused("nonce_used")
        expected = sign_oauth1(
            method,
            url,
            [*parse_qsl(query, keep_blank_values=True)],
            {k: v for k, v in given.items() if k.startswith("oauth_") and k != "oauth_signature"},
            self.consumer_secret,
            self.token_secret,
        )
        if not hmac.compare_digest(expected, given.get("oauth_signature", "")):
            raise Refused("InvalidSignature")
        horizon = now_ms // 1000 - 2 * CLOCK_SKEW_S_MAX
        if len(self._seen) > 10_000:
            self._seen = {k: v for k, v in self._seen.items() if v > horizon}
        self._seen[(nonce, stamp)] = int(stamp)


def sign_oauth1(
    method: str,
    url: str,
    query: list[tuple[str, str]],
    oauth: Mapping[str, str],
    consumer_secret: str,
    token_secret: str,
) -> str:
    """The OAuth 1.0a HMAC-SHA256 signature, base64 (RFC 5849 section 3.4).

    ``url`` has no query. Query parameters enter the base string, a JSON body and ``realm`` do not.
    """

    def enc(text: str) -> str:
        return quote(text, safe="-._~")

    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    host = host.lower()
    if (scheme.lower(), host[host.rfind(":") :]) in (("http", ":80"), ("https", ":443")):
        host = host[: host.rfind(":")]
    base_url = f"{scheme.lower()}://{host}{slash}{path}"
    pairs = sorted((enc(k), enc(v)) for k, v in [*query, *oauth.items()])
    joined = "&".join(f"{k}={v}" for k, v in pairs)
    base = "&".join((method.upper(), enc(base_url), enc(joined)))
    key = f"{enc(consumer_secret)}&{enc(token_secret)}"
    return base64.b64encode(hmac.digest(key.encode(), base.encode(), "sha256")).decode()
