//! The tests' own gateway: one connection.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_websockets::{CloseCode, Message, ServerBuilder, WebSocketStream};

use crate::fake::{Fault, Order, Session, Shared, State};

type Socket = WebSocketStream<TcpStream>;

/// What a connection does next.
enum Flow {
    GoOn,
    End,
}

pub(crate) async fn serve(stream: TcpStream, state: Shared) {
    let Ok((request, mut socket)) = ServerBuilder::new().accept(stream).await else {
        return;
    };
    assert_eq!(request.uri().path(), "/gateway");
    assert_eq!(request.uri().query(), Some("v=10&encoding=json"));
    let (orders, mut inbox) = mpsc::unbounded_channel();
    let is_fast = matches!(
        state.lock().unwrap().fault,
        Fault::FastHeartbeat | Fault::UnansweredHeartbeat
    );
    let interval = if is_fast { 100 } else { 41_250 };
    let hello = json!({"op": 10, "d": {"heartbeat_interval": interval}, "s": null, "t": null});
    send(&mut socket, &hello).await;
    let mut is_deaf = false;
    loop {
        tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Send(text)) => {
                    if socket.send(Message::text(text)).await.is_err() {
                        return;
                    }
                }
                Some(Order::SendRaw(bytes)) => {
                    let raw = socket.get_mut();
                    raw.write_all(&bytes).await.unwrap();
                }
                Some(Order::Cut) | None => return,
            },
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let Some(text) = message.as_text() else { continue };
                let payload: Value = serde_json::from_str(text).unwrap();
                let (answers, flow) = state.lock().unwrap().handle(&payload, &orders, &mut is_deaf);
                for answer in answers {
                    send(&mut socket, &answer).await;
                }
                if matches!(flow, Flow::End) {
                    let close = Message::close(Some(CloseCode::try_from(4_004).unwrap()), "no");
                    let _ = socket.send(close).await;
                    return;
                }
            }
        }
    }
}

async fn send(socket: &mut Socket, payload: &Value) {
    // A client that has gone shows in the next read.
    let _ = socket.send(Message::text(payload.to_string())).await;
}

impl State {
    fn handle(
        &mut self,
        payload: &Value,
        orders: &UnboundedSender<Order>,
        is_deaf: &mut bool,
    ) -> (Vec<Value>, Flow) {
        let data = &payload["d"];
        match payload["op"].as_u64().unwrap() {
            1 => {
                self.heartbeats += 1;
                let ack = json!({"op": 11, "d": null, "s": null, "t": null});
                let answers = if *is_deaf { Vec::new() } else { vec![ack] };
                (answers, Flow::GoOn)
            }
            2 if self.fault == Fault::RefuseIdentify => (Vec::new(), Flow::End),
            2 => {
                // The first session to identify is the one that gets no acknowledgements, once.
                *is_deaf = self.fault == Fault::UnansweredHeartbeat && self.sessions.is_empty();
                self.identify(data, orders);
                (Vec::new(), Flow::GoOn)
            }
            6 => (self.resume(data, orders), Flow::GoOn),
            other => panic!("opcode {other} from the client"),
        }
    }

    fn identify(&mut self, data: &Value, orders: &UnboundedSender<Order>) {
        let user = self.users[data["token"].as_str().unwrap()];
        let id = format!("session-{}", self.sessions.len());
        // A user has one session; an older one is over.
        self.sessions.retain(|_, session| {
            if session.user == user {
                session.user = 0;
            }
            true
        });
        let mut session = Session {
            user,
            connection: Some(orders.clone()),
            ..Session::default()
        };
        let ready =
            json!({"v": 10, "session_id": id, "resume_gateway_url": self.gateway, "guilds": []});
        session.dispatch("READY", &ready.to_string());
        for snapshot in self.snapshots(user) {
            session.dispatch("GUILD_CREATE", &snapshot.to_string());
        }
        self.sessions.insert(id, session);
    }

    fn resume(&mut self, data: &Value, orders: &UnboundedSender<Order>) -> Vec<Value> {
        let fault = self.fault;
        if fault == Fault::Invalidate {
            return vec![json!({"op": 9, "d": false, "s": null, "t": null})];
        }
        let id = data["session_id"].as_str().unwrap();
        let seq = data["seq"].as_u64().unwrap();
        let session = self.sessions.get_mut(id).unwrap();
        let missed = session.log.range(seq + 1..).map(|(_, frame)| frame);
        let skipped = usize::from(fault == Fault::PartialReplay);
        for frame in missed.skip(skipped) {
            orders.send(Order::Send(frame.clone())).unwrap();
        }
        session.connection = Some(orders.clone());
        session.dispatch("RESUMED", "{}");
        Vec::new()
    }
}
