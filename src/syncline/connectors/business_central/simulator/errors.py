"""The vendor's error bodies.

Shape, families and codes: contract sheet section 3 (Microsoft, "Error codes" and "HTTP status error codes").
Texts are the ones of the API pages' source where it has them; where a status or a text is an assumption, the
place that raises it says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec


class ApiError(Exception):
    """One refusal: an HTTP status, a code to act upon, and words in the language of the user."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def body(self, correlation: str) -> dict[str, object]:
        """The JSON answer; each carries the id under which support finds it."""
        return {"error": {"code": self.code, "message": f"{self.message}  CorrelationId:  {correlation}."}}


def encoded(value: object) -> bytes:
    """JSON as the vendor writes it: decimals are numbers."""
    return _ENCODER.encode(value)


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def dialog(message: str) -> ApiError:
    """A rule of the application refuses the content."""
    return ApiError(400, "Application_DialogException", message)


def bad_request(message: str) -> ApiError:
    """The request is not understood."""
    return ApiError(400, "BadRequest", message)


def read_only(name: str) -> ApiError:
    """A body names a field that cannot be written."""
    return ApiError(400, "BadRequest_InvalidOperation", f"Control '{name}' is read-only.")


def no_option(value: str, options: Iterable[str]) -> ApiError:
    """A value that an option field does not have. Microsoft, "Using OData transactional $batch requests"."""
    known = ",".join(plain(option) for option in options)
    return ApiError(400, "Unknown", f"'{plain(value)}' is not an option. The existing options are: {known}")


def plain(name: str) -> str:
    """An option as people read it, of one as it stands on the wire."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), name)


def wrong_value(message: str) -> ApiError:
    """A field of a record has a value with which this cannot be done."""
    return ApiError(400, "Application_FieldValidationException", message)


def no_method(method: str, entity: str) -> ApiError:
    """The entity cannot be written in this way."""
    return ApiError(
        405,
        "BadRequest_MethodNotAllowed",
        f"'{method}' requests for '{entity}' of EdmType 'Entity' are not allowed within Microsoft Dynamics NAV OData web "
        "services.",
    )


def no_property(name: str, kind: str) -> ApiError:
    """A body names a field that the entity does not have."""
    return bad_request(
        f"The property '{name}' does not exist on type 'Microsoft.NAV.{kind}'. Make sure to only use property "
        "names that are defined by the type."
    )


def no_segment(name: str) -> ApiError:
    """The address names nothing."""
    return ApiError(404, "BadRequest_ResourceNotFound", f"Resource not found for the segment '{name}'.")


def no_record(kind: str) -> ApiError:
    """There is no record of this id (the status is an assumption; the code is documented)."""
    return ApiError(404, "Internal_RecordNotFound", f"The {kind} does not exist.")


def entity_changed() -> ApiError:
    """The version in ``If-Match`` is not the current one."""
    return ApiError(
        409,
        "Request_EntityChanged",
        "Another user has already changed the record.",
    )


def no_version() -> ApiError:
    """``If-Match`` is missing or is no version (400 is an assumption)."""
    return ApiError(
        400,
        "BadRequest_InvalidToken",
        "Could not validate the client concurrency token required by the service. Please provide a valid token in the "
        "client request.",
    )


def too_many(actual: int, most: int) -> ApiError:
    """A limit of the caller is reached. No ``Retry-After`` is documented for it, so none is sent."""
    return ApiError(
        429,
        "Application_TooManyRequests",
        f"Too many requests reached. Actual ({actual}). Maximum ({most}).",
    )


def unsupported(kind: str) -> ApiError:
    """A body that says not that it is JSON. The status is documented, code and words are an assumption."""
    return ApiError(
        415,
        "BadRequest_UnsupportedMediaType",
        f"The content type '{kind}' of the request is not supported: it has to be application/json.",
    )


def wrong_credentials() -> ApiError:
    """The token is missing, wrong, expired, or its application is not set up inside the product."""
    return ApiError(
        401,
        "Authentication_InvalidCredentials",
        "The server has rejected the client credentials.",
        headers={"www-authenticate": "Bearer"},
    )


def same_key(table: str, number: str) -> ApiError:
    """A record with this number exists."""
    return ApiError(
        400,
        "Internal_EntityWithSameKeyExists",
        f"The record in table {table} already exists. Identification fields and values: No.='{number}'",
    )


def too_long(value: str, most: int) -> ApiError:
    """Text beyond the length of its field."""
    return ApiError(
        400,
        "Application_StringExceededLength",
        f"The length of the string is {len(value)}, but it must be less than or equal to {most} characters. "
        f"Value: {value}",
    )


def not_in_table(field: str, table: str, value: str, related: str) -> ApiError:
    """A code that has to be in another table."""
    return ApiError(
        400,
        "Internal_InvalidTableRelation",
        f"The field {field} of table {table} contains a value ({value}) that cannot be found in the related table "
        f"({related}).",
    )
