// A discord.js bot works against the server: every step of a chat session, and two outages that end in Resume.
// Started by ../run.mjs. The library is unmodified; only `rest.api` points it at the server.

import assert from 'node:assert/strict';

import { ChannelType, Client, Events, GatewayIntentBits } from 'discord.js';

import { cut, dialledAgain, release } from '../outage.mjs';
import { Rest } from '../rest.mjs';
import { done, fail, Inbox, overallLimit, step } from '../steps.mjs';

overallLimit(90);
process.on('unhandledRejection', fail);
process.on('uncaughtException', fail);

const dev = JSON.parse(process.env.GUILDHALL_DEV);
const [alice, bob] = dev.user_tokens.map((token) => new Rest(process.env.GUILDHALL_DIRECT, token));
const channelId = dev.channel_id;
const WAVE = '👋';

const options = {
  intents: [
    GatewayIntentBits.Guilds,
    GatewayIntentBits.GuildMembers,
    GatewayIntentBits.GuildMessages,
    GatewayIntentBits.GuildMessageReactions,
    GatewayIntentBits.GuildMessageTyping,
    GatewayIntentBits.MessageContent,
  ],
  rest: { api: dev.api.replace(/\/v\d+$/, ''), version: '10' },
};
const client = new Client(options);

const created = new Inbox();
const updated = new Inbox();
const deleted = new Inbox();
const reactions = new Inbox();
const typing = new Inbox();
const resumed = new Inbox();
const dispatched = new Inbox();
client.on(Events.MessageCreate, (message) => created.push({ id: message.id, content: message.content, author: message.author.id }));
client.on(Events.MessageUpdate, (_, message) => updated.push({ id: message.id, content: message.content, edited: message.editedTimestamp }));
client.on(Events.MessageDelete, (message) => deleted.push(message.id));
client.on(Events.MessageReactionAdd, (reaction, user) => reactions.push(`+${reaction.emoji.name} ${reaction.message.id} ${user.id}`));
client.on(Events.MessageReactionRemove, (reaction, user) => reactions.push(`-${reaction.emoji.name} ${reaction.message.id} ${user.id}`));
client.on(Events.TypingStart, (event) => typing.push(`${event.user.id} ${event.channel.id}`));
client.on(Events.ShardResume, (shard, replayed) => resumed.push({ shard, replayed }));
client.on(Events.Raw, ({ s, t }) => dispatched.push({ s, t }));
client.on(Events.Error, fail);

/** Waits for messages with exactly these contents, in this order, after the first `from` ones. */
async function receivedExactly(contents, from) {
  const wanted = JSON.stringify(contents);
  const seen = () => created.items.slice(from).map(({ content }) => content);
  await created.until(`messages ${wanted}`, (items) => items.length >= from + contents.length);
  assert.deepEqual(seen(), contents);
}

/** Every dispatch so far carried the next sequence number: nothing lost, doubled or out of order. */
function sequenceIsWhole() {
  dispatched.items.forEach(({ s, t }, index) => {
    assert.equal(s, index + 1, `dispatch ${index + 1} (${t}) has s=${s}`);
  });
}

const users = await step('the demo users answer over REST', () => Promise.all([alice.me(), bob.me()]));

const botId = await step('the bot logs in', async () => {
  const ready = new Promise((resolve) => { client.once(Events.ClientReady, resolve); });
  await client.login(dev.bot_token);
  await ready;
  assert.equal(client.user.bot, true);
  assert.equal(client.user.id, Buffer.from(dev.bot_token.split('.')[0], 'base64url').toString());
  return client.user.id;
});

const channel = await step('guild and channels are visible', async () => {
  const guild = client.guilds.cache.get(dev.guild_id);
  assert.ok(guild, 'the demo guild is not in the cache');
  assert.equal(guild.available, true);
  const found = guild.channels.cache.get(channelId);
  assert.ok(found, 'the demo channel is not in the cache');
  assert.equal(found.name, 'general');
  assert.equal(found.type, ChannelType.GuildText);
  assert.ok(guild.roles.everyone, 'the guild has no @everyone role');
  assert.equal(guild.members.me?.id, botId);
  const fetched = await guild.channels.fetch(null, { force: true });
  assert.ok(fetched.has(channelId), 'GET /guilds/{id}/channels lacks the demo channel');
  return found;
});

await step('all members come by op 8', async () => {
  const members = await channel.guild.members.fetch();
  for (const id of [botId, ...users.map((user) => user.id)]) assert.ok(members.has(id), `member ${id} is missing`);
});

const first = await step('a message of its own is sent and received', async () => {
  const message = await channel.send('first');
  assert.equal(message.author.id, botId);
  await receivedExactly(['first'], 0);
  assert.deepEqual(created.items[0], { id: message.id, content: 'first', author: botId });
  return message;
});

await step('messages of others and its own come in order', async () => {
  const from = created.items.length;
  const wanted = [];
  for (let n = 0; n < 4; n += 1) {
    for (const [who, send] of [
      ['alice', (text) => alice.send(channelId, text)],
      ['bot', (text) => channel.send(text)],
      ['bob', (text) => bob.send(channelId, text)],
    ]) {
      wanted.push(`${who} ${n}`);
      await send(wanted.at(-1));
    }
  }
  await receivedExactly(wanted, from);
});

await step('messages sent at the same time come in the order of the history', async () => {
  const from = created.items.length;
  const sent = await Promise.all([alice, bob].flatMap((user, who) => [0, 1, 2, 3].map((n) => user.send(channelId, `at once ${who} ${n}`))));
  await created.until('all of them', (items) => items.length >= from + sent.length);
  const history = [...(await channel.messages.fetch({ limit: sent.length, cache: false })).keys()].reverse();
  assert.deepEqual(created.items.slice(from).map(({ id }) => id), history);
  assert.deepEqual([...history].sort(), sent.map(({ id }) => id).sort());
});

await step('edits are seen: its own and others\'', async () => {
  const edited = await first.edit('first, edited');
  assert.equal(edited.content, 'first, edited');
  const own = await updated.until('the own edit', (items) => items.find(({ id }) => id === first.id));
  assert.equal(own.content, 'first, edited');
  assert.ok(own.edited, 'the edited message has no edit time');
  const theirs = await alice.send(channelId, 'draft');
  await alice.edit(channelId, theirs.id, 'final');
  const seen = await updated.until('the edit of another', (items) => items.find(({ id }) => id === theirs.id));
  assert.equal(seen.content, 'final');
  assert.equal((await channel.messages.fetch({ message: first.id, force: true, cache: false })).content, 'first, edited');
});

await step('deletions are seen: its own and others\'', async () => {
  const own = await channel.send('to be deleted');
  await own.delete();
  const theirs = await bob.send(channelId, 'to be deleted, too');
  await created.until('the message', (items) => items.some(({ id }) => id === theirs.id));
  await bob.delete(channelId, theirs.id);
  await deleted.until('both deletions', (items) => items.includes(own.id) && items.includes(theirs.id));
  await assert.rejects(channel.messages.fetch({ message: own.id, force: true }), { code: 10008 });
});

await step('reactions are added and removed', async () => {
  const reaction = await first.react(WAVE);
  await alice.react(channelId, first.id, WAVE);
  await reactions.until('two additions', (items) => items.length >= 2);
  const fresh = await channel.messages.fetch({ message: first.id, force: true });
  assert.equal(fresh.reactions.cache.get(WAVE)?.count, 2);
  assert.equal(fresh.reactions.cache.get(WAVE)?.me, true);
  await reaction.users.remove(client.user);
  await alice.unreact(channelId, first.id, WAVE);
  await reactions.until('two removals', (items) => items.length >= 4);
  assert.deepEqual(reactions.items, [
    `+${WAVE} ${first.id} ${botId}`, `+${WAVE} ${first.id} ${users[0].id}`,
    `-${WAVE} ${first.id} ${botId}`, `-${WAVE} ${first.id} ${users[0].id}`,
  ]);
});

await step('typing is sent and seen', async () => {
  await channel.sendTyping();
  await alice.typing(channelId);
  await typing.until('the typing of another', (items) => items.includes(`${users[0].id} ${channelId}`));
});

await step('history honours limit, before, after and around', async () => {
  const ids = async (query) => [...(await channel.messages.fetch({ ...query, cache: false })).keys()];
  const all = await ids({ limit: 100 });
  assert.ok(all.length >= 20, `only ${all.length} messages in the history`);
  assert.deepEqual(all, [...all].sort((a, b) => (BigInt(b) > BigInt(a) ? 1 : -1)), 'not newest first');
  assert.deepEqual(await ids({ limit: 3 }), all.slice(0, 3));
  assert.deepEqual(await ids({ limit: 4, before: all[5] }), all.slice(6, 10));
  assert.deepEqual(await ids({ limit: 4, after: all[9] }), all.slice(5, 9));
  const around = await ids({ limit: 5, around: all[8] });
  assert.deepEqual(around, all.slice(6, 11));
  assert.deepEqual(await ids({ limit: 10, before: all.at(-1) }), []);
});

/** Cuts the connection, lets others post meanwhile, and expects a Resume with exactly what was missed. */
async function outage(label, serverKnows) {
  const session = client.ws.shards.get(0).sessionInfo.sessionId;
  const from = created.items.length;
  const resumes = resumed.items.length;
  await cut({ serverKnows });
  const missed = [];
  for (let n = 0; n < 4; n += 1) {
    for (const [who, user] of [['alice', alice], ['bob', bob]]) {
      missed.push(`${label}: ${who} ${n}`);
      await user.send(channelId, missed.at(-1));
    }
  }
  assert.equal(created.items.length, from, 'something was received through a cut connection');
  await dialledAgain();
  await release();
  await resumed.until('the resumed event', (items) => items.length > resumes);
  await channel.send(`${label}: back again`);
  await receivedExactly([...missed, `${label}: back again`], from);
  assert.equal(client.ws.shards.get(0).sessionInfo.sessionId, session, 'the session id changed');
  assert.equal(dispatched.items.filter(({ t }) => t === 'READY').length, 1, 'the session was started anew');
  sequenceIsWhole();
}

await step('a cut connection is resumed with the missed messages', () => outage('cut', true));
await step('a resume takes over from a connection the server believes in', () => outage('half open', false));

await step('a wrong token is refused', async () => {
  const stranger = new Client(options);
  const [id] = dev.bot_token.split('.');
  await assert.rejects(stranger.login(`${id}.AAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAA`), { code: 'TokenInvalid' });
  await stranger.destroy();
});

await client.destroy();
done();
