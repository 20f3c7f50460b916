//! A session: a connection that has identified.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use crate::ALL_INTENTS;
use crate::deadline::within;
use crate::gateway::{Gateway, Received};
use crate::payload::Payload;
use crate::rest::text;
use crate::server::Server;

/// A session with its connection.
pub struct Session {
    gateway: Gateway,
    /// Its id.
    pub id: String,
    /// What it logged in with.
    pub token: String,
    /// READY's data.
    pub ready: Value,
    /// GUILD_CREATE's data of each guild of READY, in the order in which they came.
    pub guilds: Vec<Value>,
}

/// A session whose connection is gone.
#[derive(Debug, Clone)]
pub struct Cut {
    /// Its id.
    pub id: String,
    /// What it logged in with.
    pub token: String,
    /// The last sequence number that the client saw.
    pub seq: u64,
}

impl Session {
    /// Logs in with every intent; reads READY and the guilds.
    pub async fn login(server: &Server, token: &str) -> Self {
        Self::login_with(server, token, ALL_INTENTS).await
    }

    /// Logs in with these intents, GUILDS among them; reads READY and the guilds.
    pub async fn login_with(server: &Server, token: &str, intents: u64) -> Self {
        let mut gateway = Gateway::connect(server).await;
        gateway.identify(token, intents).await;
        Self::begin(gateway, token).await
    }

    /// Logs in with an Identify of one's own, merged into the usual one.
    pub async fn login_as(server: &Server, token: &str, extra: Value) -> Self {
        let mut gateway = Gateway::connect(server).await;
        let mut data = json!({"token": token, "intents": ALL_INTENTS, "properties": {}});
        for (key, value) in extra.as_object().expect("an object") {
            data[key] = value.clone();
        }
        gateway.send(json!({"op": 2, "d": data})).await;
        Self::begin(gateway, token).await
    }

    /// Reads READY and the guilds that it names.
    pub async fn begin(mut gateway: Gateway, token: &str) -> Self {
        let ready = gateway.expect_event("READY").await;
        let count = ready["guilds"].as_array().map_or(0, Vec::len);
        let mut guilds = Vec::with_capacity(count);
        while guilds.len() < count {
            guilds.push(gateway.expect_event("GUILD_CREATE").await);
        }
        Self {
            gateway,
            id: text(&ready["session_id"]).to_owned(),
            token: token.to_owned(),
            ready,
            guilds,
        }
    }

    /// The user's id.
    pub fn user_id(&self) -> &str {
        text(&self.ready["user"]["id"])
    }

    /// Ends the connection; the session stays.
    pub fn cut(self) -> Cut {
        self.into_parts().1
    }

    /// The connection and what it takes to resume elsewhere.
    pub fn into_parts(self) -> (Gateway, Cut) {
        let cut = Cut {
            id: self.id,
            token: self.token,
            seq: self.gateway.seq(),
        };
        (self.gateway, cut)
    }

    /// Ends the session: a close with 1000 says that it is not wanted any more.
    pub async fn log_out(self) {
        self.gateway.close(1000).await;
    }
}

impl Deref for Session {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Gateway {
        &mut self.gateway
    }
}

impl Cut {
    /// Connects and sends Resume; reads nothing but Hello.
    pub async fn ask(&self, server: &Server) -> Gateway {
        let mut gateway = Gateway::connect(server).await;
        gateway.resume(&self.token, &self.id, self.seq).await;
        gateway
    }

    /// Resumes on a new connection; gives it and what was missed. Panics where the server refuses.
    pub async fn resume(&self, server: &Server) -> (Gateway, Vec<Payload>) {
        let mut gateway = self.ask(server).await;
        let missed = replay(&mut gateway).await;
        (gateway, missed)
    }

    /// Resumes and panics where the server does not refuse; gives the connection, which is open.
    pub async fn is_refused(&self, server: &Server) -> Gateway {
        let mut gateway = self.ask(server).await;
        expect_refusal(&mut gateway).await;
        gateway
    }
}

/// Reads what was missed, up to RESUMED.
pub async fn replay(gateway: &mut Gateway) -> Vec<Payload> {
    let mut missed = Vec::new();
    loop {
        let payload = gateway.next().await;
        assert_ne!(payload.op, 9, "a Resume was refused");
        if payload.is("RESUMED") {
            assert!(payload.d.is_object(), "RESUMED with {}", payload.d);
            return missed;
        }
        missed.push(payload);
    }
}

/// Reads op 9 with `false`, and nothing before it.
pub async fn expect_refusal(gateway: &mut Gateway) {
    match within("op 9", gateway.receive()).await {
        Received::Payload(payload) => {
            assert_eq!((payload.op, &payload.d), (9, &json!(false)), "{payload:?}");
        }
        other => panic!("op 9 expected, got {other:?}"),
    }
}
