"""Commerce Webhooks: a checkout that asks somebody first, and does as it is told.

Contract section 10. The signature is RSA-SHA256 over the **base64 of the raw body**, in base64, in
``x-adobe-commerce-webhook-signature``; the vendor's page calls it an HMAC, its sample verifies with a public key. It is
off by default. A required hook that does not answer stops the buyer; an optional one is passed over.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from syncline.model.errors import SynclineError
from syncline.ports import Clock, Late, Request, Response, Transport, within

OPERATIONS = frozenset({"success", "exception", "add", "replace", "remove"})
FALLBACK = "Cannot perform the operation due to an error."
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Hook:
    """One configured hook, before an order is placed. ``timeout_ms`` of 0: none."""

    url: str
    required: bool = True
    timeout_ms: int = 1000
    fallback: str = FALLBACK
    signing_key: rsa.RSAPrivateKey | None = None


async def ask(hook: Hook, payload: dict[str, Any], clock: Clock, transport: Transport) -> str:
    """Ask a hook; returns the words that stop the buyer, or nothing."""
    body = _encode(payload)
    headers = {"Content-Type": "application/json"}
    if hook.signing_key is not None:
        signed = hook.signing_key.sign(base64.b64encode(body), padding.PKCS1v15(), hashes.SHA256())
        headers["x-adobe-commerce-webhook-signature"] = base64.b64encode(signed).decode()
    answer = await _answer(Request("POST", hook.url, headers, body), hook.timeout_ms, clock, transport)
    operations = _operations(answer)
    if operations is None:
        return hook.fallback if hook.required else ""
    for operation in operations:
        if operation["op"] == "exception":
            return str(operation.get("message") or hook.fallback)
    return ""


async def _answer(request: Request, timeout_ms: int, clock: Clock, transport: Transport) -> Response | None:
    sending = transport.send(request)
    try:
        return await (within(clock, timeout_ms / 1000, sending) if timeout_ms else sending)
    except (Late, SynclineError, OSError):
        return None


def _operations(answer: Response | None) -> list[dict[str, Any]] | None:
    """One operation or a list of them; ``None`` for an answer that is neither, or no success."""
    if answer is None or not 200 <= answer.status < 300:
        return None
    try:
        told = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    rows = told if isinstance(told, list) else [told]
    if not all(isinstance(row, dict) and row.get("op") in OPERATIONS for row in rows):
        return None
    return rows
