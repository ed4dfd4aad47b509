"""The client for `asyncio`: the same methods, to be awaited; explanations are iterated with `async for`."""

from whyglass.aio.client import Client
from whyglass.aio.explanation import Explanation

__all__ = ["Client", "Explanation"]
