//! A session of an earlier run, as its trail shows it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::entry::Image;
use crate::fanout::Visibility;
use crate::fanout::outbox::{LateParts, OutboxParts};
use crate::fanout::room::SubscriptionParts;
use crate::protocol::objects::{Member, Presence};
use crate::protocol::{GuildId, Intents, Position, UserId};
use crate::session::id::SessionId;
use crate::session::refusal::Refusal;
use crate::session::state::SessionParts;

/// Numbered events of a session that are known one by one; a client that has fewer starts anew.
const KNOWN: usize = 2_048;

/// Who saw what in each guild, by the position from which on that is known to be so.
pub(super) type Tables = HashMap<GuildId, BTreeMap<Position, Arc<Visibility>>>;

/// What is known of a session.
#[derive(Debug)]
pub struct Past {
    id: SessionId,
    /// At least one, by rising order; each begins at the number at which the one before it ends.
    stretches: Vec<Stretch>,
    tables: Arc<Tables>,
}

/// What happened to a session from an image of it on.
#[derive(Debug)]
pub(super) struct Stretch {
    /// What never changes of the session; the rest has gone into `base`.
    pub(super) image: Image,
    base: State,
    steps: VecDeque<Step>,
    /// Number of the newest event.
    last_seq: u64,
}

/// Where a session is after some event.
#[derive(Debug, Clone)]
struct State {
    seq: u64,
    guilds: HashMap<GuildId, Place>,
    asked: Vec<(GuildId, bool)>,
    presence: Presence,
}

#[derive(Debug, Clone)]
struct Place {
    position: Position,
    member: Arc<Member>,
    in_room: bool,
}

/// What happened to a session, in order.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A numbered event: a guild's record.
    Delivered(GuildId, Position),
    /// A numbered event that nobody misses.
    Passing,
    /// A numbered event of the session's own.
    Own,
    Progress(GuildId, Position),
    Stands(GuildId, Position, Arc<Member>),
    Member(GuildId, Position, Arc<Member>),
    Left(GuildId, bool),
    Presence(Presence),
}

impl Step {
    const fn is_numbered(&self) -> bool {
        matches!(self, Self::Delivered(..) | Self::Passing | Self::Own)
    }
}

impl State {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Delivered(guild, position) => {
                self.seq += 1;
                if let Some(place) = self.guilds.get_mut(guild) {
                    place.position = place.position.max(*position);
                }
            }
            Step::Passing | Step::Own => self.seq += 1,
            Step::Progress(guild, position) => {
                if let Some(place) = self.guilds.get_mut(guild)
                    && place.in_room
                {
                    place.position = place.position.max(*position);
                }
            }
            Step::Stands(guild, position, member) => {
                self.asked.retain(|(asked, _)| asked != guild);
                let place = Place {
                    position: *position,
                    member: Arc::clone(member),
                    in_room: true,
                };
                self.guilds.insert(*guild, place);
            }
            Step::Member(guild, position, member) => {
                if let Some(place) = self.guilds.get_mut(guild) {
                    place.position = place.position.max(*position);
                    place.member = Arc::clone(member);
                }
            }
            Step::Left(guild, asked) => {
                self.guilds.remove(guild);
                if *asked {
                    self.asked.push((*guild, false));
                }
            }
            Step::Presence(presence) => self.presence = presence.clone(),
        }
    }
}

impl Stretch {
    pub(super) fn new(mut image: Image) -> Self {
        let guilds = std::mem::take(&mut image.guilds);
        let guilds = guilds.into_iter().map(|standing| {
            let place = Place {
                position: standing.position,
                member: standing.member,
                in_room: standing.in_room,
            };
            (standing.guild, place)
        });
        Self {
            base: State {
                seq: image.seq,
                guilds: guilds.collect(),
                asked: std::mem::take(&mut image.asked),
                presence: std::mem::take(&mut image.presence),
            },
            steps: VecDeque::new(),
            last_seq: image.seq,
            image,
        }
    }

    pub(super) fn add(&mut self, step: Step) {
        self.last_seq += u64::from(step.is_numbered());
        if let (Step::Progress(guild, position), Some(Step::Progress(last, at))) =
            (&step, self.steps.back_mut())
            && guild == last
        {
            *at = *position;
            return;
        }
        self.steps.push_back(step);
        // Half of it at a time.
        if self.steps.len() >= 2 * KNOWN {
            for step in self.steps.drain(..KNOWN) {
                self.base.take(&step);
            }
        }
    }

    /// Forgets what came after an event: it has been numbered anew.
    fn cut_after(&mut self, seq: u64) {
        let mut excess = self.last_seq.saturating_sub(seq);
        while excess > 0 {
            match self.steps.pop_back() {
                Some(step) => excess -= u64::from(step.is_numbered()),
                None => break,
            }
        }
        self.last_seq = self.last_seq.min(seq);
    }
}

impl Past {
    /// The stretches of one session, in any order; `None` where there is none.
    pub(super) fn new(mut stretches: Vec<Stretch>, tables: Arc<Tables>) -> Option<Self> {
        stretches.sort_by_key(|stretch| stretch.image.order);
        let mut whole: Vec<Stretch> = Vec::with_capacity(stretches.len());
        for next in stretches {
            while whole
                .last()
                .is_some_and(|last| last.base.seq > next.base.seq)
            {
                whole.pop();
            }
            if let Some(last) = whole.last_mut() {
                last.cut_after(next.base.seq);
                if last.last_seq < next.base.seq {
                    whole.clear();
                }
            }
            whole.push(next);
        }
        Some(Self {
            id: whole.last()?.image.id.parse().ok()?,
            stretches: whole,
            tables,
        })
    }

    /// Its id.
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Whose it is.
    pub fn user(&self) -> UserId {
        self.image().user.id
    }

    /// The claim by which the node had it.
    pub fn claim(&self) -> u64 {
        self.image().claim
    }

    fn image(&self) -> &Image {
        let newest = self.stretches.last();
        &newest.expect("invariant: there is at least one").image
    }

    /// The session as it was after its event `seq`, with nothing kept: its guilds are to give it all
    /// that came since.
    ///
    /// *Invariant I10*: refused where something came since that no guild can give again, or where it is
    /// not known what `seq` was.
    pub fn at(&self, seq: u64) -> Result<SessionParts, Refusal> {
        let first = self.stretches.iter().rposition(|it| it.base.seq <= seq);
        let first = first.ok_or(Refusal::NotNoted)?;
        let stretch = &self.stretches[first];
        if seq > stretch.last_seq {
            return Err(Refusal::NotNoted);
        }
        let mut state = stretch.base.clone();
        let mut steps = stretch.steps.iter().peekable();
        while let Some(step) = steps.next_if(|step| !step.is_numbered() || state.seq < seq) {
            state.take(step);
        }
        let later = self.stretches[first + 1..].iter().flat_map(|it| &it.steps);
        if !steps.chain(later).all(|step| can_come_again(step, &state)) {
            return Err(Refusal::Unrepeatable);
        }
        self.parts(state).ok_or(Refusal::NoVisibility)
    }

    fn parts(&self, state: State) -> Option<SessionParts> {
        let present = state.guilds.into_iter().map(|(guild, place)| {
            let (_, table) = self.tables.get(&guild)?.range(..=place.position).last()?;
            Some(SubscriptionParts {
                guild,
                position: place.position,
                member: place.member,
                table: Arc::clone(table),
            })
        });
        let image = self.image();
        Some(SessionParts {
            id: self.id,
            user: Arc::clone(&image.user),
            intents: Intents::from_bits(image.intents),
            shard: image.shard,
            large_threshold: image.large_threshold,
            presence: state.presence,
            outbox: OutboxParts {
                frames: Vec::new(),
                first_seq: state.seq + 1,
                sent_seq: state.seq,
                late: LateParts::default(),
            },
            present: present.collect::<Option<_>>()?,
            asked: state.asked,
        })
    }
}

/// Whether a session that is in this state without the step gets it again from its guilds.
fn can_come_again(step: &Step, state: &State) -> bool {
    match step {
        // Another event of the same record has arrived already: the guild would give both or none.
        Step::Delivered(guild, position) => state
            .guilds
            .get(guild)
            .is_some_and(|place| place.position < *position),
        Step::Stands(guild, ..) => state.guilds.contains_key(guild),
        Step::Own => false,
        Step::Passing
        | Step::Progress(..)
        | Step::Member(..)
        | Step::Left(..)
        | Step::Presence(_) => true,
    }
}
