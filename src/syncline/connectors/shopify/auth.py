"""Access tokens of an app made in the Dev Dashboard: asked for with its client id and secret, good for a day.

Since 2026 no other kind of app can be made for a shop of one's own; those made before keep the token that lasts.

Shopify, "Using the client credentials grant": https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from syncline.connectors.shopify.manifest import ShopifySettings
from syncline.ports import Clock, Transport
from syncline.sdk.tokens import KeptToken

LIFE_S_MAX = 86_400


def token_of(settings: ShopifySettings, clock: Clock, transport: Transport) -> KeptToken | None:
    """The token of an app's credentials; ``None`` where one that lasts is configured."""
    if settings.access_token:
        return None
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
        }
    ).encode()
    return KeptToken(
        clock,
        transport,
        who="Shopify",
        url=f"{settings.origin}/admin/oauth/access_token",
        form=lambda: form,
        refused=_refused,
        life_s_max=LIFE_S_MAX,
    )


def _refused(status: int, answer: dict[str, Any]) -> str:
    # Only the error's name: its description may quote what was sent.
    return (
        f"Shopify refused the client credentials ({status} {str(answer.get('error', ''))[:60]}): check client_id and "
        "client_secret, and that the app is installed in this shop and belongs to the same organization"
    )
