"""Images: fetched from where the source says they are, and given to the shop as content, which is all that it takes.

An image is known again by the name of its file, which we choose: a mark of its address. What the shop's people added has other
names and is left alone, and so is an image that the source no longer names. Only hosts that are configured are asked, over https,
through the door that refuses addresses of inner networks (``ports.Opening.outside``).
"""

from __future__ import annotations

import base64
import re
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from syncline.connectors.adobe_commerce.client import Client
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.shelves import PRODUCTS, Seen
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.model.products import image_mark
from syncline.ports import Request, Transport
from syncline.sdk.oauth1 import escape

IMAGES_MAX = 50  # of a product
BYTES_MAX = 5 * 1024 * 1024  # of an image: as text it is a third longer, and most hosts take 8 MB
TIMEOUT_S = 30.0
PREFIX = "sl-"
ROLES = ("image", "small_image", "thumbnail")  # what the shop shows first, in lists, and in the cart
# What the shop takes, by how its content begins (magento2: Framework/Api/ImageContentValidator).
KINDS = (
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (b"GIF8", "image/gif", "gif"),
)
# A file whose name is taken gets a number (magento2: Framework/File/Uploader, getNewFileName).
_NAME = re.compile(r"/sl-([0-9a-f]{16})(?:_\d+)?\.[a-z]+\Z")


class Gallery:
    """The images of one shop's products; without ``image_hosts`` none are read or written."""

    def __init__(self, settings: AdobeCommerceSettings, client: Client, outside: Transport | None) -> None:
        self._client = client
        self._hosts = frozenset(settings.image_hosts)
        self._outside = outside

    @property
    def written(self) -> bool:
        """Whether images are written at all."""
        return bool(self._hosts) and self._outside is not None

    def told(self, seen: Seen) -> tuple[str, ...] | None:
        """The marks of our images that are there."""
        return tuple(marks_of(seen)) if self.written else None

    def additions(self, sku: str, images: tuple[str, ...] | None, seen: Seen | None) -> list[partial[Any]]:
        """What is called so that a product has these images; before it is there, to see that they may be had.

        Raises:
            Rejected: an address may not be asked, or they are too many.
        """
        if not images or not self.written:
            return []
        if len(images) > IMAGES_MAX:
            raise Rejected(f"{sku}: it has {len(images)} images, and {IMAGES_MAX} can be written")
        for address in images:
            self._check(address)
        if seen is None:
            return []
        there = marks_of(seen)
        taken = {role for entry in seen.media_gallery_entries for role in entry.types}
        missing = [one for one in dict.fromkeys(images) if image_mark(one) not in there]
        return [
            partial(self._add, sku, address, len(there) + at, [] if at or taken else list(ROLES))
            for at, address in enumerate(missing)
        ]

    def _check(self, address: str) -> None:
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            raise Rejected(f"image: {address[:200]!r} is no address") from None
        if parts.scheme != "https" or parts.username or parts.password or port not in (None, 443):
            raise Rejected(f"image: {address[:200]!r} is no plain https address")
        if (parts.hostname or "") not in self._hosts:
            raise Rejected(
                f"image: {parts.hostname or address[:200]!r} is not among image_hosts; add it there, or leave images to the shop"
            )

    async def _add(self, sku: str, address: str, position: int, roles: list[str]) -> None:
        content = await self._fetch(address)
        kind = next(((name, end) for begin, name, end in KINDS if content.startswith(begin)), None)
        if kind is None:
            raise Rejected(f"image: {address[:200]} is no JPEG, PNG or GIF")
        entry = {
            "media_type": "image",
            "label": "",
            "position": position,
            "disabled": False,
            "types": roles,
            "content": {
                "base64_encoded_data": base64.b64encode(content).decode(),
                "type": kind[0],
                "name": f"{PREFIX}{image_mark(address)}.{kind[1]}",
            },
        }
        await self._client.post(f"{PRODUCTS}/{escape(sku)}/media", {"entry": entry}, Any)

    async def _fetch(self, address: str) -> bytes:
        """The image itself. No credential goes with it, and no redirect is followed.

        Raises:
            Retryable: it cannot be had now.
            Rejected: it cannot be had from there.
        """
        assert self._outside is not None
        try:
            answer = await self._outside.send(
                Request("GET", address, {"accept": "image/*"}, timeout_s=TIMEOUT_S)
            )
        except OutcomeUnknown as error:
            raise Retryable(f"image: {address[:200]}: {error}") from None
        if answer.status in (408, 429) or answer.status >= 500:
            raise Retryable(f"image: {address[:200]} answers HTTP {answer.status}")
        if answer.status != 200:
            raise Rejected(f"image: {address[:200]} answers HTTP {answer.status}")
        if len(answer.body) > BYTES_MAX:
            raise Rejected(f"image: {address[:200]} has more than {BYTES_MAX} bytes")
        return answer.body


def marks_of(seen: Seen) -> list[str]:
    """The marks of a product's images that we gave to the shop."""
    found = (_NAME.search(entry.file) for entry in seen.media_gallery_entries)
    return [match[1] for match in found if match]
