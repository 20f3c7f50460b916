"""What happens around the bot: the demo users, over plain REST, and the outages of the proxy."""

import asyncio
import json
import os
from urllib.parse import quote

ATTEMPTS = 5


class Rest:
    """A demo user at the REST base URL that leads past the proxy."""

    def __init__(self, http, token):
        self._http = http
        self._base = os.environ["GUILDHALL_DIRECT"]
        self._headers = {"Authorization": token}

    async def request(self, method, path, body=None):
        """Sends one request; waits and repeats on 429, raises on any other error status."""
        for attempt in range(1, ATTEMPTS + 1):
            async with self._http.request(method, self._base + path, json=body, headers=self._headers) as response:
                text = await response.text()
                if response.status == 429 and attempt < ATTEMPTS:
                    await asyncio.sleep(json.loads(text)["retry_after"])
                    continue
                if response.status >= 400:
                    raise AssertionError(f"{method} {path}: status {response.status}: {text}")
                return json.loads(text) if text else None

    async def me(self):
        return await self.request("GET", "/users/@me")

    async def send(self, channel, content):
        return await self.request("POST", f"/channels/{channel}/messages", {"content": content})

    async def edit(self, channel, message, content):
        return await self.request("PATCH", f"/channels/{channel}/messages/{message}", {"content": content})

    async def delete(self, channel, message):
        await self.request("DELETE", f"/channels/{channel}/messages/{message}")

    async def react(self, channel, message, emoji):
        await self.request("PUT", self._reaction(channel, message, emoji))

    async def unreact(self, channel, message, emoji):
        await self.request("DELETE", self._reaction(channel, message, emoji))

    async def typing(self, channel):
        await self.request("POST", f"/channels/{channel}/typing")

    @staticmethod
    def _reaction(channel, message, emoji):
        return f"/channels/{channel}/messages/{message}/reactions/{quote(emoji)}/@me"


class Outage:
    """The client's side of the proxy's control (see ../proxy.mjs)."""

    def __init__(self, http):
        self._http = http
        self._control = os.environ["GUILDHALL_PROXY"]

    async def cut(self, server_knows):
        """Resets every connection and holds new ones; the server's side may stay open, unread."""
        query = "" if server_knows else "?server=open"
        async with self._http.post(f"{self._control}/cut{query}") as response:
            if (await response.json())["cut"] == 0:
                raise AssertionError("the proxy had no connection to cut")

    async def dialled_again(self):
        """Waits until the library has dialled again and is being held."""
        while True:
            async with self._http.get(f"{self._control}/state") as response:
                if (await response.json())["held"] > 0:
                    return
            await asyncio.sleep(0.02)

    async def release(self):
        async with self._http.post(f"{self._control}/release") as response:
            response.raise_for_status()
