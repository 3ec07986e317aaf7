"""What answers of the API have in common."""

from typing import Any

from oppspot.core.problems import CONTENT_TYPE


def problem_of(response: Any, status: int, code: str = "") -> dict[str, Any]:
    """The problem that `response` is, without its request id. Fails when it is something else."""
    assert response.status_code == status, (response.status_code, response.content[:500])
    assert response.headers["Content-Type"] == CONTENT_TYPE
    body: dict[str, Any] = response.json()
    request_id = body.pop("request_id")
    assert isinstance(request_id, str)
    assert body["status"] == status
    assert body["detail"]
    if code:
        assert body["code"] == code, body
    return body


def pages(client: Any, url: str, *, link: str = "next") -> list[list[Any]]:
    """The results of all pages from `url` on, following `link`."""
    found: list[list[Any]] = []
    following: str | None = url
    while following:
        response = client.get(following)
        assert response.status_code == 200, response.content[:500]
        body = response.json()
        found.append(body["results"])
        following = body[link]
        assert len(found) < 200, "pages go round in circles"
    return found
