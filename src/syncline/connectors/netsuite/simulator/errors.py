"""The vendor's error bodies.

Shape and codes: contract sheet section 3 (``nsError`` of the REST API Browser 2026.1). The ``type``
URL and the SuiteQL wording are the ones that public clients record from live accounts.
"""

from __future__ import annotations

import msgspec

_TITLES = {
    400: ("Bad Request", "15.5.1"),
    401: ("Unauthorized", "15.5.2"),
    403: ("Forbidden", "15.5.4"),
    404: ("Not Found", "15.5.5"),
    405: ("Method Not Allowed", "15.5.6"),
    429: ("Bad Request", "15.5.1"),
    500: ("Internal Server Error", "15.6.1"),
    503: ("Service Unavailable", "15.6.4"),
}

LOGIN_DETAIL = (
    "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI at "
    "Setup > Users/Roles > User Management > View Login Audit Trail."
)
OVER_LIMIT_DETAIL = "Concurrent request limit exceeded. Request blocked."


class ApiError(Exception):
    """One refusal, with the place in the request that caused it.

    ``path``, ``param`` and ``header`` become ``o:errorPath``, ``o:errorQueryParam`` and
    ``o:errorHeader``; at most one is set.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        path: str | None = None,
        param: str | None = None,
        header: str | None = None,
        title: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.place = {
            k: v
            for k, v in (("o:errorPath", path), ("o:errorQueryParam", param), ("o:errorHeader", header))
            if v is not None
        }
        self.title = title
        self.headers = headers or {}

    def body(self) -> bytes:
        """The JSON answer."""
        title, section = _TITLES.get(self.status, ("Error", "15"))
        answer: dict[str, object] = {}
        # The documented 429 has no type and carries a code of its own beside the details
        # (NS:section_156570709583); every other answer has a type.
        if self.status != 429:
            answer["type"] = f"https://www.rfc-editor.org/rfc/rfc9110.html#section-{section}"
        answer["title"] = self.title or title
        answer["status"] = self.status
        if self.status == 429:
            answer["o:errorCode"] = "USER_ERROR"
        answer["o:errorDetails"] = [{"detail": self.detail, **self.place, "o:errorCode": self.code}]
        return msgspec.json.encode(answer)


def invalid_login() -> ApiError:
    """The one answer to every failed authentication; the reason stands in the login audit only."""
    return ApiError(401, "INVALID_LOGIN", LOGIN_DETAIL, headers={"www-authenticate": "Bearer"})


def over_limit() -> ApiError:
    """Account concurrency exhausted. No ``Retry-After`` is documented."""
    return ApiError(429, "CONCURRENCY_LIMIT_EXCEEDED", OVER_LIMIT_DETAIL)


def missing_record() -> ApiError:
    """No such instance."""
    return ApiError(
        404,
        "NONEXISTENT_ID",
        "The record instance does not exist. Provide a valid record instance ID.",
    )


def invalid_content(detail: str, path: str | None = None) -> ApiError:
    """A field value that the record refuses."""
    return ApiError(400, "INVALID_CONTENT", detail, path=path)


def invalid_reference(given: object, path: str) -> ApiError:
    """A reference to nothing that the field can hold (the example of NS:section_156570709583)."""
    field = path.rpartition(".")[2]
    return invalid_content(
        f"Error while accessing resource: You have entered an Invalid Field Value {given} for the following field: {field}",
        path,
    )


def user_error(detail: str, path: str | None = None) -> ApiError:
    """A business rule that the record refuses; in live answers its words follow these."""
    return ApiError(400, "USER_ERROR", f"Error while accessing a resource. {detail}", path=path)


def bad_query(detail: str) -> ApiError:
    """SuiteQL refused; wording recorded from live accounts by public clients."""
    return ApiError(
        400,
        "INVALID_PARAMETER",
        f"Invalid search query. Detailed unprocessed description follows. {detail}",
        param="q",
    )
