"""A person or machine at the backend's HTTP API, as the demo and the story need one."""

from types import TracebackType
from typing import Any, Self

import httpx

from deploy.errors import DeployError

TIMEOUT_S = 30.0  # The first valuation of a cold start on a busy small machine.


class ApiError(DeployError):
    """The API refused; ``code`` and ``body`` are its own words."""

    def __init__(self, method: str, path: str, response: httpx.Response) -> None:
        self.status = response.status_code
        try:
            self.body: dict[str, Any] = response.json()
        except ValueError:
            self.body = {"error": {"code": "not_json", "message": response.text[:500]}}
        error: Any = self.body.get("error", {})
        self.code: str = str(error["code"]) if "code" in error else ""
        super().__init__(f"{method} {path}: {self.status} {self.body}")


class ApiClient:
    """One logged-in account. Use as a context manager."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=base_url, timeout=TIMEOUT_S, headers=headers, trust_env=False
        )

    def __enter__(self) -> Self:
        """Keep the connection open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._http.close()

    def log_in(self, login: str, password: str) -> None:
        """Start a session; later calls act in it."""
        answer = self.post("/api/login", {"login": login, "password": password})
        self._http.headers["X-CSRF-Token"] = answer["csrf_token"]

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON is any
        """Return what ``path`` answers."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: object | None = None) -> Any:  # noqa: ANN401 - JSON is any
        """Post ``body`` and return the answer."""
        return self._call("POST", path, json=body)

    def post_text(self, path: str, text: str, **query: str) -> Any:  # noqa: ANN401 - JSON is any
        """Post ``text`` as CSV and return the answer."""
        return self._call(
            "POST", path, content=text, params=query, headers={"Content-Type": "text/csv"}
        )

    def delete(self, path: str) -> None:
        """Delete what is at ``path``."""
        self._call("DELETE", path)

    def _call(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401 - of httpx
        response = self._http.request(method, path, **options)
        if response.is_error:
            raise ApiError(method, path, response)
        return response.json() if response.content else None
