"""Making a shop ready: webhook subscriptions, and a check that says how to mend what is missing."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.manifest import SCOPES, ShopifySettings
from syncline.model.errors import Rejected, Retryable, SynclineError

PAGES_MAX = 50


class _Subscription(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    topic: str
    uri: str
    filter: str | None = None
    include_fields: tuple[str, ...] = ()

    @property
    def narrowed(self) -> bool:
        """Whether it leaves out events, or parts of them."""
        return bool(self.filter or self.include_fields)


class _Subscriptions(Struct, frozen=True, rename="camel"):
    webhook_subscriptions: wire.Connection[_Subscription]


class _Written(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]


class _Subscribed(Struct, frozen=True, rename="camel"):
    webhook_subscription_create: _Written | None = None
    webhook_subscription_update: _Written | None = None


class _ShopFacts(Struct, frozen=True, rename="camel"):
    name: str
    currency_code: wire.Currency
    myshopify_domain: str
    iana_timezone: str = ""


class _Shop(Struct, frozen=True):
    shop: _ShopFacts


class _Scope(Struct, frozen=True):
    handle: str


class _Installation(Struct, frozen=True, rename="camel"):
    access_scopes: tuple[_Scope, ...]


class _Scopes(Struct, frozen=True, rename="camel"):
    current_app_installation: _Installation


class Setup:
    """``prepare`` and ``check`` of one shop."""

    def __init__(self, settings: ShopifySettings, client: Client) -> None:
        self._settings = settings
        self._client = client

    async def prepare(self, public_url: str) -> list[str]:
        """Make sure that every topic we need is sent to ``public_url``; returns what was done.

        Repeating it changes nothing. A subscription of the same topic that names another web address
        is pointed here, and one that leaves anything out tells all again; queues (EventBridge, Pub/Sub) are left alone.

        Raises:
            Rejected: Shopify refused an address or topic.
        """
        held = await self._subscriptions()
        done = []
        for topic in self._settings.topics:
            ours = [entry for entry in held if entry.topic == topic]
            if any(entry.uri == public_url and not entry.narrowed for entry in ours):
                continue
            wrong = [entry for entry in ours if entry.uri.startswith(("https://", "http://"))]
            wrong.sort(key=lambda entry: entry.uri != public_url)
            subscription: dict[str, Any] = {"uri": public_url, "format": "JSON"}
            if wrong:
                change: dict[str, Any] = {"uri": public_url}
                if wrong[0].narrowed:
                    change |= {"filter": "", "includeFields": None}
                answer = await self._client.call(
                    documents.RESUBSCRIBE, {"id": wrong[0].id, "subscription": change}, _Subscribed
                )
                written = answer.webhook_subscription_update
                here = wrong[0].uri == public_url
                done.append(f"{topic}: tells all again" if here else f"{topic}: moved from {wrong[0].uri}")
            else:
                answer = await self._client.call(
                    documents.SUBSCRIBE, {"topic": topic, "subscription": subscription}, _Subscribed
                )
                written = answer.webhook_subscription_create
                done.append(f"{topic}: subscribed")
            if written is None or written.user_errors:
                words = "; ".join(error.message for error in written.user_errors) if written else "no answer"
                raise Rejected(f"Shopify refused to send {topic} to {public_url}: {words}")
        return done

    async def check(self) -> list[tuple[str, bool, str]]:
        """What works and what does not: (what, ok, how to mend)."""
        try:
            shop = (await self._client.call(documents.SHOP, {}, _Shop, urgent=True)).shop
        except SynclineError as error:
            return [("access token", False, str(error))]
        settings = self._settings
        served = self._client.version_served or settings.api_version
        found = [
            (f"access token: {shop.name} ({shop.currency_code}, {shop.iana_timezone})", True, ""),
            (
                f"shop {settings.shop}",
                shop.myshopify_domain.lower() == settings.shop.lower(),
                f"the token belongs to {shop.myshopify_domain}: set shop to it, or use that shop's token",
            ),
            (
                f"API version {settings.api_version}",
                served == settings.api_version,
                f"Shopify answers with {served}: set api_version to a supported version",
            ),
            (
                "webhook secrets",
                bool(settings.signing_secrets),
                "set webhook_secrets to the app's client secret; without it only polling works",
            ),
        ]
        found.append(await self._check_scopes())
        found.append(await self._check_subscriptions())
        return [(what, ok, "" if ok else mend) for what, ok, mend in found]

    async def _check_scopes(self) -> tuple[str, bool, str]:
        try:
            answer = await self._client.call(documents.SCOPES_GRANTED, {}, _Scopes, urgent=True)
        except SynclineError as error:
            return ("scopes", False, str(error))
        granted = {scope.handle for scope in answer.current_app_installation.access_scopes}
        # A write scope includes reading (https://shopify.dev/docs/api/usage/access-scopes).
        missing = [
            scope
            for scope in SCOPES
            if scope not in granted and scope.replace("read_", "write_", 1) not in granted
        ]
        return ("scopes", not missing, f"grant {', '.join(missing)} to the app and reinstall it")

    async def _check_subscriptions(self) -> tuple[str, bool, str]:
        try:
            held = {entry.topic for entry in await self._subscriptions() if not entry.narrowed}
        except SynclineError as error:
            return ("webhook subscriptions", False, str(error))
        missing = [topic for topic in self._settings.topics if topic not in held]
        return (
            "webhook subscriptions",
            not missing,
            f"{', '.join(missing)} are not sent to us, or not all of them: start Syncline with its public URL, it subscribes by itself",
        )

    async def _subscriptions(self) -> list[_Subscription]:
        held: list[_Subscription] = []
        after: str | None = None
        for _ in range(PAGES_MAX):
            answer = await self._client.call(documents.SUBSCRIPTIONS, {"after": after}, _Subscriptions)
            page = answer.webhook_subscriptions
            held.extend(page.nodes)
            if not page.page_info.has_next_page or not page.page_info.end_cursor:
                return held
            after = page.page_info.end_cursor
        raise Retryable(f"listing webhook subscriptions did not end after {PAGES_MAX} pages")
