//! The live feed, over real sockets.

use std::net::SocketAddr;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use tokio_websockets::{MaybeTlsStream, WebSocketStream};

use super::*;
use crate::admin::live::Feeds;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Running = tokio::task::JoinHandle<std::io::Result<()>>;

fn serve(house: &House) -> (SocketAddr, ServerHandle, Running) {
    let configure = routes(house.admin(false));
    let server = HttpServer::new(move || App::new().configure(configure.clone()))
        .on_connect(on_connect)
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    #[allow(clippy::disallowed_methods)] // awaited at the end
    let running = actix_web::rt::spawn(server);
    (address, handle, running)
}

async fn dial(address: SocketAddr) -> Result<(Socket, ()), tokio_websockets::Error> {
    let token = TOKEN.replace(' ', "%20");
    let uri = format!("ws://{address}/admin/v1/live?token={token}");
    let builder = tokio_websockets::ClientBuilder::new().uri(&uri).unwrap();
    builder.connect().await.map(|(socket, _)| (socket, ()))
}

/// The next push.
async fn push(feed: &mut Socket) -> Value {
    loop {
        let message = feed.next().await.unwrap().unwrap();
        if let Some(text) = message.as_text() {
            return serde_json::from_str(text).unwrap();
        }
    }
}

#[actix_web::test]
async fn the_live_feed_pushes_figures_each_second_and_is_bounded() {
    let house = House::new();
    let (address, handle, running) = serve(&house);
    let connect = async || dial(address).await;
    let (mut feed, ()) = connect().await.unwrap();
    let first = push(&mut feed).await;
    assert_eq!(first["node"]["name"], "node-1");
    assert_eq!(first["totals"]["deliveries"], 0);
    house.counters.deliveries.inc_by(500);
    let second = push(&mut feed).await;
    assert_eq!(second["totals"]["deliveries"], 500);
    assert!(second["per_second"]["deliveries"].as_f64().unwrap() > 100.0);

    // 31 more have room, the next one has not; once they are gone there is room again.
    let mut more = Vec::new();
    for _ in 1..32 {
        more.push(connect().await.unwrap());
    }
    assert!(connect().await.is_err());
    drop(more);
    let mut again = connect().await;
    for _ in 0..500 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        again = connect().await;
    }
    assert!(again.is_ok());
    handle.stop(false).await;
    running.await.unwrap().unwrap();
}

#[actix_web::test]
async fn however_many_feeds_are_open_the_node_is_read_once_a_second() {
    let house = House::new();
    let (address, handle, running) = serve(&house);
    let feeds = (0..16).map(|_| async { dial(address).await.unwrap().0 });
    let mut feeds: Vec<Socket> = join_all(feeds).await;
    let mut seen: Vec<Vec<Value>> = Vec::new();
    for _ in 0..3 {
        seen.push(join_all(feeds.iter_mut().map(push)).await);
    }
    // The fake node counts how often all of its guilds were read.
    let readings = house.node.busy_ns.load(Ordering::Relaxed) / 1_000_000;
    let mut moments: Vec<u64> = seen
        .iter()
        .flatten()
        .map(|it| it["at_ms"].as_u64().unwrap())
        .collect();
    assert_eq!(moments.len(), 48);
    moments.sort_unstable();
    moments.dedup();
    assert!(moments.len() <= 5, "{moments:?}");
    assert!(
        readings <= moments.len() as u64 + 1,
        "{readings} readings, {moments:?}"
    );
    let last = &seen[2];
    assert!(
        last.iter()
            .all(|it| it["generation"] == 1 && it["node"]["drain"].is_null())
    );
    handle.stop(false).await;
    running.await.unwrap().unwrap();
}

#[actix_web::test]
async fn nobody_reads_the_node_once_the_last_feed_is_gone_and_the_next_begins_anew() {
    let house = House::new();
    let admin = web::Data::new(house.admin(false));
    let feeds = Feeds::default();
    for _ in 0..2 {
        let place = feeds.take(&admin).unwrap();
        let first = Box::pin(place.pushes()).next().await.unwrap();
        assert!(first.contains("node-1"), "{first}");
        assert!(feeds.is_read());
        drop(place);
        for _ in 0..500 {
            if !feeds.is_read() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!feeds.is_read());
    }
}
