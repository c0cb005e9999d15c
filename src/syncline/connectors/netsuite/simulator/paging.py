"""Pages of collections and of query results (NS:section_156414087576)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from syncline.connectors.netsuite.simulator.errors import ApiError

PAGE_MAX = 1000


class Paging(NamedTuple):
    """Which part of everything is asked for."""

    limit: int
    offset: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Paging:
        """Read ``limit`` and ``offset``.

        Raises:
            ApiError: one of them is out of its range, or the offset no multiple of the limit.
        """
        try:
            limit, offset = int(query.get("limit", PAGE_MAX)), int(query.get("offset", 0))
        except ValueError as error:
            raise ApiError(
                400, "INVALID_PARAMETER", "limit and offset must be integers.", param="limit"
            ) from error
        if not 1 <= limit <= PAGE_MAX:
            raise ApiError(400, "INVALID_PARAMETER", "The limit must be between 1 and 1000.", param="limit")
        if offset < 0 or offset % limit:
            raise ApiError(
                400, "INVALID_PARAMETER", "The offset must be divisible by the limit.", param="offset"
            )
        return cls(limit, offset)

    def envelope(self, url: str, items: list[Any], total: int, **more: str) -> dict[str, Any]:
        """A page as it is answered. ``more`` are parameters that its links repeat.

        The links to the first and the previous page are as public clients record them; the documented example is of a
        first page.
        """

        def link(rel: str, offset: int) -> dict[str, str]:
            return {"rel": rel, "href": f"{url}?{urlencode({**more, 'limit': self.limit, 'offset': offset})}"}

        has_more = self.offset + len(items) < total
        links = []
        if self.offset:
            links += [link("previous", self.offset - self.limit), link("first", 0)]
        if has_more:
            links += [
                link("next", self.offset + self.limit),
                link("last", (total - 1) // self.limit * self.limit),
            ]
        return {
            "links": [*links, link("self", self.offset)],
            "count": len(items),
            "hasMore": has_more,
            "items": items,
            "offset": self.offset,
            "totalResults": total,
        }
