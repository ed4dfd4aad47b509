"""How long a lost connection is tried again: eight times, at once, then 0.1 s, 0.2 s … at most 3 s apart."""

from __future__ import annotations

from whyglass.errors import Unreachable, WhyglassError, may_pass

_TRIES = 8


class Patience:
    def __init__(self) -> None:
        self._tries = 0

    def pause(self, cause: WhyglassError, reached: bool) -> float:
        """The seconds to wait before the next try; raises `cause` where another makes no sense."""
        if not may_pass(cause) or not reached or self._tries >= _TRIES:
            raise cause
        self._tries += 1
        return 0.0 if self._tries == 1 else min(3.0, 0.05 * 2 ** min(self._tries - 1, 6))

    def reset(self) -> None:
        self._tries = 0


def ended_early() -> WhyglassError:
    return Unreachable("the stream ended before its run did", code="UNAVAILABLE")
