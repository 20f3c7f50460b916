// What this user can see: guilds with their channels, members and presences. No DOM.

/** Orders snowflakes: longer is later, then by digits. */
export const compareIds = (one, other) => one.length - other.length || (one < other ? -1 : Number(one > other));

const TEXT_CHANNELS = new Set([0, 1, 5]);

const byPosition = (one, other) => one.position - other.position || compareIds(one.id, other.id);

export class World {
  /** The user of this session. */
  me = null;
  guilds = new Map();

  /**
   * Takes an event in. Answers what changed: a set of `channels` and `members`, empty where the
   * event is about something else.
   */
  apply(type, data) {
    const guild = this.guilds.get(data?.guild_id);
    switch (type) {
      case 'READY':
        this.me = data.user;
        this.guilds.clear();
        return new Set(['channels', 'members']);
      case 'USER_UPDATE':
        this.me = { ...this.me, ...data };
        return new Set(['members']);
      case 'GUILD_CREATE':
        this.guilds.set(data.id, guildOf(data));
        return new Set(['channels', 'members']);
      case 'GUILD_UPDATE':
        Object.assign(this.guilds.get(data.id) ?? {}, { name: data.name });
        return new Set(['channels']);
      case 'GUILD_DELETE':
        this.guilds.delete(data.id);
        return new Set(['channels', 'members']);
      case 'CHANNEL_CREATE':
      case 'CHANNEL_UPDATE':
        guild?.channels.set(data.id, data);
        return new Set(['channels']);
      case 'CHANNEL_DELETE':
        guild?.channels.delete(data.id);
        return new Set(['channels']);
      case 'GUILD_MEMBER_ADD':
      case 'GUILD_MEMBER_UPDATE':
        guild?.members.set(data.user.id, { ...guild.members.get(data.user.id), ...data });
        return new Set(['members']);
      case 'GUILD_MEMBER_REMOVE':
        guild?.members.delete(data.user.id);
        guild?.presences.delete(data.user.id);
        return new Set(['members']);
      case 'PRESENCE_UPDATE':
        guild?.presences.set(data.user.id, data.status);
        return new Set(['members']);
      default:
        return new Set();
    }
  }

  /** Guilds by age, each with its text channels in order. */
  directory() {
    return [...this.guilds.values()]
      .sort((one, other) => compareIds(one.id, other.id))
      .map((guild) => ({
        guild,
        channels: [...guild.channels.values()].filter((channel) => TEXT_CHANNELS.has(channel.type)).sort(byPosition),
      }));
  }

  /** A channel and its guild, or null. */
  find(channelId) {
    for (const guild of this.guilds.values()) {
      const channel = guild.channels.get(channelId);
      if (channel) return { guild, channel };
    }
    return null;
  }

  /** Under which name a user is shown in a guild. */
  nameIn(guild, user) {
    return guild?.members.get(user.id)?.nick ?? user.global_name ?? user.username ?? user.id;
  }

  /** A guild's members by name: those who are here, and the others. */
  people(guild) {
    const people = [...guild.members.values()].map(({ user }) => {
      const status = user.id === this.me?.id ? 'online' : guild.presences.get(user.id) ?? 'offline';
      return { user, name: this.nameIn(guild, user), status };
    });
    people.sort((one, other) => one.name.localeCompare(other.name));
    return {
      online: people.filter(({ status }) => status !== 'offline'),
      offline: people.filter(({ status }) => status === 'offline'),
    };
  }
}

function guildOf(data) {
  return {
    id: data.id,
    name: data.name,
    count: data.member_count,
    channels: new Map(data.channels.map((channel) => [channel.id, channel])),
    members: new Map(data.members.map((member) => [member.user.id, member])),
    presences: new Map(data.presences.map((presence) => [presence.user.id, presence.status])),
  };
}
