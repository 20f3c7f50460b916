//! The WebSocket handshake: takes the socket over from the HTTP server.
//!
//! Once the handshake is answered, the HTTP dispatcher and its buffers are freed; what stays per
//! connection is its entry in the worker and one small task.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_codec::{Encoder, Framed};
use actix_http::body::BodySize;
use actix_http::h1::{Codec, Message};
use actix_http::header::{HOST, HeaderValue, ORIGIN};
use actix_http::{Request, Response, StatusCode, ws};
use actix_rt::net::TcpStream;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::stream::Stream;
use super::worker::WorkerCell;
use super::{shared::SessionShared, socket};
use crate::auth::rate_limit::{Admission, Place};
use crate::fanout::lane::Encoding;
use crate::protocol::ApiError;
use crate::protocol::compression::CompressedStream;

/// Gateway versions that are served.
const VERSIONS: [&str; 2] = ["9", "10"];
/// How long a refusal may take to be written.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What an upgrade request asks for.
struct Wanted {
    encoding: Encoding,
    /// The version asked for is not served: greet and close with 4012.
    bad_version: bool,
}

/// Serves an upgrade request until its socket is handed to the worker.
pub async fn upgrade<IO>(worker: WorkerCell, request: Request, framed: Framed<IO, Codec>)
where
    IO: AsyncRead + AsyncWrite + Into<Stream> + Unpin,
{
    let parts = framed.into_parts();
    let (mut stream, early) = (parts.io, parts.read_buf);
    let shared = worker.borrow().shared().clone();
    let address = request.peer_addr().map(|address| address.ip());
    match negotiate(&request, &worker) {
        Ok(wanted) => {
            if !wait_for_turn(&shared, address).await {
                refuse(&mut stream, &request, &ApiError::UNAVAILABLE).await;
                return;
            }
            // Also where the address is not known: that is none of a client's making.
            let place = address.map(|address| shared.places.take(address));
            if let Some(None) = place {
                shared.counters.connections_refused.inc();
                refuse(&mut stream, &request, &ApiError::UNAVAILABLE).await;
                return;
            }
            let answer = ws::handshake_response(request.head()).finish();
            if let Some(answer) = encode(answer, b"") {
                let held = (stream.into(), place.flatten());
                hand_over(&worker, held, early, wanted, answer);
            }
        }
        Err(error) => refuse(&mut stream, &request, &error).await,
    }
}

/// Checks path, handshake headers and query.
fn negotiate(request: &Request, worker: &WorkerCell) -> Result<Wanted, ApiError> {
    if !matches!(request.path(), "/gateway" | "/gateway/" | "/") {
        return Err(ApiError::NOT_FOUND);
    }
    let header = |name| request.head().headers.get(name).map(HeaderValue::to_str);
    let here = worker.borrow();
    let shared = here.shared();
    let host = header(HOST).and_then(Result::ok);
    // One that cannot be read is not one that may.
    if let Some(origin) = header(ORIGIN)
        && !origin.is_ok_and(|origin| shared.settings.origins.allows(origin, host))
    {
        shared.counters.origins_refused.inc();
        return Err(ApiError::MISSING_ACCESS);
    }
    ws::verify_handshake(request.head()).map_err(|error| ApiError {
        message: error.to_string().into(),
        ..ApiError::BAD_UPGRADE
    })?;
    let compress = worker.borrow().shared().settings.compression;
    let mut wanted = Wanted {
        encoding: Encoding::Json,
        bad_version: false,
    };
    for (name, value) in query(request.uri().query().unwrap_or_default()) {
        match name {
            "encoding" if value != "json" => return Err(ApiError::BAD_ENCODING),
            "v" => wanted.bad_version = !VERSIONS.contains(&value),
            // Whoever asks for what there is not gets plain text, which nearly all of them take.
            "compress" if compress => {
                let stream = CompressedStream::named(value);
                wanted.encoding = stream.map_or(Encoding::Json, |stream| {
                    Encoding::CompressedJson(Box::new(stream))
                });
            }
            _ => {}
        }
    }
    if !worker.borrow().has_room() {
        return Err(ApiError::UNAVAILABLE);
    }
    Ok(wanted)
}

fn query(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&').filter_map(|pair| pair.split_once('='))
}

/// Holds an upgrade back while its address makes too many; false where it may not wait.
async fn wait_for_turn(shared: &SessionShared, address: Option<IpAddr>) -> bool {
    let Some(address) = address else { return true };
    match shared.gate.admit(address, crate::clock::uptime()) {
        Admission::Now => true,
        Admission::Hold(held) => {
            shared.counters.upgrades_held.inc();
            tokio::time::sleep(held.delay()).await;
            true
        }
        Admission::Refuse(_) => {
            shared.counters.upgrades_refused.inc();
            false
        }
    }
}

fn hand_over(
    worker: &WorkerCell,
    (stream, place): (Stream, Option<Place>),
    mut early: BytesMut,
    wanted: Wanted,
    answer: BytesMut,
) {
    let timeout = worker.borrow().shared().settings.write_timeout;
    stream.with_socket(|socket| {
        // Without these two the connection works all the same, only less promptly.
        let _ = socket.set_nodelay(true);
        let _ = socket2::SockRef::from(socket).set_tcp_user_timeout(Some(timeout));
    });
    let address = stream.with_socket(TcpStream::peer_addr).ok();
    let socket = Rc::new(stream);
    let key = {
        let mut worker = worker.borrow_mut();
        let key = worker.accept(Rc::clone(&socket), wanted.encoding, answer);
        tracing::debug!(
            hub = worker.hub().0,
            connection = key,
            address = address.map(tracing::field::display),
            "connection taken"
        );
        if wanted.bad_version {
            worker.close(key, crate::protocol::CloseCode::InvalidApiVersion);
        } else if !early.is_empty() {
            worker.on_bytes(key, &mut early);
        }
        key
    };
    #[allow(clippy::disallowed_methods)] // one per connection, ends with it
    actix_rt::spawn(socket::serve(Rc::clone(worker), key, socket, place));
}

async fn refuse(stream: &mut (impl AsyncWrite + Unpin), request: &Request, error: &ApiError) {
    let body = error.body().to_string();
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    tracing::debug!(path = request.path(), %status, "upgrade refused");
    let answer = Response::build(status)
        .insert_header(("content-type", "application/json"))
        .insert_header(("connection", "close"))
        .finish();
    if let Some(bytes) = encode(answer, body.as_bytes()) {
        let write = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        // Who does not take it goes without.
        let _ = tokio::time::timeout(REFUSAL_TIMEOUT, write).await;
    }
}

/// A response as it is written.
fn encode<B>(answer: Response<B>, body: &[u8]) -> Option<BytesMut> {
    let mut codec = Codec::default();
    let mut bytes = BytesMut::new();
    let size = if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        BodySize::None
    } else {
        BodySize::Sized(body.len() as u64)
    };
    codec
        .encode(Message::Item((answer.drop_body(), size)), &mut bytes)
        .ok()?;
    bytes.extend_from_slice(body);
    Some(bytes)
}
