//! Bodies of requests as every form that there is, for fuzzers.

use bytes::Bytes;

use super::body::{parse, parse_list};
use super::forms::channel::{ChannelForm, PositionForm, RightsForm};
use super::forms::guild::{GuildForm, NewGuildForm};
use super::forms::member::{MemberForm, NewMemberForm};
use super::forms::message::{BulkDeleteForm, MessageForm, NewMessageForm};
use super::forms::role::{self, RoleForm};
use super::multipart;
use crate::protocol::ChannelId;

/// Reads a body as each form, as the endpoints do; whether one takes it does not matter here.
pub(crate) fn read_as_every_form(body: &[u8]) {
    let channel = ChannelId::new(1);
    let _ = parse::<NewMessageForm>(body).and_then(|form| form.into_new(channel));
    let _ = parse::<MessageForm>(body).and_then(MessageForm::into_edit);
    let _ = parse::<BulkDeleteForm>(body);
    let _ = parse::<ChannelForm>(body).map(|form| {
        let _ = form.kind();
        form.into_edit()
    });
    let _ = parse::<ChannelForm>(body).and_then(ChannelForm::into_new);
    let _ = parse::<RightsForm>(body).map(|form| form.into_overwrite(1));
    let _ = parse_list::<PositionForm>(body)
        .map(|list| list.into_iter().map(PositionForm::into_edit).count());
    let _ = parse::<NewGuildForm>(body).and_then(|form| form.into_parts(|| channel));
    let _ = parse::<GuildForm>(body).map(GuildForm::into_edit);
    let _ = parse::<NewMemberForm>(body).and_then(NewMemberForm::into_parts);
    let _ = parse::<MemberForm>(body).and_then(MemberForm::into_edit);
    let _ = parse::<RoleForm>(body).map(RoleForm::into_edit);
    let _ = parse_list::<role::PositionForm>(body);
    let parts = multipart::payload_json("boundary=b", &Bytes::copy_from_slice(body));
    if let Ok(json) = parts {
        let _ = parse::<NewMessageForm>(&json).and_then(|form| form.into_new(channel));
    }
}
