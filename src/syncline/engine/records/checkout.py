"""What a checkout would be told of an account now, in a word and a sentence."""

from __future__ import annotations

from syncline.credit.exposure import REASONS
from syncline.credit.rules import CreditPolicy, Decision
from syncline.engine.credit import CreditAnswer
from syncline.engine.records.standing import GRAVITY, Word
from syncline.model.credit import NOTHING

WORDS = {Decision.APPROVE: Word.BUYS, Decision.HOLD: Word.REVIEWED, Decision.DENY: Word.DENIED}


def checkout(answer: CreditAnswer, policy: CreditPolicy, word: Word, sentence: str) -> tuple[Word, str]:
    """How an account stands at a channel.

    Args:
        answer: what an order of nothing would be told.
        policy: of the account.
        word: how what the channel itself is told of the account stands.
        sentence: what that means. It comes first where it needs a look.
    """
    if GRAVITY[word] < GRAVITY[Word.DENIED]:
        return word, sentence
    decision, reason = Decision(answer.decision), REASONS[answer.reason]
    if decision is Decision.APPROVE and answer.available is not None and answer.available <= NOTHING:
        decision, reason = policy.over_limit, "Nothing is left of its credit limit."
    at = answer.channel
    if decision is Decision.DENY:
        return Word.DENIED, f"An order on credit at {at} is denied: {_small(reason)}"
    if decision is Decision.HOLD:
        return Word.REVIEWED, f"An order on credit at {at} is held for review: {_small(reason)}"
    if answer.available is None or answer.limit is None:
        return Word.BUYS, f"An order of any amount is approved at {at}: {_small(reason)}"
    told = f"{answer.available:f} {answer.currency} of {answer.limit:f} {answer.currency}"
    return Word.BUYS, f"Orders on credit at {at} are approved up to {told}."


def asked_for(answer: CreditAnswer) -> tuple[Word, str]:
    """What an order of some amount would be told now."""
    decision = Decision(answer.decision)
    amount = f"{answer.amount:f} {answer.currency}"
    told = {
        Decision.APPROVE: f"An order of {amount} would be approved.",
        Decision.HOLD: f"An order of {amount} would be held for review.",
        Decision.DENY: f"An order of {amount} would be denied.",
    }
    return WORDS[decision], f"{told[decision]} {REASONS[answer.reason]}"


def _small(reason: str) -> str:
    """A sentence that goes on behind a colon."""
    return reason[:1].lower() + reason[1:]
