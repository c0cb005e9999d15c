"""What we write on what we make in a shop, so that it is found again and not taken for the shop's own."""

from __future__ import annotations

from collections.abc import Iterable

from syncline.connectors.adobe_commerce import wire

PAYMENT = "Syncline: paid to the ERP"
CANCELLATION = "Syncline: called off by the ERP"
_OURS = "Syncline: "


def refund_comment(reference: str) -> str:
    """The comment of a credit memo that was made for an ERP's return."""
    return _OURS + reference


def ours(comments: Iterable[wire.Comment]) -> bool:
    """Whether an invoice or a credit memo was made by us."""
    return any((comment.comment or "").startswith(_OURS) for comment in comments)


def carries(comments: Iterable[wire.Comment], text: str) -> bool:
    """Whether a document has just this comment."""
    return any(comment.comment == text for comment in comments)
