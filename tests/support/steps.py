"""Counts the steps of an operation, as a measure of its work that no clock makes uncertain."""

import gc
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any


async def steps_of(operation: Callable[[], Awaitable[object]]) -> int:
    """The bytecode instructions that Python carries out until the operation is over.

    Every loop in Python shows, also one within an expression. One that is all C does not, such as
    the copy of a list.
    """
    steps = 0

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            steps += 1
        return count

    before = sys.gettrace()
    gc.disable()  # a collection calls back to those who wait for it, at a moment of its own
    sys.settrace(count)
    try:
        await operation()
    finally:
        sys.settrace(before)
        gc.enable()
    return steps
