//! From which addresses of this machine sessions connect. Each has ports of its own, some 28,000 by Linux' usual range.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};

/// Addresses of a run at most.
const MOST: usize = 4_096;

/// One address, or a row of them: `127.0.0.1-127.0.0.8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRange {
    first: IpAddr,
    /// How many, the first included.
    count: u32,
}

impl FromStr for SourceRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |text: &str| {
            let address = text.parse::<IpAddr>();
            address.map_err(|_| format!("{text:?} is no address"))
        };
        let Some((first, last)) = text.split_once('-') else {
            let first = parse(text)?;
            return Ok(Self { first, count: 1 });
        };
        let first = parse(first)?;
        let (IpAddr::V4(from), IpAddr::V4(to)) = (first, parse(last)?) else {
            return Err("rows are of IPv4 addresses".to_owned());
        };
        match to.to_bits().checked_sub(from.to_bits()) {
            Some(more) if (more as usize) < MOST => Ok(Self {
                first,
                count: more + 1,
            }),
            _ => Err(format!(
                "{text:?} is no row of at most {MOST} addresses, the first one first"
            )),
        }
    }
}

/// All source addresses of a run; none leaves the choice to the system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources(Vec<IpAddr>);

impl Sources {
    /// Those of all ranges.
    ///
    /// # Errors
    /// When there are too many, or some are of another family than `server`.
    pub fn of(ranges: &[SourceRange], server: SocketAddr) -> Result<Self> {
        let mut all = Vec::new();
        for range in ranges {
            let first = match range.first {
                IpAddr::V4(first) => first.to_bits(),
                IpAddr::V6(_) => {
                    all.push(range.first);
                    continue;
                }
            };
            let row = (0..range.count).map(|more| Ipv4Addr::from_bits(first + more));
            all.extend(row.map(IpAddr::V4));
            ensure!(all.len() <= MOST, "more than {MOST} source addresses");
        }
        for address in &all {
            ensure!(
                address.is_ipv4() == server.is_ipv4(),
                "{address} cannot reach {server}"
            );
        }
        Ok(Self(all))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the system chooses.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The address of session `number`: they take turns.
    pub fn of_session(&self, number: u32) -> Option<IpAddr> {
        let count = self.0.len();
        (count > 0).then(|| self.0[number as usize % count])
    }
}

/// Connects from this address, or from whichever the system chooses.
pub async fn connect(to: SocketAddr, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let Some(from) = from else {
        return TcpStream::connect(to).await;
    };
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Result<Sources> {
        let ranges = text.split(',').map(str::parse);
        let ranges: Result<Vec<SourceRange>, String> = ranges.collect();
        let ranges = ranges.map_err(anyhow::Error::msg)?;
        Sources::of(&ranges, "127.0.0.1:80".parse()?)
    }

    #[test]
    fn rows_and_single_addresses_take_turns() {
        let sources = sources("127.0.0.9,127.0.0.255-127.0.1.1").unwrap();
        let of = |number| sources.of_session(number).unwrap().to_string();
        assert_eq!(sources.len(), 4);
        assert_eq!(
            [of(0), of(1), of(2), of(3), of(4)],
            [
                "127.0.0.9",
                "127.0.0.255",
                "127.0.1.0",
                "127.0.1.1",
                "127.0.0.9"
            ]
        );
        assert_eq!(Sources::default().of_session(3), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "localhost",
            "127.0.0.2-127.0.0.1",
            "10.0.0.0-11.0.0.0",
            "::1",
            "::1-::2",
        ] {
            assert!(sources(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_connection_comes_from_its_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let from: IpAddr = "127.0.0.7".parse().unwrap();
        let (stream, accepted) = tokio::join!(connect(to, Some(from)), listener.accept());
        assert_eq!(accepted.unwrap().1.ip(), from);
        drop(stream.unwrap());
    }
}
