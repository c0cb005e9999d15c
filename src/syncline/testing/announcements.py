"""What a Source has to do whose webhooks only say that something changed.

They carry a shared secret and no signature, so whatever they state could have been altered on the way: nothing of it
may become a value, and a stream is read instead. See ``Capabilities.webhooks_announce``.
"""

from __future__ import annotations

from syncline.model.capabilities import Capabilities
from syncline.model.change import LoggedEvent
from syncline.model.errors import Forged, Rejected
from syncline.ports import System, WebhookRequest
from syncline.testing.bench import ConnectorBench
from syncline.testing.suite import Suite, conformance, edited, some

STATES = "it has no webhooks that only announce"
UNSIGNED = "its webhooks are not signed and state nothing"
APART_S = 2.0


def signs(capabilities: Capabilities) -> bool:
    """Whether its webhooks are signed and state what changed."""
    return capabilities.webhooks and not capabilities.webhooks_announce


def announces(capabilities: Capabilities) -> bool:
    """Whether its webhooks only say that something changed."""
    return capabilities.webhooks and capabilities.webhooks_announce


class Announcements(Suite):
    """The part of the suite of a Source that is about such webhooks."""

    async def _announced(self, bench: ConnectorBench) -> tuple[System, WebhookRequest]:
        system = bench.open()
        await bench.subscribe(system)
        (key,) = bench.add(1)
        await bench.around.clock.sleep(APART_S)
        return system, await edited(bench, system, key)

    @conformance(needs=announces, because=STATES)
    async def test_an_announcement_with_a_wrong_secret_is_called_a_forgery(
        self, bench: ConnectorBench
    ) -> None:
        system, post = await self._announced(bench)
        system.source.verify(post)
        for secret in ("not-the-secret-that-both-sides-share", ""):
            failure: Rejected | None = None
            try:
                system.source.verify(bench.sign(post, post.body, secret=secret))
            except Rejected as error:
                failure = error
            assert isinstance(failure, Forged), f"{secret!r}: {failure!r}"

    @conformance(needs=announces, because=STATES)
    async def test_an_announcement_states_nothing(self, bench: ConnectorBench) -> None:
        system, post = await self._announced(bench)
        event = system.source.verify(post).event
        assert system.source.decode(LoggedEvent(1, event.occurred_at_ms, event)) == []

    @conformance(needs=announces, because=STATES)
    async def test_an_announcement_names_streams_that_are_there(self, bench: ConnectorBench) -> None:
        system, post = await self._announced(bench)
        streams = {stream.name for stream in system.source.streams if not stream.snapshot}
        assert set(some(system.source.verify(post).reads, "stream to be read")) <= streams
