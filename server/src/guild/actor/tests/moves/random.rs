//! Moves, faults and restarts at random, beside senders and a hub.

use std::cell::{Cell, RefCell};

use super::*;

const POINTS: [Point; 5] = [
    Point::HandlerPanic,
    Point::FuturePanic,
    Point::AppendFail,
    Point::AppendUnknown,
    Point::ReleasePanic,
];

/// Random numbers that a seed decides (`SplitMix64`).
struct Dice(Cell<u64>);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A hub with one session that joins again whenever it is told to, as a worker does.
struct Listener<'a> {
    node: &'a Node1,
    /// The positions that its session was shown.
    shown: RefCell<Vec<Position>>,
    read: Cell<usize>,
    /// Whether it has asked to join again and was not answered yet.
    away: Cell<bool>,
}

impl Listener<'_> {
    fn show(&self, items: &[Item]) {
        let mut shown = self.shown.borrow_mut();
        for position in items.iter().filter_map(Item::position) {
            // What comes twice is told by its position.
            if shown.last().is_none_or(|last| *last < position) {
                shown.push(position);
            }
        }
    }

    fn join_again(&self) {
        self.away.set(true);
        let mail = GuildMail::Rejoin {
            hub: HubId(0),
            since: *self.shown.borrow().last().unwrap(),
            sessions: vec![session_on(0, 1)],
        };
        self.node.router.post(self.node.guild, mail).unwrap();
    }

    /// Reads what has come.
    fn listen(&self) {
        let mut lost = false;
        {
            let news = self.node.hubs[0].news.lock().unwrap();
            for news in &news[self.read.get()..] {
                match news {
                    GuildNews::Items { items, .. } if !self.away.get() => self.show(items),
                    GuildNews::Lost { .. } => lost = true,
                    GuildNews::Rejoined { missed, .. } => {
                        self.away.set(false);
                        lost = false;
                        self.show(missed.as_ref().expect("the journal has it all"));
                    }
                    _ => {}
                }
            }
            self.read.set(news.len());
        }
        if lost {
            self.join_again();
        }
    }
}

async fn run(seed: u64) {
    let dice = Dice(Cell::new(seed));
    let node = moving_node_with(1, budget(1_000));
    node.create().await;
    node.attach(0, 1);
    node.say("first").await.unwrap();
    while node.heard(0).is_empty() {
        tokio::task::yield_now().await;
    }
    let listener = Listener {
        node: &node,
        shown: RefCell::new(node.heard(0)),
        read: Cell::new(node.hubs[0].news.lock().unwrap().len()),
        away: Cell::new(false),
    };
    let over = Cell::new(false);
    let acknowledged = RefCell::new(vec!["first".to_owned()]);
    let senders = join_all((0..4).map(|sender| {
        let (node, acknowledged) = (&node, &acknowledged);
        async move {
            for n in 0..40 {
                let content = format!("{sender}-{n}");
                if node.say(&content).await.is_ok() {
                    acknowledged.borrow_mut().push(content);
                }
                tokio::task::yield_now().await;
            }
        }
    }));
    let trouble = async {
        while !over.get() {
            for _ in 0..dice.below(20) {
                tokio::task::yield_now().await;
            }
            let target = match dice.below(12) as usize {
                n if n < POINTS.len() => {
                    node.fault(POINTS[n], 1);
                    continue;
                }
                5 => {
                    node.router.post(node.guild, GuildMail::Restart).unwrap();
                    continue;
                }
                6 | 7 => Target::Dedicated,
                n => Target::Shared(n % 3),
            };
            match node.go(target).await {
                Ok(_) | Err(MoveError::AlreadyThere) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    };
    let listening = async {
        while !over.get() {
            listener.listen();
            tokio::task::yield_now().await;
        }
    };
    let sending = async {
        senders.await;
        over.set(true);
    };
    tokio::join!(sending, trouble, listening);
    for point in POINTS {
        node.fault(point, 0);
    }
    // A fault from before may still cost an answer.
    for n in 0.. {
        if node.say(&format!("last {n}")).await.is_ok() {
            break;
        }
    }
    let acknowledged = acknowledged.borrow().clone();
    check(seed, &listener, &acknowledged).await;
}

/// Compares what was acknowledged, what the journal has, and what the session was shown.
async fn check(seed: u64, listener: &Listener<'_>, acknowledged: &[String]) {
    let node = listener.node;
    let events = node.events().await;
    let said: Vec<(Position, String)> = (1..)
        .zip(&events)
        .filter_map(|(position, event)| match event {
            Event::MessageCreated { message, .. } => Some((position, message.content.clone())),
            _ => None,
        })
        .collect();
    let last = said.last().unwrap().0;
    while listener.shown.borrow().last() != Some(&last) {
        listener.listen();
        node.ask(Command::GetRoles).await.unwrap();
    }
    let count = |content: &String| said.iter().filter(|(_, it)| it == content).count();
    for content in acknowledged {
        assert_eq!(count(content), 1, "seed {seed}: {content} was acknowledged");
    }
    for (_, content) in &said {
        assert_eq!(count(content), 1, "seed {seed}: {content} is there once");
    }
    for sender in 0..4 {
        let prefix = format!("{sender}-");
        let numbers = said.iter().filter_map(|(_, it)| it.strip_prefix(&prefix));
        let numbers: Vec<u32> = numbers.map(|it| it.parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "seed {seed}: {numbers:?}");
    }
    let positions: Vec<Position> = said.iter().map(|(position, _)| *position).collect();
    assert_eq!(*listener.shown.borrow(), positions, "seed {seed}");
}

/// *Invariants I3, I4*: what is acknowledged is in the journal once and in its sender's order, and a hub
/// is shown each once and in order.
#[test]
fn i3_i4_moves_among_panics_failures_and_restarts_lose_double_and_reorder_nothing() {
    actix::System::new().block_on(async {
        for seed in 0..6 {
            run(seed).await;
        }
    });
}
