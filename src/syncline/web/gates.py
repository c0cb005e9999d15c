"""What the checkout of a channel asks before it goes on: credit, prices and stock, behind a signature of the vendor.

The address cannot be guessed, and a wrong one is told the same as a wrong signature; nobody who does not know it has a body
read. What is not decided in time, or not at all, is answered with 503 and no operation: what then happens to the buyer, the vendor's hook says ("required").
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from decimal import Decimal

import structlog
from starlette.requests import Request
from starlette.responses import Response

from syncline.credit.exposure import up
from syncline.credit.rules import Decision
from syncline.engine.buyers import account_of
from syncline.engine.credit import CreditRefused
from syncline.engine.holds import HoldRefused, Line
from syncline.engine.price_query import Asked, PriceRefused
from syncline.model.change import Flow
from syncline.model.errors import Forged, Rejected, SynclineError
from syncline.ports import Cart, Gate, Late, WebhookRequest, within
from syncline.web.access import Person
from syncline.web.site import Endpoint, Refusal, Site

HOLD_MS = 120_000  # the order follows at once, or not at all
REFUSED = Refusal(401, "refused", "The signature was refused.")
Question = Callable[[Site, str, Gate, Cart], Awaitable[bytes]]

log = structlog.get_logger(__name__)


async def _credit(site: Site, channel: str, gate: Gate, cart: Cart) -> bytes:
    """Whether an order on account may be placed; any other may."""
    if not cart.on_credit:
        return gate.passed()
    if cart.amount is None or not cart.currency:
        raise Rejected("the question has no amount, or no currency: add both to the hook's fields")
    if not cart.amount:
        return gate.passed()
    # The same cart asked again finds its approval; one with another amount takes its place.
    found = await site.engine.credit.check(
        f"{channel}.{cart.reference}.{up(cart.amount)}",
        channel,
        cart.amount,
        cart.currency,
        customer=cart.customer,
        order=cart.order or f"{channel}.{cart.reference}",
        by=f"{channel} checkout",
    )
    if found.decision == Decision.APPROVE or (found.decision == Decision.HOLD and gate.passes_review):
        return gate.passed()
    return gate.stopped(found.message)


async def _holds(site: Site, channel: str, gate: Gate, cart: Cart) -> bytes:
    """Whether the units are there, and they are held for this order."""
    wanted: dict[str, Decimal] = {}
    for line in cart.lines:
        wanted[line.sku] = wanted.get(line.sku, Decimal(0)) + line.quantity
    lines = [Line(sku, int(units)) for sku, units in wanted.items() if units > 0]
    if any(units != int(units) for units in wanted.values()):
        raise Rejected("a quantity is no whole number of units")
    if not lines:
        return gate.passed()
    mark = hashlib.blake2b(repr(sorted(wanted.items())).encode(), digest_size=6).hexdigest()
    try:
        await site.engine.holds.reserve(
            f"{channel}.{cart.reference}.{mark}",
            channel,
            lines,
            expires_in_ms=HOLD_MS,
            order=cart.order,
            by=f"{channel} checkout",
        )
    except HoldRefused as error:
        site.engine.holds.refused[channel, error.code] += 1
        if error.code == "not_enough":
            return gate.stopped("Not all of your products are available in the requested quantity.")
        if error.code in ("unknown_sku", "not_stocked"):  # nothing is kept of what is no stock of ours
            return gate.passed()
        raise
    return gate.passed()


async def _prices(site: Site, channel: str, gate: Gate, cart: Cart) -> bytes:
    """What each line costs this buyer; a line without a known price is left as it is.

    So is every line of a buyer whose agreement is not known: the shop's own price may be it.
    """
    engine = site.engine
    route = next(iter(engine.routes.of(Flow.PRICES, sink=channel)), None)
    if route is None:
        raise Rejected("no prices are configured for this channel")
    if not cart.lines:
        return gate.passed()
    customer = await account_of(engine.store, engine.routes, route, cart.customer)
    if customer and await engine.price_query.named(route, customer) is None:
        return gate.passed()
    answers = await engine.price_query.ask(
        channel,
        [Asked(line.sku, line.quantity if line.quantity > 0 else Decimal(1)) for line in cart.lines],
        customer=customer,
        currency=cart.currency,
    )
    return gate.priced(
        [
            (line, found.price)
            for line, found in zip(cart.lines, answers, strict=True)
            if found.price is not None
        ]
    )


QUESTIONS: dict[str, Question] = {"credit": _credit, "prices": _prices, "holds": _holds}


async def _ask(site: Site, request: Request, person: Person) -> Response:
    del person  # the signature says who asks
    system, name = request.path_params["system"], request.path_params["gate"]
    wait = site.asking.take(site.source(request))
    if wait:
        raise Refusal(429, "too_many", "Too many questions at once.", retry_after_s=wait)
    known = site.engine.systems.get(system)
    token = site.access.hook_token(system).encode()
    meant = hmac.compare_digest(token, request.path_params["token"].encode())
    if known is None or known.gate is None or not meant or name not in QUESTIONS:
        raise REFUSED
    gate = known.gate
    body = await site.body(request)
    headers = {key.lower(): value for key, value in request.headers.items()}
    try:
        cart = gate.read(WebhookRequest(headers, body, site.clock.now_ms()))
    except Forged as error:
        log.warning("a question was refused", action="gate_refused", system=system, error=str(error))
        raise REFUSED from error
    except Rejected as error:
        raise _unanswered(system, name, str(error)) from error
    if site.engine.rewind.catching_up:
        raise _unanswered(system, name, "the store was restored and is catching up")
    answer = await _in_time(site, gate, QUESTIONS[name](site, system, gate, cart), system, name)
    return Response(answer, media_type="application/json")


async def _in_time(site: Site, gate: Gate, asking: Awaitable[bytes], system: str, name: str) -> bytes:
    try:
        return await within(site.clock, gate.deadline_ms / 1000, asking)
    except Late:
        raise _unanswered(system, name, f"not decided within {gate.deadline_ms} ms") from None
    except (CreditRefused, HoldRefused, PriceRefused, SynclineError) as error:
        raise _unanswered(system, name, str(error)) from error


def _unanswered(system: str, name: str, why: str) -> Refusal:
    """Nothing is decided; the vendor's hook says what happens to the buyer."""
    log.warning("a checkout got no answer", action="gate_unanswered", system=system, gate=name, error=why)
    return Refusal(503, "unanswered", why, "See the connector's README for what a hook has to send.")


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/adobe-commerce/webhooks/{system}/{token}/{gate}",
        None,
        _ask,
        "A signed question of a checkout: gate is credit, prices or holds; answered with the vendor's operations",
    ),
)
