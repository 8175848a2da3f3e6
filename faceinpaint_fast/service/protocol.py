"""HTTP/1.1 as uvicorn speaks it, with a time within which a request's head must be there."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # from a connection's opening, or the first byte of a request's head, to its end


class Protocol(H11Protocol):
    """A connection.  The service that is served is in the state of the application's lifespan, and hears of the end."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Takes what has come."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._wait_for_head()
        else:
            self._head_is_there()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends."""
        self._head_is_there()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Hears that the server ends, before it waits for its requests."""
        service: Any = self.app_state["service"]
        service.will_end()
        super().shutdown()

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_is_there(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
