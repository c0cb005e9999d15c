"""What the questions of programs have in common: how large they may be, how a refusal is told, when nobody can answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.refused import Refused
from syncline.web.access import Person
from syncline.web.site import Refusal, Site

Handler = Callable[[Site, Request, Person], Awaitable[Response]]
UNANSWERABLE = 422  # unless the code says more


def refusing(status_of: Mapping[str, int]) -> Callable[[Handler], Handler]:
    """Makes handlers whose ``Refused`` becomes an answer, with the HTTP status of its code."""

    def wrap(handle: Handler) -> Handler:
        async def handled(site: Site, request: Request, person: Person) -> Response:
            try:
                return await handle(site, request, person)
            except Refused as error:
                status = status_of.get(error.code, UNANSWERABLE)
                raise Refusal(status, error.code, str(error), error.mend) from error

        return handled

    return wrap


async def body_of(site: Site, request: Request, bytes_max: int, mend: str) -> bytes:
    """The body of a question.

    Raises:
        Refusal: it is too large; ``mend`` says what to do.
    """
    body = await site.body(request)
    if len(body) > bytes_max:
        raise Refusal(413, "too_large", f"The body is larger than {bytes_max} bytes.", mend)
    return body


def check_known(site: Site) -> None:
    """Nobody knows what was promised before a store was restored, until it has caught up.

    Raises:
        Refusal: it has not.
    """
    if site.engine.rewind.catching_up:
        raise Refusal(503, "restored", "The store was restored and is catching up.", "Try again in a minute.")
