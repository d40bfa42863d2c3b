"""A proxy for TCP connections that can move to another server, as after a failover, or break."""

from __future__ import annotations

import selectors
import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType

from typing_extensions import Self


class TCPProxy:
    """Connects clients to a port of loopback.

    Connections that exist stay with their server when :attr:`target` changes, as with a proxy or a
    DNS name that moves.

    :param target: the port of the server for new connections.
    """

    #: A connection is cut when its client sends more packets; ``None``: never.
    max_packets: int | None = None
    #: A connection is cut when its client sends more bytes before the server answers.
    max_bytes: int | None = None
    #: A connection is cut in place of passing on the next answer that contains these bytes.
    lost_answer: bytes | None = None

    def __init__(self, target: int) -> None:
        self.target = target
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with (
                    suppress(OSError),
                    socket.create_connection(("127.0.0.1", proxy.target)) as server,
                ):
                    _pass_on(self.request, server, proxy)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _pass_on(client: socket.socket, server: socket.socket, proxy: TCPProxy) -> None:
    """Pass bytes on in both directions until one side closes its connection."""
    packets = sent = 0
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                packets += key.fileobj is client
                sent = sent + len(data) if key.fileobj is client else 0
                if not data or _exceeds(packets, proxy.max_packets):
                    return
                if _exceeds(sent, proxy.max_bytes):
                    return
                if key.fileobj is server and proxy.lost_answer and proxy.lost_answer in data:
                    proxy.lost_answer = None
                    return
                key.data.sendall(data)


def _exceeds(number: int, limit: int | None) -> bool:
    return limit is not None and number > limit
