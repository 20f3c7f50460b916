"""A discord.py bot works against the server: every step of a chat session, and two outages that end in Resume.

Started by ../run.mjs. The library is unmodified; only its two address constants point it at the server.
"""

import asyncio
import base64
import json
import logging
import os
import sys

import aiohttp

if os.environ.get("COMPRESSION") == "zlib":
    # As where the package is not installed.
    sys.modules["zstandard"] = None
import discord
import yarl

from others import Outage, Rest
from steps import Inbox, Steps, check, equal

OVERALL_LIMIT_S = 90.0
COMPRESSION = "zlib-stream" if os.environ.get("COMPRESSION") == "zlib" else "zstd-stream"
WAVE = "👋"

dev = json.loads(os.environ["GUILDHALL_DEV"])
discord.http.Route.BASE = dev["api"]
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(dev["gateway"])

GUILD = int(dev["guild_id"])
CHANNEL = int(dev["channel_id"])


class Bot(discord.Client):
    """Puts what the library reports into inboxes."""

    def __init__(self, steps):
        # Debug events: the only way to see the sequence numbers, which must be whole across a Resume.
        super().__init__(intents=discord.Intents.all(), enable_debug_events=True)
        self._steps = steps
        self.created = Inbox()
        self.updated = Inbox()
        self.deleted = Inbox()
        self.reactions = Inbox()
        self.typed = Inbox()
        self.resumes = Inbox()
        self.dispatched = Inbox()

    async def on_error(self, event_method, /, *args, **kwargs):
        self._steps.failed(f"{event_method}: {sys.exception()!r}")

    def connection_ended(self, task):
        """For the task that runs the connection: it ends early only by an error."""
        if not task.cancelled() and task.exception():
            self._steps.failed(f"the connection ended: {task.exception()!r}")

    async def on_socket_raw_receive(self, text):
        frame = json.loads(text)
        if frame["op"] == 0:
            await self.dispatched.push((frame["s"], frame["t"]))

    async def on_message(self, message):
        await self.created.push((message.id, message.content, message.author.id))

    async def on_message_edit(self, _, message):
        await self.updated.push((message.id, message.content, message.edited_at))

    async def on_message_delete(self, message):
        await self.deleted.push(message.id)

    async def on_reaction_add(self, reaction, user):
        await self.reactions.push(f"+{reaction.emoji} {reaction.message.id} {user.id}")

    async def on_reaction_remove(self, reaction, user):
        await self.reactions.push(f"-{reaction.emoji} {reaction.message.id} {user.id}")

    async def on_typing(self, channel, user, _):
        await self.typed.push((channel.id, user.id))

    async def on_resumed(self):
        await self.resumes.push(self.ws.session_id)


class Script:
    """The steps; each method named after what it shows."""

    def __init__(self, bot, alice, bob, outage):
        self.bot = bot
        self.alice = alice
        self.bob = bob
        self.outage = outage
        self.users = []
        self.channel = None
        self.first = None

    async def received_exactly(self, contents, start):
        """The messages after the first `start` are these and no others, in this order."""
        created = self.bot.created
        await created.until(f"messages {contents}", lambda items: len(items) >= start + len(contents))
        equal([content for _, content, _ in created.items[start:]], contents, "received messages")

    def sequence_is_whole(self):
        """Every dispatch so far carried the next sequence number."""
        for index, (sequence, name) in enumerate(self.bot.dispatched.items, start=1):
            equal(sequence, index, f"sequence number of dispatch {index} ({name})")

    async def demo_users_answer(self):
        self.users = [int((await user.me())["id"]) for user in (self.alice, self.bob)]

    async def logs_in(self):
        await self.bot.login(dev["bot_token"])
        segment = dev["bot_token"].split(".")[0]
        wanted = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)).decode()
        equal(self.bot.user.id, int(wanted), "id of the bot")
        check(self.bot.user.bot, "the bot is not marked as one")

    async def becomes_ready(self):
        await self.bot.wait_until_ready()

    async def gateway_compresses(self, http):
        equal(discord.utils._ActiveDecompressionContext.COMPRESSION_TYPE, COMPRESSION, "what the library asks for")
        headers = {"Authorization": f"Bearer {dev['admin_token']}"}
        async with http.get(dev["admin"] + "/metrics", headers=headers) as response:
            lines = (await response.text()).splitlines()
        check("guildhall_compressed_connections 1" in lines, "the connection is not compressed")

    async def guild_and_channels_are_visible(self):
        guild = self.bot.get_guild(GUILD)
        check(guild is not None and not guild.unavailable, "the demo guild is not in the cache")
        self.channel = guild.get_channel(CHANNEL)
        check(isinstance(self.channel, discord.TextChannel), "the demo channel is not in the cache")
        equal(self.channel.name, "general", "name of the channel")
        equal(guild.me.id, self.bot.user.id, "the bot's own member")
        check(guild.default_role is not None, "the guild has no @everyone role")
        fetched = [channel.id for channel in await guild.fetch_channels()]
        check(CHANNEL in fetched, "GET /guilds/{id}/channels lacks the demo channel")

    async def members_by_op_8(self):
        guild = self.channel.guild
        members = {member.id for member in await guild.query_members(user_ids=self.users, cache=False)}
        equal(members, set(self.users), "members asked for by id")
        await guild.chunk(cache=True)
        check({self.bot.user.id, *self.users} <= {member.id for member in guild.members}, "a member is missing")
        listed = {member.id async for member in guild.fetch_members(limit=None)}
        check({self.bot.user.id, *self.users} <= listed, "GET /guilds/{id}/members lacks a member")

    async def own_message(self):
        self.first = await self.channel.send("first")
        await self.received_exactly(["first"], 0)
        equal(self.bot.created.items[0], (self.first.id, "first", self.bot.user.id), "the message")

    async def messages_in_order(self):
        start = len(self.bot.created.items)
        wanted = []
        for n in range(4):
            for who in ("alice", "bot", "bob"):
                text = f"{who} {n}"
                wanted.append(text)
                if who == "bot":
                    await self.channel.send(text)
                else:
                    await getattr(self, who).send(CHANNEL, text)
        await self.received_exactly(wanted, start)

    async def messages_at_once(self):
        start = len(self.bot.created.items)
        sent = await asyncio.gather(
            *(user.send(CHANNEL, f"at once {n}") for n in range(4) for user in (self.alice, self.bob))
        )
        created = self.bot.created
        await created.until("all of them", lambda items: len(items) >= start + len(sent))
        history = [message.id async for message in self.channel.history(limit=len(sent))][::-1]
        equal([message for message, _, _ in created.items[start:]], history, "order of arrival against history")
        equal(sorted(history), sorted(int(message["id"]) for message in sent), "what was sent")

    async def edits(self):
        edited = await self.first.edit(content="first, edited")
        equal(edited.content, "first, edited", "content in the answer")
        updated = self.bot.updated
        await updated.until("the own edit", lambda items: any(item[0] == self.first.id for item in items))
        own = next(item for item in updated.items if item[0] == self.first.id)
        equal(own[1], "first, edited", "content in the event")
        check(own[2] is not None, "the edited message has no edit time")
        draft = await self.alice.send(CHANNEL, "draft")
        identity = int(draft["id"])
        await self.bot.created.until("the draft", lambda items: items[-1][0] == identity)
        await self.alice.edit(CHANNEL, identity, "final")
        await updated.until("the edit of another", lambda items: any(item[:2] == (identity, "final") for item in items))
        fetched = await self.channel.fetch_message(self.first.id)
        equal(fetched.content, "first, edited", "content over REST")

    async def deletions(self):
        own = await self.channel.send("to be deleted")
        await self.bot.created.until("the own message", lambda items: any(item[0] == own.id for item in items))
        await own.delete()
        theirs = int((await self.bob.send(CHANNEL, "to be deleted, too"))["id"])
        await self.bot.created.until("the message", lambda items: any(item[0] == theirs for item in items))
        await self.bob.delete(CHANNEL, theirs)
        await self.bot.deleted.until("both deletions", lambda items: {own.id, theirs} <= set(items))
        try:
            await self.channel.fetch_message(own.id)
        except discord.NotFound as error:
            equal(error.code, 10008, "error code")
        else:
            raise AssertionError("a deleted message can still be fetched")

    async def reactions(self):
        await self.first.add_reaction(WAVE)
        await self.alice.react(CHANNEL, self.first.id, WAVE)
        reactions = self.bot.reactions
        await reactions.until("two additions", lambda items: len(items) >= 2)
        fetched = await self.channel.fetch_message(self.first.id)
        equal([(str(r.emoji), r.count, r.me) for r in fetched.reactions], [(WAVE, 2, True)], "reactions over REST")
        await self.first.remove_reaction(WAVE, self.bot.user)
        await self.alice.unreact(CHANNEL, self.first.id, WAVE)
        await reactions.until("two removals", lambda items: len(items) >= 4)
        own, other = (f"{WAVE} {self.first.id} {user}" for user in (self.bot.user.id, self.users[0]))
        equal(reactions.items, [f"+{own}", f"+{other}", f"-{own}", f"-{other}"], "reactions seen")

    async def typing(self):
        async with self.channel.typing():
            pass
        await self.alice.typing(CHANNEL)
        wanted = (CHANNEL, self.users[0])
        await self.bot.typed.until("the typing of another", lambda items: wanted in items)

    async def history(self):
        async def ids(**query):
            return [message.id async for message in self.channel.history(oldest_first=False, **query)]

        def at(message):
            return discord.Object(message)

        newest = await ids(limit=100)
        check(len(newest) >= 20, f"only {len(newest)} messages in the history")
        equal(newest, sorted(newest, reverse=True), "newest first")
        equal(await ids(limit=3), newest[:3], "limit")
        equal(await ids(limit=4, before=at(newest[5])), newest[6:10], "before")
        after = [message.id async for message in self.channel.history(limit=4, after=at(newest[9]), oldest_first=True)]
        equal(after, newest[5:9][::-1], "after")
        equal(await ids(limit=5, around=at(newest[8])), newest[6:11], "around")
        equal(await ids(limit=10, before=at(newest[-1])), [], "before the first")

    async def outage_ends_in_resume(self, label, server_knows):
        session = self.bot.ws.session_id
        start = len(self.bot.created.items)
        resumes = len(self.bot.resumes.items)
        await self.outage.cut(server_knows)
        missed = []
        for n in range(4):
            for who in ("alice", "bob"):
                missed.append(f"{label}: {who} {n}")
                await getattr(self, who).send(CHANNEL, missed[-1])
        equal(len(self.bot.created.items), start, "messages received through a cut connection")
        await self.outage.dialled_again()
        await self.outage.release()
        await self.bot.resumes.until("the resumed event", lambda items: len(items) > resumes)
        back = f"{label}: back again"
        await self.channel.send(back)
        await self.received_exactly([*missed, back], start)
        equal(self.bot.ws.session_id, session, "session id")
        names = [name for _, name in self.bot.dispatched.items]
        equal(names.count("READY"), 1, "number of sessions started")
        self.sequence_is_whole()

    async def wrong_token_is_refused(self):
        segment = dev["bot_token"].split(".")[0]
        async with discord.Client(intents=discord.Intents.default()) as stranger:
            try:
                await stranger.login(f"{segment}.AAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAA")
            except discord.LoginFailure:
                return
        raise AssertionError("a wrong token was accepted")


async def main(steps):
    async with aiohttp.ClientSession() as http, Bot(steps) as bot:
        alice, bob = (Rest(http, token) for token in dev["user_tokens"])
        script = Script(bot, alice, bob, Outage(http))
        await steps.run("the demo users answer over REST", script.demo_users_answer())
        await steps.run("the bot logs in", script.logs_in())
        connection = asyncio.create_task(bot.connect())
        connection.add_done_callback(bot.connection_ended)
        try:
            await steps.run("the bot becomes ready", script.becomes_ready())
            await steps.run(f"the gateway speaks {COMPRESSION}", script.gateway_compresses(http))
            await steps.run("guild and channels are visible", script.guild_and_channels_are_visible())
            await steps.run("members come by op 8 and by REST pages", script.members_by_op_8())
            await steps.run("a message of its own is sent and received", script.own_message())
            await steps.run("messages of others and its own come in order", script.messages_in_order())
            await steps.run("messages sent at the same time come in the order of the history", script.messages_at_once())
            await steps.run("edits are seen: its own and others'", script.edits())
            await steps.run("deletions are seen: its own and others'", script.deletions())
            await steps.run("reactions are added and removed", script.reactions())
            await steps.run("typing is sent and seen", script.typing())
            await steps.run("history honours limit, before, after and around", script.history())
            await steps.run("a cut connection is resumed with the missed messages",
                            script.outage_ends_in_resume("cut", server_knows=True))
            await steps.run("a resume takes over from a connection the server believes in",
                            script.outage_ends_in_resume("half open", server_knows=False))
            await steps.run("a wrong token is refused", script.wrong_token_is_refused())
        finally:
            connection.cancel()


if __name__ == "__main__":
    if os.environ.get("GUILDHALL_CLIENT_LOG"):
        logging.basicConfig(level=logging.DEBUG)
    progress = Steps()
    try:
        asyncio.run(asyncio.wait_for(main(progress), OVERALL_LIMIT_S))
    except Exception as error:
        progress.failed(error)
    progress.done()
