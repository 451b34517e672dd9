"""Errors as JSON, whatever the route: ``{"error": {"code", "message", "detail"}}``."""

from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from backend.errors import PledgewatchError

_log = structlog.get_logger()
_PROBLEMS_MAX: Final = 20  # Of one request; who sends more sees those first.
_CODES: Final = {
    400: "bad_request",
    401: "unauthenticated",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}


class ErrorDetail(BaseModel):
    """What went wrong: a stable code, a sentence, and the details by name."""

    code: str
    message: str
    detail: dict[str, Any]


class ErrorResponse(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


# In the description of every route.
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorResponse, "description": description}
    for status, description in {
        401: "Nobody is logged in",
        403: "The caller may not do this",
        404: "There is no such thing, or the caller may not see it",
        409: "The rules do not allow this",
        413: "The body is too large",
        422: "A value is outside its bound",
        503: "Something that we need is away: try again",
    }.items()
}


def install(app: FastAPI) -> None:
    """Answer every exception of ``app`` as JSON."""
    app.add_exception_handler(PledgewatchError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


def answer(status: int, code: str, message: str, detail: dict[str, Any]) -> JSONResponse:
    """Return an error as a response."""
    body = ErrorResponse(error=ErrorDetail(code=code, message=message, detail=detail))
    return JSONResponse(body.model_dump(mode="json"), status_code=status)


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PledgewatchError)
    if error.status >= 500:
        _log.warning("request_failed", code=error.code, why=error.message, path=request.url.path)
    response = answer(error.status, error.code, error.message, error.detail)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 15.5.2
    if (retry_after_s := error.detail.get("retry_after_s")) is not None:
        response.headers["Retry-After"] = str(retry_after_s)  # RFC 9110, 10.2.3
    return response


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"field": ".".join(str(part) for part in each["loc"]), "message": str(each["msg"])}
        for each in error.errors()[:_PROBLEMS_MAX]
    ]
    message = "; ".join(f"{each['field']}: {each['message']}" for each in problems)
    return answer(422, "invalid", message, {"errors": problems})


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    response = answer(error.status_code, code, str(error.detail), {})
    response.headers.update(error.headers or {})
    return response


def _bug(request: Request, error: Exception) -> JSONResponse:
    # Starlette raises it again after this answer, so that the server logs where it happened.
    _log.error("request_crashed", path=request.url.path, error=type(error).__name__)
    return answer(500, "internal", "an error of ours; it was logged", {})
