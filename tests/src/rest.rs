//! The REST API as one account, or nobody, sees it.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

use crate::deadline::eventually;

/// A client of the REST API.
#[derive(Debug, Clone)]
pub struct Rest {
    http: reqwest::Client,
    base: String,
    authorization: Option<String>,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and path, for messages.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Rest {
    /// A client of the API at `base`, with this `Authorization` header.
    pub fn new(http: reqwest::Client, base: &str, authorization: Option<&str>) -> Self {
        Self {
            http,
            base: base.to_owned(),
            authorization: authorization.map(str::to_owned),
        }
    }

    /// `GET` below the base.
    pub async fn get(&self, path: impl AsRef<str>) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: impl AsRef<str>, body: Value) -> Answer {
        self.call(Method::POST, path, Some(&body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: impl AsRef<str>, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(&body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: impl AsRef<str>, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(&body)).await
    }

    /// `DELETE` without a body.
    pub async fn delete(&self, path: impl AsRef<str>) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Any method, with a JSON body if there is one.
    pub async fn call(
        &self,
        method: Method,
        path: impl AsRef<str>,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(|body| (Bytes::from(body.to_string()), "application/json"));
        self.send(method, path, body).await
    }

    /// Any method, with any body of any type. Panics where there is no answer.
    pub async fn send(
        &self,
        method: Method,
        path: impl AsRef<str>,
        body: Option<(Bytes, &str)>,
    ) -> Answer {
        let path = path.as_ref();
        let answered = self.try_send(method.clone(), path, body).await;
        answered.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// The same from a server that may be gone: an error where there is no whole answer.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<(Bytes, &str)>,
    ) -> reqwest::Result<Answer> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((body, kind)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        let response = request.send().await?;
        Ok(Answer {
            request: format!("{method} {path}"),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?,
        })
    }

    /// Sends a message with a nonce again and again until it is taken, also while the server is away.
    pub async fn say_surely(&self, channel: &str, content: &str, nonce: &str) {
        let path = format!("/channels/{channel}/messages");
        let body = json!({"content": content, "nonce": nonce, "enforce_nonce": true}).to_string();
        let body = Bytes::from(body);
        eventually("a message is taken", || {
            let body = Some((body.clone(), "application/json"));
            let sent = self.try_send(Method::POST, &path, body);
            async move {
                match sent.await {
                    Ok(answer) if answer.status < 500 => Some(answer.ok()),
                    _ => None,
                }
            }
        })
        .await;
    }

    /// Sends a message and gives it.
    pub async fn say(&self, channel: &str, content: &str) -> Value {
        self.post(
            format!("/channels/{channel}/messages"),
            json!({ "content": content }),
        )
        .await
        .ok()
    }

    /// The whole history of a channel, oldest first.
    pub async fn history(&self, channel: &str) -> Vec<Value> {
        let mut messages: Vec<Value> = Vec::new();
        let mut before = String::new();
        loop {
            let path = format!("/channels/{channel}/messages?limit=100{before}");
            let page = self.get(path).await.ok();
            let page = page.as_array().expect("history is an array").clone();
            let Some(oldest) = page.last() else {
                messages.reverse();
                return messages;
            };
            before = format!("&before={}", text(&oldest["id"]));
            messages.extend(page);
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(500)]);
            panic!("{}: {error} in {} {shown}", self.request, self.status)
        })
    }

    /// The body of a success, null where it has none. Panics on any other status.
    pub fn ok(&self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{}: {} {}",
            self.request,
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        if self.body.is_empty() {
            return Value::Null;
        }
        self.json()
    }

    /// Panics where the status is another.
    pub fn has_status(&self, status: u16) -> &Self {
        let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(500)]);
        assert_eq!(self.status, status, "{}: {shown}", self.request);
        self
    }

    /// Panics where this is not an error with this status and Discord code; gives its body.
    pub fn is_error(&self, status: u16, code: u64) -> Value {
        self.has_status(status);
        let body = self.json();
        assert_eq!(body["code"], code, "{}: {body}", self.request);
        assert!(body["message"].is_string(), "{}: {body}", self.request);
        body
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The text of a JSON string. Panics where it is none.
pub fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a string was expected, not {value}"))
}

/// The number of a snowflake, which travels as a string.
pub fn snowflake(value: &Value) -> u64 {
    text(value)
        .parse()
        .unwrap_or_else(|_| panic!("a snowflake was expected, not {value}"))
}
