"""Public keys by which a shop, or Adobe I/O for it, signs what it sends."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from syncline.model.errors import Misconfigured


def load_keys(keys: Sequence[str], field: str = "event_public_keys") -> tuple[rsa.RSAPublicKey, ...]:
    """The keys of a setting.

    Raises:
        Misconfigured: one is no RSA public key.
    """
    found = []
    for text in keys:
        try:
            key = serialization.load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, rsa.RSAPublicKey):
            where = (
                "static.adobeioevents.com serves them"
                if field == "event_public_keys"
                else "the shop's Stores > Configuration > Webhooks shows it"
            )
            raise Misconfigured(f"{field}: each must be an RSA public key as PEM, as {where}")
        found.append(key)
    return tuple(found)
