//! Ports for servers that come and go.

use std::net::TcpListener;

use fastrand::Rng;

/// A port that is free and that the system gives to no outgoing connection: a client that connects
/// to one while nobody listens there may be given the same port and so be connected to itself, and
/// another test's connection may take it from a server that is away.
pub fn free(random: &mut Rng) -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let lowest = range
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok());
    let below = lowest.unwrap_or(32_768_u16).max(10_001);
    (0..1_000)
        .map(|_| random.u16(10_000..below))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of a thousand ports is free")
}

/// Such a port, another one each time.
pub fn any() -> u16 {
    free(&mut Rng::new())
}
