//! From a command to the function that does it.

use super::rights::Rights;
use super::{GuildCore, Moment};
use crate::guild::command::{Caller, Command, Outcome};

impl GuildCore {
    #[allow(clippy::too_many_lines)] // one arm for each command
    pub(super) fn execute(&mut self, at: &Moment, caller: &Caller, command: Command) -> Outcome {
        match command {
            Command::CreateMessage(channel, new) => self.create_message(at, caller, channel, *new),
            Command::EditMessage(channel, id, edit) => {
                self.edit_message(at, caller, channel, id, *edit)
            }
            Command::DeleteMessage(channel, id) => self.delete_message(at, caller, channel, id),
            Command::BulkDelete(channel, ids) => self.bulk_delete(at, caller, channel, &ids),
            Command::GetMessages {
                channel,
                page,
                limit,
            } => {
                let guild = self.state.guild()?;
                let rights = Rights::of(guild, caller, at.now_ms)?;
                guild.messages_page(&rights, channel, page, limit)
            }
            Command::GetMessage(channel, id) => {
                let guild = self.state.guild()?;
                let rights = Rights::of(guild, caller, at.now_ms)?;
                guild.one_message(&rights, channel, id)
            }
            Command::AddReaction(channel, id, emoji) => {
                self.add_reaction(at, caller, channel, id, emoji)
            }
            Command::RemoveReaction(channel, id, emoji, of) => {
                self.remove_reaction(at, caller, channel, id, emoji, of)
            }
            Command::GetReactions {
                channel,
                message,
                emoji,
                after,
                limit,
            } => {
                let guild = self.state.guild()?;
                let rights = Rights::of(guild, caller, at.now_ms)?;
                guild.reaction_users(&rights, channel, message, &emoji, (after, limit))
            }
            Command::Typing(channel) => self.typing(at, caller, channel),
            Command::CreateGuild(new) => self.create_guild(at, caller, *new),
            Command::EditGuild(edit) => self.edit_guild(at, caller, *edit),
            Command::DeleteGuild => self.delete_guild(at, caller),
            Command::GetGuild { with_counts } => self.get_guild(at, caller, with_counts),
            Command::GetChannels => self.get_channels(at, caller),
            Command::GetChannel(id) => self.get_channel(at, caller, id),
            Command::CreateChannel(new) => self.create_channel(at, caller, *new),
            Command::EditChannel(id, edit) => self.edit_channel(at, caller, id, *edit),
            Command::DeleteChannel(id) => self.delete_channel(at, caller, id),
            Command::SetOverwrite(channel, overwrite) => {
                self.set_overwrite(at, caller, channel, overwrite)
            }
            Command::DeleteOverwrite(channel, id) => self.delete_overwrite(at, caller, channel, id),
            Command::GetRoles => self.get_roles(at, caller),
            Command::CreateRole(id, edit) => self.create_role(at, caller, id, *edit),
            Command::EditRole(id, edit) => self.edit_role(at, caller, id, *edit),
            Command::DeleteRole(id) => self.delete_role(at, caller, id),
            Command::GetMembers { after, limit } => self.get_members(at, caller, after, limit),
            Command::GetMember(user) => self.get_member(at, caller, user),
            Command::RequestMembers(query) => self.request_members(at, caller, &query),
            Command::AddMember(new) => self.add_member(at, caller, *new),
            Command::EditMember(user, edit) => self.edit_member(at, caller, user, *edit),
            Command::RemoveMember(user) => self.remove_member(at, caller, user),
            Command::AddMemberRole(user, role) => {
                self.set_member_role(at, caller, user, role, true)
            }
            Command::RemoveMemberRole(user, role) => {
                self.set_member_role(at, caller, user, role, false)
            }
        }
    }
}
