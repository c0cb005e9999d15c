"""Error bodies as the vendor sends them: ``message`` with placeholders, and ``parameters`` to fill them.

Magento/Framework/Webapi/ErrorProcessor; contract section 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ApiError(Exception):
    """A refusal: its HTTP status and its body."""

    def __init__(
        self,
        status: int,
        message: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"message": message}
        if errors:
            self.body["errors"] = [dict(error) for error in errors]
        if parameters:
            self.body["parameters"] = parameters if isinstance(parameters, Mapping) else list(parameters)


def unauthorized(resource: str = "") -> ApiError:
    """No credential, a wrong one, or one without the resource."""
    parameters = {"resources": resource} if resource else {}
    return ApiError(401, "The consumer isn't authorized to access %resources.", parameters)


def no_route() -> ApiError:
    """No such address."""
    return ApiError(404, "Request does not match any route.")


def no_such_entity(field: str, value: object) -> ApiError:
    """The address is right, and there is nothing."""
    return ApiError(
        404, "No such entity with %fieldName = %fieldValue", {"fieldName": field, "fieldValue": str(value)}
    )


def required(field: str) -> ApiError:
    """A parameter of the service is missing."""
    return ApiError(400, '"%fieldName" is required. Enter and try again.', {"fieldName": field})


def internal() -> ApiError:
    """A crash on their side; production shops say no more than this."""
    return ApiError(
        500, "Internal Error. Details are available in Magento log file. Report ID: webapi-simulated"
    )
