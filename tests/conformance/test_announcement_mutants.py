"""A broken connector for every test about webhooks that only announce, which fails exactly that test.

The mutants are wrappers around the Business Central connector: each does one thing wrong, as a careless author might.
"""

from __future__ import annotations

import pytest
from tests.connectors.business_central_bench import SECRET, BusinessCentralBench

from syncline.model.change import Change, Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.errors import Forged
from syncline.model.records import Notice
from syncline.ports import Source, System, Verified, WebhookRequest
from syncline.testing.announcements import Announcements
from syncline.testing.source import SourceConformance


class OddSource:
    """Passes everything on; mutants override what they do wrong."""

    def __init__(self, inner: Source) -> None:
        self.inner = inner
        self.streams = inner.streams
        self.decode = inner.decode
        self.poll = inner.poll

    def verify(self, request: WebhookRequest) -> Verified:
        return self.inner.verify(request)


class AsksOnlyWhetherThereIsASecret(OddSource):
    def verify(self, request):
        try:
            return self.inner.verify(request)
        except Forged:
            for wrong in (b'"clientState":"not-', b'"clientState":""'):
                if wrong in request.body.replace(b'": "', b'":"'):
                    other = b"not-the-secret-that-both-sides-share" if wrong.endswith(b"not-") else b""
                    body = request.body.replace(b'"' + other + b'"', b'"' + SECRET.encode() + b'"', 1)
                    return self.inner.verify(replace(request, body=body))
            raise


class BelievesIt(OddSource):
    def __init__(self, inner: Source) -> None:
        super().__init__(inner)
        self.decode = self._decode  # type: ignore[method-assign]

    def _decode(self, logged: LoggedEvent) -> list[Change]:
        if logged.event.topic != "notification":
            return self.inner.decode(logged)
        at_ms = logged.event.occurred_at_ms
        return [Change(Kind.ORDER, "1", at_ms, 0, at_ms, Notice("1"))]


class NamesWhatIsNotThere(OddSource):
    def verify(self, request):
        verified = self.inner.verify(request)
        return replace(verified, reads=(*verified.reads, "everything"))


MUTANTS = {
    "test_an_announcement_with_a_wrong_secret_is_called_a_forgery": AsksOnlyWhetherThereIsASecret,
    "test_an_announcement_states_nothing": BelievesIt,
    "test_an_announcement_names_streams_that_are_there": NamesWhatIsNotThere,
}


def failing(what: type[OddSource] | None) -> set[str]:
    class Bench(BusinessCentralBench):
        def open(self) -> System:
            system = super().open()
            return system if what is None else replace(system, source=what(system.source))

    class Broken(SourceConformance):
        bench = Bench

    found = set()
    for name in Broken.conformance_tests():
        try:
            getattr(Broken(), name)()
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - whatever it is
            found.add(name)
    return found


@pytest.mark.parametrize("test", MUTANTS)
def test_a_broken_source_fails_exactly_its_test(test):
    assert failing(MUTANTS[test]) == {test}


def test_the_whole_connector_fails_none():
    assert failing(None) == set()


def test_every_test_about_announcements_has_a_mutant():
    assert sorted(MUTANTS) == sorted(Announcements.conformance_tests())
