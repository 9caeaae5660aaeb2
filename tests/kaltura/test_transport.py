"""The transport over aiohttp, on real sockets of loopback."""

import ssl
from contextlib import aclosing, suppress

import aiohttp
import httpx
import pytest

from app.kaltura.transport import open_transport, read_bounded
from tests.support.upstream_server import listening, succeed


async def test_a_connection_that_is_just_being_closed_is_replaced_by_another() -> None:
    async with listening(succeed) as (port, server), aclosing(open_transport()) as transport:

        async def send(content: bytes) -> None:
            request = httpx.Request("POST", f"http://127.0.0.1:{port}", content=content)
            await read_bounded(await transport.handle_async_request(request))

        await send(b"One.")
        session = transport.client  # type: ignore[attr-defined] # the adapter's

        async def close(*_: object) -> None:
            [connection] = session.connector._acquired
            is_closing, told = connection.transport.is_closing, iter([True])
            connection.transport.is_closing = lambda: next(told, False) or is_closing()

        reusing = aiohttp.TraceConfig()
        reusing.on_connection_reuseconn.append(close)
        reusing.freeze()
        session._trace_configs.append(reusing)
        await send(b"Two.")
    assert server.connections == 2
    assert [b"One." in request for request in server.requests] == [True, False]


async def test_a_transport_loads_no_authorities_since_aiohttp_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(ssl, "create_default_context")
    await open_transport().aclose()


@pytest.mark.parametrize(("is_public_only", "connections"), [(False, 1), (True, 0)])
async def test_a_name_that_leads_to_a_private_address_is_for_those_who_may_go_there(
    is_public_only: bool,  # noqa: FBT001 - a parameter of the table
    connections: int,
) -> None:
    async with (
        listening(succeed) as (port, server),
        aclosing(open_transport(is_public_only=is_public_only)) as transport,
    ):
        request = httpx.Request("POST", f"http://localhost:{port}", content=b"{}")
        with suppress(httpx.TransportError):
            await (await transport.handle_async_request(request)).aclose()
    assert server.connections == connections
