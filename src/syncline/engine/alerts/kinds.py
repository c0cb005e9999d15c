"""Every kind of alert: what it means, when it opens and closes, and what to do. The reference is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CRITICAL = "critical"  # data is wrong, late or not moving now
WARNING = "warning"  # it will be, or a person has to look within the day


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of cause.

    ``after_s`` is how long it must last before it is told. ``parts`` says what stands behind the slash in
    its key.
    """

    name: str
    severity: str
    title: str
    meaning: str
    opens: str
    mend: str
    parts: str = "the system"
    after_s: int = 0


_ALL = (
    Kind(
        "system_down",
        CRITICAL,
        "A system does not answer",
        "Every call to it and every read of it fails. Nothing is lost: what is for it waits, and goes out in order of "
        "deadline once it answers.",
        "when what is sent to it, or several reads of it, have failed for 20 seconds and nothing has worked since",
        "Look at the vendor's status page and at the network between. Nothing to do in Syncline: it goes on by itself.",
        after_s=20,
    ),
    Kind(
        "credential_refused",
        CRITICAL,
        "A system refuses the credential",
        "The token, key or certificate is expired, revoked, or lacks a right. Everything for this system waits.",
        "when it was refused and nothing has worked for 20 seconds since",
        "Renew the credential in the configuration and restart; `syncline check` says which right is missing.",
        after_s=20,
    ),
    Kind(
        "credential_expiring",
        WARNING,
        "A credential ends soon",
        "From that moment the system refuses every call.",
        "30 days (`expires_within`) before the end that a certificate, the system's settings or `[alerts.expires]` tell; "
        "critical from 3 days before it",
        "Make a new credential, put it into the configuration and restart; where its end is written there, set the new one.",
    ),
    Kind(
        "subscription",
        WARNING,
        "Webhook subscriptions are missing",
        "The system does not send us its events, so changes are only found when it is read.",
        "when the look every five minutes finds one missing, or pointed elsewhere; it is put in order at once and the "
        "changes are read",
        "If it comes back again and again, look for another program that removes it. If Syncline may not mend it, the "
        "message has the vendor's reason.",
    ),
    Kind(
        "events_lost",
        WARNING,
        "Events do not arrive",
        "Reads find changes that events should have told. Nothing is lost, but each is as late as the interval of reads.",
        "when within ten minutes reads found three or more such changes of which no event had told after a minute, and "
        "they are a fifth or more of all news",
        "Look whether the webhook address can be reached from outside and what the vendor's delivery log says.",
    ),
    Kind(
        "feed_silent",
        WARNING,
        "A feed has stopped",
        "Neither events nor reads bring anything from this system, at an hour that was never that quiet.",
        "when the silence would happen by chance less often than once in ten million times, counted with the quietest "
        "of the last two weeks at this hour; never before three days were learned",
        "Look whether the shop or the ERP is really idle. If it is not, run `syncline check`.",
    ),
    Kind(
        "forged",
        WARNING,
        "Webhooks carry a wrong signature",
        "Most of what arrives at this address is refused. Either the secret differs, or somebody is trying.",
        "when within ten minutes five or more were refused, and more than were accepted",
        "Compare the webhook secret in the configuration with the one that the vendor shows.",
    ),
    Kind(
        "read_failing",
        WARNING,
        "A read fails",
        "One stream of a system cannot be read although the rest of it works. Lost events are not found meanwhile.",
        "when it has failed for 50 seconds",
        "The message has the vendor's words; often a right is missing. `syncline check` names it.",
        "the system and the stream",
        after_s=50,  # so that it is told within a minute, whenever is looked
    ),
    Kind(
        "read_overdue",
        WARNING,
        "A read does not end",
        "A stream has not been read whole for longer than one and a half of its intervals, and says no error.",
        "when its age passes one and a half intervals and two minutes",
        "If the system is large, the interval is too short for it: raise `poll` or `reconcile` of the route. "
        "Else restart, and report it.",
        "the system and the stream",
    ),
    Kind(
        "stale",
        CRITICAL,
        "Data is older than it may be",
        "The source was not confirmed for longer than the worst case allows. What is shown may be wrong.",
        "when the age of a route passes its limit",
        "See the reads of the source on the System page.",
        "the source",
        after_s=10,
    ),
    Kind(
        "budget",
        WARNING,
        "An API budget is used up",
        "The vendor asks us to slow down, or its limit has been in use nearly whole for minutes. Urgent calls keep their share.",
        "when within a minute a quarter of the calls and at least three were throttled, or 90 % of the limit was in use "
        "for five minutes while work waited; critical once changes are past their deadline",
        "Look for another program on the same account. Else read less often, or raise the vendor's plan.",
    ),
    Kind(
        "behind",
        WARNING,
        "A lane cannot keep its deadlines",
        "With what waits now, and at the pace that is measured, changes reach this system later than promised.",
        "when the computed worst case has not fitted the tolerance for a minute, or for eleven if single calls are slow: before the first miss; critical when "
        "changes have been past their deadline for 30 seconds",
        "Look at the lane's budget and at how long its calls take. A larger tolerance lets more changes share a call.",
        after_s=60,
    ),
    Kind(
        "promise",
        WARNING,
        "A tolerance cannot be kept as configured",
        "Even with nothing waiting, a change is found too late to arrive in time.",
        "when it has been so for five minutes",
        "Let the source send events, read it more often, or set the tolerance that the message names.",
        "the route",
        after_s=300,
    ),
    Kind(
        "missed",
        WARNING,
        "Promises were missed again and again",
        "More than one in a hundred changes of the last hour came too late, each by too little to alert by itself.",
        "when that is so for five minutes, with five or more of them, and no other alert of its systems explains it",
        "The strip on the overview shows when. If it goes on, look at the lane's budget.",
        "the route",
        after_s=300,
    ),
    Kind(
        "plan_drift",
        WARNING,
        "The service has left its plan",
        "A worst case, a rate of calls or a rate of changes is beyond what the plan foretold; limits and costs were reckoned "
        "with the planned figure.",
        "when a figure of `[plan]` has been exceeded by more than a quarter for ten minutes, calls and changes over the last "
        "hour, and no other alert of its systems explains it",
        "`syncline plan --check` shows all figures. Put today's volumes into `plan.toml` and plan again.",
        "the route or the system",
        after_s=600,
    ),
    Kind(
        "parked",
        WARNING,
        "Work needs a person",
        "It would have to be guessed at, so it is kept with its reason until somebody decides. Nothing expires.",
        "as soon as something is parked; critical once the oldest is a day old (`parked_after`), or there are 25",
        "Open Parked, read the reason, then release, edit or discard: `syncline parked list`.",
        "the system and the reason",
    ),
    Kind(
        "guard",
        CRITICAL,
        "A full read waits for a person",
        "It would empty or halve too many shelves at once, as a truncated feed does. Those numbers stay as they were.",
        "as soon as a full read is held back",
        "Look at the ERP. If it is right, release the entry under Parked; if not, mend the feed and discard it.",
        "the system",
    ),
    Kind(
        "unseen",
        WARNING,
        "Units fell without an order",
        "A channel's number went down and no order explains it. The units are kept back on every channel.",
        "when no order has come for as long as a lost event takes to be found, and a minute",
        "Look for the sale in the channel. If nobody bought them, release them under Parked.",
        "the channel",
    ),
    Kind(
        "drift",
        WARNING,
        "Both sides differ",
        "A comparison found differences that are beyond what is repaired by itself.",
        "when a comparison leaves some",
        "Look at them on the dashboard and decide.",
        "the system and the flow",
    ),
    Kind(
        "log_stuck",
        CRITICAL,
        "Events are not taken in",
        "They are safe in the log, but nothing follows from them: no order is written, no number changes.",
        "when events have waited for 30 seconds and not one was taken in",
        "Look for `store_refused` in the log of the process, and at the disk. Then restart.",
        "the store",
    ),
    Kind(
        "store",
        CRITICAL,
        "The store does not answer",
        "Syncline can neither accept nor send until it does. Vendors are told to try again.",
        "when it could not be read for 20 seconds",
        "Look at the database or the disk.",
        "the store",
        after_s=20,
    ),
    Kind(
        "disk",
        WARNING,
        "The disk fills",
        "When it is full, webhooks are refused until there is room again; what was accepted stays.",
        "when less than 10 % and less than 5 GB are free, or it would be full within a day at the pace of the last "
        "hour; critical below 1 GB and 3 %, or within two hours",
        "Make room, or move the store to a larger disk.",
        "the store",
    ),
    Kind(
        "clock",
        WARNING,
        "The clock jumped",
        "Ages and deadlines are computed from it, so they were wrong for a moment; signatures with a time may be refused.",
        "when the machine's time moved by more than five seconds against its own steady clock; closed a quarter of an hour later",
        "Look at the time service of the machine (`timedatectl`, chrony).",
        "the machine",
    ),
    Kind(
        "stopped",
        CRITICAL,
        "Syncline stopped",
        "The service ended by an error: nothing is collected or sent until it runs again. Nothing accepted is lost.",
        "at once, as its last message; closed by the next start",
        "Restart it. If another worker took over, this is as it should be.",
        "the service",
    ),
    Kind(
        "way_failing",
        WARNING,
        "Alerts do not get out",
        "A way out refuses messages. They are tried again, and told by the other ways meanwhile.",
        "when a message has waited for two minutes",
        "Run `syncline alert test`: it says what came back.",
        "the way",
        after_s=120,
    ),
    Kind(
        "many",
        CRITICAL,
        "Too many alerts at once",
        "More causes than are told one by one. The dashboard's overview has the whole.",
        "when more than 100 are open",
        "Begin with the oldest.",
        "alerts",
    ),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
