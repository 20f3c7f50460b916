"""The step list of the script, and waiting for what the library reports."""

import asyncio
import json
import sys

STEP_LIMIT_S = 20.0


class Inbox:
    """Everything seen of one kind, in order."""

    def __init__(self):
        self.items = []
        self._changed = asyncio.Condition()

    async def push(self, item):
        async with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    async def until(self, what, found):
        """Waits until `found(items)` is true, at most half of a step's time."""
        async with self._changed:
            try:
                async with asyncio.timeout(STEP_LIMIT_S / 2):
                    await self._changed.wait_for(lambda: found(self.items))
            except TimeoutError:
                seen = json.dumps(self.items[-12:], default=str)
                raise AssertionError(f"waited {STEP_LIMIT_S / 2:.0f} s for {what}; seen: {seen}") from None


class Steps:
    """Runs steps one by one; the first that fails ends the script with status 1."""

    def __init__(self):
        self.number = 0
        self.name = "starting"

    async def run(self, name, coroutine):
        """Awaits `coroutine` as the next step and returns its value. A step has 20 s."""
        self.number += 1
        self.name = name
        async with asyncio.timeout(STEP_LIMIT_S):
            value = await coroutine
        print(f"ok {self.number} - {name}", flush=True)
        return value

    def failed(self, error):
        reason = str(error) or type(error).__name__
        print(f"not ok {self.number} - {self.name}: {reason}", flush=True)
        sys.exit(1)

    def done(self):
        print(f"1..{self.number}", flush=True)


def equal(actual, wanted, what):
    """Fails with both values unless they are equal."""
    if actual != wanted:
        raise AssertionError(f"{what}:\n  got    {actual}\n  wanted {wanted}")


def check(condition, message):
    """Fails with `message` unless `condition` holds."""
    if not condition:
        raise AssertionError(message)
