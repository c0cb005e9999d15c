"""Translations of products, and the publications in which they are shown.

Both set what they name and may be made again. A catalog of companies publishes through a publication, as a sales channel does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from syncline.connectors.shopify import productdocs as documents
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.documents import Document
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, SynclineError, Throttled
from syncline.model.payloads import SetListing, SetWording
from syncline.sdk.outcomes import outcome_of

KEYS = {"title": "title", "description": "body_html"}  # ours to Shopify's
CHANGED_S = 1.0  # until a translation is written again whose text was changed meanwhile
UNKNOWN_S = 60.0  # until it is looked again whether the product is there
DONE = Outcome(Result.DONE)
NOT_THERE = Outcome(Result.WAIT, "the shop does not have the product yet", retry_after_s=UNKNOWN_S)


class _Written(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]


class _Content(Struct, frozen=True):
    key: str
    digest: str | None = None


class _Resource(Struct, frozen=True, rename="camel"):
    translatable_content: tuple[_Content, ...]


class _Translatable(Struct, frozen=True, rename="camel"):
    translatable_resource: _Resource | None = None


class ListingWriter:
    """Writes one shop's translations and publications."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def translate(self, items: Sequence[Item]) -> list[Outcome]:
        """Texts in other languages, one product after the other."""
        outcomes = []
        for item in items:
            payload = item.payload
            assert isinstance(payload, SetWording)
            try:
                outcomes.append(await self._translate(payload) if payload.product_id else NOT_THERE)
            except AuthExpired:
                raise
            except SynclineError as error:
                outcomes.append(outcome_of(error))
        return outcomes

    async def _translate(self, payload: SetWording) -> Outcome:
        found = await self._client.call(documents.TRANSLATABLE, {"id": payload.product_id}, _Translatable)
        if found.translatable_resource is None:
            return NOT_THERE
        digests = {one.key: one.digest for one in found.translatable_resource.translatable_content}
        texts = {KEYS[name]: text for name, text in payload.content.texts.items() if text.strip()}
        # What the shop has no text of cannot be translated; it will have none in any language.
        given = [
            {"key": key, "value": text, "locale": payload.locale, "translatableContentDigest": digest}
            for key, text in texts.items()
            if (digest := digests.get(key))
        ]
        gone = [KEYS[name] for name in payload.had if KEYS[name] not in texts]
        if gone:
            variables = {"id": payload.product_id, "keys": gone, "locales": [payload.locale]}
            await self._write(documents.UNTRANSLATE, variables)
        if given:
            await self._write(documents.TRANSLATE, {"id": payload.product_id, "translations": given})
        return DONE

    async def _write(self, document: Document, variables: dict[str, Any]) -> None:
        answers = await self._client.call(document, variables, dict[str, _Written | None])
        for written in answers.values():
            if written is None:
                raise OutcomeUnknown("Shopify said nothing about the translations that were set")
            if any(error.code == "INVALID_TRANSLATABLE_CONTENT" for error in written.user_errors):
                raise Throttled("the text was changed while its translation was written", CHANGED_S)
            if written.user_errors:
                raise Rejected(f"Shopify: {'; '.join(error.message for error in written.user_errors)}")

    async def publish(self, items: Sequence[Item]) -> list[Outcome]:
        """Products into publications, or out of them."""
        outcomes: list[Outcome | None] = []
        for item in items:
            payload = item.payload
            assert isinstance(payload, SetListing)
            if not payload.assortment.isascii() or not payload.assortment.isdigit():
                words = f"{payload.assortment!r} is no publication of Shopify; use the number at the end of its id"
                outcomes.append(Outcome(Result.REJECTED, words))
            else:
                outcomes.append(None if payload.product_id else NOT_THERE)
        asked = [at for at, outcome in enumerate(outcomes) if outcome is None]
        variables: dict[str, Any] = {}
        for n, at in enumerate(asked):
            variables[f"p{n}"] = items[at].payload.product_id
            variables[f"i{n}"] = [{"publicationId": publication_id(items[at].payload.assortment)}]
        if asked:
            document = documents.publish(tuple(items[at].payload.content.shown for at in asked))
            answer = await self._client.call(document, variables, dict[str, _Written | None])
            for n, at in enumerate(asked):
                written = answer.get(f"m{n}")
                if written is None:
                    raise OutcomeUnknown(
                        "Shopify said nothing about some of the products that were published"
                    )
                words = "; ".join(error.message for error in written.user_errors)
                outcomes[at] = Outcome(Result.REJECTED, f"Shopify: {words}") if words else DONE
        return [outcome or DONE for outcome in outcomes]


def publication_id(name: str) -> str:
    """The global id of a publication."""
    return f"gid://shopify/Publication/{name}"
