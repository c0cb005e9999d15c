"""Access tokens by OAuth 2.0 client credentials at Microsoft Entra.

Microsoft, "Using service-to-service authentication": scope ``…/.default``, an hour's life, no refresh token.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from syncline.connectors.business_central.manifest import API, BusinessCentralSettings
from syncline.ports import Clock, Expiry, Transport
from syncline.sdk.ends import midnight_ms
from syncline.sdk.tokens import KeptToken

SCOPE = f"{API}/.default"


def token_of(settings: BusinessCentralSettings, clock: Clock, transport: Transport) -> KeptToken:
    """The token of one application's credentials."""
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            "scope": SCOPE,
        }
    ).encode()
    return KeptToken(
        clock,
        transport,
        who="Microsoft Entra",
        url=settings.token_url,
        form=lambda: form,
        refused=_refused,
    )


def _refused(status: int, answer: dict[str, Any]) -> str:
    # Only the error's name and number: the description may quote what was sent.
    codes = answer.get("error_codes") or ()
    named = ", ".join(f"AADSTS{code}" for code in codes if isinstance(code, int))
    return (
        f"Microsoft Entra refused the client credentials ({status} {str(answer.get('error', ''))[:60]} {named}): check "
        "tenant, client_id and client_secret, and whether the secret has expired."
    )


def expiries_of(settings: BusinessCentralSettings) -> tuple[Expiry, ...]:
    """When the client secret ends, where its day is configured. Entra lets it live for two years at most."""
    if settings.client_secret_expires is None:
        return ()
    mend = (
        "Add a new client secret under Certificates & secrets of the app registration, and set client_secret and "
        "client_secret_expires together."
    )
    return (
        Expiry("client secret", midnight_ms(settings.client_secret_expires), "client_secret_expires", mend),
    )
