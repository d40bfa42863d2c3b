"""``CHEST_MEASURE = ["redis"]`` with a Redis server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from redis import Redis as Client
from redis import ResponseError
from redis.asyncio import Redis as AsyncClient

from ..apps import Site
from ..servers.redis import Redis

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Redis() as server:
        yield server.url


def test_commands_and_pipelines(make_site: Callable[..., Site], url: str) -> None:
    """Each command and each pipeline counts once, a failing one too."""
    site = make_site(CHEST_MEASURE=["redis"])

    @site.app.get("/")
    def view() -> str:
        with Client.from_url(url) as client:
            client.set("a", "password")
            with pytest.raises(ResponseError):
                client.incr("a")
            with client.pipeline() as pipeline:
                pipeline.get("a")
                pipeline.get("b")
                pipeline.execute()
        return "ok"

    assert site.client.get("/").status_code == 200
    record = site.only()
    assert record.vars["redis.count"] == 3
    assert 0 < record.vars["redis.ms"] <= record.duration_ms  # type: ignore[operator]


def test_async_commands(make_site: Callable[..., Site], url: str) -> None:
    """The client for asyncio is measured as well."""
    site = make_site(CHEST_MEASURE=["redis"])

    @site.app.get("/")
    async def view() -> str:
        async with AsyncClient.from_url(url) as client:
            await client.set("a", 1)
            async with client.pipeline() as pipeline:
                pipeline.get("a")
                await pipeline.execute()
        return "ok"

    assert site.client.get("/").status_code == 200
    assert site.only().vars["redis.count"] == 2


def test_without_the_key(make_site: Callable[..., Site], url: str) -> None:
    """Once the methods are wrapped, an app without the key still measures nothing."""
    make_site(CHEST_MEASURE=["redis"])
    site = make_site()

    @site.app.get("/")
    def view() -> str:
        with Client.from_url(url) as client:
            client.ping()
        return "ok"

    site.client.get("/")
    assert site.only().vars == {}
