//! Sessions that go on at another node than the one that they began on.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use guildhall_tests::cluster::{NAMES, Scene, all};
use guildhall_tests::numbered::{self, numbers};
use guildhall_tests::session::{Cut, replay};
use guildhall_tests::{Admin, Gateway, Received, Server, Session, eventually, within};
use rustix::process::Signal;
use tokio::task::JoinHandle;

/// Sessions on the node that goes away.
const SESSIONS: usize = 36;

/// A client: what it has heard, and what it takes to go on.
struct Client {
    gateway: Gateway,
    session: Cut,
    heard: Vec<usize>,
}

impl Client {
    async fn login(server: &Server, token: &str) -> Self {
        let (gateway, session) = Session::login(server, token).await.into_parts();
        Self {
            gateway,
            session,
            heard: Vec::new(),
        }
    }

    /// Reads until it is asked to reconnect.
    async fn until_op_7(&mut self) {
        loop {
            let payload = within("op 7", self.gateway.next()).await;
            if payload.op == 7 {
                self.session.seq = self.gateway.seq();
                return;
            }
            self.heard.extend(numbers("one", &[payload]));
        }
    }

    /// Goes on at a server; panics where the Resume is refused.
    async fn resume(&mut self, server: &Server) {
        self.gateway = self.session.ask(server).await;
        let missed = within("RESUMED", replay(&mut self.gateway)).await;
        self.heard.extend(numbers("one", &missed));
    }

    /// Reads up to a message, and says that it has heard each once and in order.
    async fn has_heard(&mut self, upto: Range<usize>) {
        let last = upto.end - 1;
        if self.heard.last() != Some(&last) {
            let content = numbered::content("one", last);
            let seen = within("the last message", self.gateway.until_message(&content)).await;
            self.heard.extend(numbers("one", &seen));
            self.heard.push(last);
        }
        assert_eq!(self.heard, all(upto));
    }
}

/// Posts at a node until it is told to stop; gives how many.
struct Load {
    stops: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    posts: JoinHandle<usize>,
}

impl Load {
    fn start(scene: &Scene, node: usize) -> Self {
        let rest = scene.three.nodes[node].rest(&scene.owner.token);
        let (channel, stops) = (scene.channel.clone(), Arc::new(AtomicBool::new(false)));
        let count = Arc::new(AtomicUsize::new(0));
        let (stopped, counted) = (Arc::clone(&stops), Arc::clone(&count));
        let posts = tokio::spawn(async move {
            let mut number = 0;
            while !stopped.load(Ordering::SeqCst) {
                let content = numbered::content("one", number);
                rest.say_surely(&channel, &content, &content).await;
                number += 1;
                counted.store(number, Ordering::SeqCst);
            }
            number
        });
        Self {
            stops,
            count,
            posts,
        }
    }

    /// Waits until so many more have been posted.
    async fn more(&self, count: usize) {
        let enough = self.count.load(Ordering::SeqCst) + count;
        while self.count.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) -> usize {
        self.stops.store(true, Ordering::SeqCst);
        self.posts.await.unwrap()
    }
}

async fn clients(scene: &Scene, node: usize, count: usize) -> Vec<Client> {
    let server = &scene.three.nodes[node];
    let logins = (0..count).map(|_| Client::login(server, &scene.member.token));
    join_all(logins).await
}

#[tokio::test]
async fn i10_all_sessions_of_a_node_that_is_drained_go_on_at_others() {
    let mut scene = Scene::new().await;
    let mut clients = clients(&scene, 0, SESSIONS).await;
    let load = Load::start(&scene, 1);
    load.more(5).await;
    scene.three.nodes[0].terminate();
    let nodes = &scene.three.nodes;
    let moves = clients
        .iter_mut()
        .enumerate()
        .map(|(n, client)| async move {
            client.until_op_7().await;
            client.resume(&nodes[1 + n % 2]).await;
        });
    join_all(moves).await;
    load.more(5).await;
    let status = scene.three.nodes[0].exit().await;
    assert!(status.success(), "{status}");
    scene.three.agree(&NAMES[1..]).await;
    load.more(5).await;
    let count = load.stop().await;
    for client in &mut clients {
        client.has_heard(0..count).await;
    }
}

/// Sessions of a guild in which nothing happens.
const QUIET: usize = 18;

impl Client {
    /// Reads until the connection ends.
    async fn until_lost(&mut self) {
        while let Received::Payload(payload) = within("the end", self.gateway.receive()).await {
            self.heard.extend(numbers("one", &[payload]));
        }
        self.session.seq = self.gateway.seq();
    }

    /// Reads up to the next message; more may have been written to it.
    async fn hear_one(&mut self) {
        loop {
            let payload = within("a message", self.gateway.next()).await;
            self.session.seq = self.gateway.seq();
            if payload.is("MESSAGE_CREATE") {
                self.heard.extend(numbers("one", &[payload]));
                return;
            }
        }
    }

    /// Whether it goes on at a server; it is told so, or that it has to begin anew.
    async fn tries_to_resume(&mut self, server: &Server) -> bool {
        self.gateway = self.session.ask(server).await;
        loop {
            let payload = within("an answer to Resume", self.gateway.next()).await;
            if payload.op == 9 {
                assert_eq!(payload.d, false);
                return false;
            }
            if payload.is("RESUMED") {
                return true;
            }
            self.heard.extend(numbers("one", &[payload]));
        }
    }
}

/// Those of a node that was killed that could go on at the others.
async fn resumed(clients: Vec<Client>, nodes: &[Server]) -> Vec<Client> {
    let tries = clients
        .into_iter()
        .enumerate()
        .map(|(n, mut client)| async move {
            client.until_lost().await;
            let whole = client.tries_to_resume(&nodes[1 + n % 2]).await;
            whole.then_some(client)
        });
    join_all(tries).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn i10_sessions_of_a_node_that_is_killed_go_on_whole_at_others_or_begin_anew() {
    let mut scene = Scene::new().await;
    let first = &scene.three.nodes[0];
    let admin = Admin::of(first);
    let accounts = admin.users(first, 2, "quiet").await;
    let both: Vec<_> = accounts.iter().collect();
    let guild = admin.guild(&both, &["general"]).await;
    let logins = (0..QUIET).map(|_| Client::login(first, &accounts[1].token));
    let quiet = join_all(logins).await;
    let busy = clients(&scene, 0, SESSIONS).await;
    let load = Load::start(&scene, 1);
    // Who hears something is noted in each interval: the others have had their turns then as well.
    let enough = (QUIET + 5 * SESSIONS) as f64;
    eventually("notes of all sessions", || async {
        let metrics = Admin::of(first).metrics().await;
        let notes = metrics.sum("guildhall_session_notes_total", &[]);
        (notes >= enough).then_some(())
    })
    .await;
    let metrics = Admin::of(first).metrics().await;
    let bytes = metrics.sum("guildhall_session_note_bytes_total", &[]);
    let bytes_a_note = bytes / metrics.sum("guildhall_session_notes_total", &[]);
    assert!(bytes_a_note < 2_000.0, "{bytes_a_note} bytes");
    scene.three.nodes[0].signal(Signal::KILL);
    scene.three.nodes[0].exit().await;
    let nodes = &scene.three.nodes;
    let (mut quiet, mut busy) = tokio::join!(resumed(quiet, nodes), resumed(busy, nodes));
    let count = load.stop().await;
    println!(
        "resumed at another node: {} of {QUIET} to which nothing happened, {} of {SESSIONS} that heard {count} messages",
        quiet.len(),
        busy.len(),
    );
    println!("{bytes_a_note:.0} bytes a note");
    assert_eq!(quiet.len(), QUIET);
    for client in &mut busy {
        client.has_heard(0..count).await;
    }
    let owner = nodes[1].rest(&accounts[0].token);
    owner.say_surely(&guild.channels[0], "over", "over").await;
    for client in &mut quiet {
        let seen = within("the message", client.gateway.until_message("over")).await;
        assert!(seen.iter().all(|it| !it.is("MESSAGE_CREATE")));
    }
}

#[tokio::test]
async fn i10_a_session_whose_connection_is_lost_goes_on_at_another_node_while_its_own_lives() {
    let scene = Scene::new().await;
    let nodes = &scene.three.nodes;
    let mut client = Client::login(&nodes[0], &scene.member.token).await;
    let load = Load::start(&scene, 1);
    // Of a session that was never noted nobody else knows where it is; afterwards its claim says so.
    eventually("its note", || async {
        let metrics = Admin::of(&nodes[0]).metrics().await;
        let noted = metrics.sum("guildhall_session_notes_total", &[]);
        (noted > 0.0).then_some(())
    })
    .await;
    for round in 0..9 {
        client.hear_one().await;
        client.resume(&nodes[(1 + round) % 3]).await;
    }
    let count = load.stop().await;
    client.has_heard(0..count).await;
}
