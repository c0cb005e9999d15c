"""Signature Version 4 as the store checks it.

Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single
Chunk", "Error Responses".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

SKEW_S_MAX = 15 * 60
_FORM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([a-z0-9-]+)/s3/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


class BadSignature(Exception):
    """Why a request is refused: the code and the words of the documents."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def check(
    method: str,
    raw_path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    access_key: str,
    secret_key: str,
    region: str,
    now_ms: int,
) -> None:
    """Whether a request is signed by the holder of the key.

    Raises:
        BadSignature: it is not, or it may have been altered.
    """
    match = _FORM.fullmatch(headers.get("authorization", ""))
    if match is None:
        raise BadSignature("AccessDenied", "Access Denied")
    key_id, day, named_region, names, signature = match.groups()
    if key_id != access_key:
        raise BadSignature(
            "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
        )
    stamp = headers.get("x-amz-date", "")
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BadSignature(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        ) from None
    if abs(at.timestamp() - now_ms / 1000) > SKEW_S_MAX:
        raise BadSignature(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
    signed = names.split(";")
    left_out = [n for n in headers if (n == "host" or n.startswith("x-amz-")) and n not in signed]
    if left_out or signed != sorted(signed):
        raise BadSignature("AccessDenied", "There were headers present in the request which were not signed")
    if headers.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
        raise BadSignature(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    pairs = sorted(
        (quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, keep_blank_values=True)
    )
    canonical = "\n".join(
        [
            method,
            raw_path,
            "&".join(f"{k}={v}" for k, v in pairs),
            *[f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed],
            "",
            names,
            headers["x-amz-content-sha256"],
        ]
    )
    scope = f"{day}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    secret = ("AWS4" + secret_key).encode()
    for part in (day, region, "s3", "aws4_request"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    if named_region != region or not hmac.compare_digest(expected, signature):
        raise BadSignature(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        )
