//! The floor: what loopback TCP itself costs. One thread, one epoll loop, one `write` per connection and message, no more.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use anyhow::{Result, ensure};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::driver::plain::READY;
use super::server::announce;
use crate::client::handshake::accept_of;

/// What stands for the listener among the connections' numbers.
const LISTENER: u64 = u64::MAX;

/// Bytes that may wait for one connection; one more and it is dropped.
const MAX_PENDING: usize = 64 << 20;

/// Longest request head in bytes.
const MAX_HEAD: usize = 8 << 10;

/// A connection.
#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    /// What came of a request or a frame that is not whole.
    received: Vec<u8>,
    /// What the socket did not take.
    pending: Vec<u8>,
    is_open: bool,
}

/// The server.
struct Floor {
    epoll: OwnedFd,
    listener: TcpListener,
    /// By number; none where one has ended.
    peers: Vec<Option<Peer>>,
    /// Numbers of those that get the messages.
    subscribers: Vec<usize>,
    scratch: Vec<u8>,
}

/// Serves until the process is ended.
pub(super) fn serve() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    // The standard library's backlog is too short for a rush.
    rustix::net::listen(&listener, 4_096)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    announce(
        &format!("ws://{}", listener.local_addr()?),
        env!("CARGO_PKG_VERSION"),
    )?;
    let mut floor = Floor {
        epoll,
        listener,
        peers: Vec::new(),
        subscribers: Vec::new(),
        scratch: vec![0; 64 << 10],
    };
    let mut events: Vec<Event> = Vec::with_capacity(1_024);
    loop {
        events.clear();
        match epoll::wait(
            &floor.epoll,
            rustix::buffer::spare_capacity(&mut events),
            None,
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => floor.accept()?,
                number => floor.ready(number as usize, event.flags),
            }
        }
    }
}

impl Floor {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            let number = self.peers.len();
            epoll::add(
                &self.epoll,
                &stream,
                EventData::new_u64(number as u64),
                interest,
            )?;
            self.peers.push(Some(Peer {
                stream,
                received: Vec::new(),
                pending: Vec::new(),
                is_open: false,
            }));
        }
    }

    fn ready(&mut self, number: usize, flags: EventFlags) {
        if flags.contains(EventFlags::OUT)
            && let Some(peer) = &mut self.peers[number]
            && peer.send(&[]).is_err()
        {
            self.drop_peer(number);
        }
        let ended = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        if flags.intersects(EventFlags::IN | ended) && self.read(number).is_err() {
            self.drop_peer(number);
        }
    }

    fn drop_peer(&mut self, number: usize) {
        self.peers[number] = None;
        self.subscribers.retain(|subscriber| *subscriber != number);
    }

    fn read(&mut self, number: usize) -> Result<()> {
        let Some(peer) = &mut self.peers[number] else {
            return Ok(());
        };
        loop {
            match peer.stream.read(&mut self.scratch) {
                Ok(0) => ensure!(false, "ended"),
                Ok(count) => peer.received.extend_from_slice(&self.scratch[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        let mut received = std::mem::take(&mut peer.received);
        let mut start = 0;
        if !peer.is_open {
            let Some((answer, subscribes, end)) = upgrade(&received)? else {
                peer.received = received;
                return Ok(());
            };
            start = end;
            peer.is_open = true;
            let mut bytes = answer.into_bytes();
            bytes.extend(encode(READY.as_bytes()));
            peer.send(&bytes)?;
            if subscribes {
                self.subscribers.push(number);
            }
        }
        while let Some((text, length)) = unmask(&received[start..])? {
            start += length;
            if let Some(text) = text {
                self.broadcast(&text);
            }
        }
        if let Some(peer) = &mut self.peers[number] {
            received.drain(..start);
            peer.received = received;
        }
        Ok(())
    }

    fn broadcast(&mut self, text: &[u8]) {
        let frame = encode(text);
        let mut failed = Vec::new();
        for number in &self.subscribers {
            if let Some(peer) = &mut self.peers[*number]
                && peer.send(&frame).is_err()
            {
                failed.push(*number);
            }
        }
        for number in failed {
            self.drop_peer(number);
        }
    }
}

impl Peer {
    /// Writes, and keeps what the socket does not take.
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.pending.is_empty() {
            self.pending.extend_from_slice(bytes);
            let sent = self.write_some(&self.pending)?;
            self.pending.drain(..sent);
        } else if !bytes.is_empty() {
            let sent = self.write_some(bytes)?;
            self.pending.extend_from_slice(&bytes[sent..]);
        }
        ensure!(self.pending.len() <= MAX_PENDING, "does not read");
        Ok(())
    }

    fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.stream).write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }
}

/// The answer to a whole request, whether it subscribes, and its length.
fn upgrade(received: &[u8]) -> Result<Option<(String, bool, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(end) = request.parse(received)? else {
        ensure!(received.len() <= MAX_HEAD, "a long request");
        return Ok(None);
    };
    let key = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"))
        .and_then(|header| str::from_utf8(header.value).ok());
    let Some(key) = key else {
        anyhow::bail!("no websocket key");
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_of(key)
    );
    Ok(Some((answer, request.path == Some("/subscribe"), end)))
}

/// A text frame as servers send it.
fn encode(text: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(text.len() + 10);
    frame.push(0x81);
    match text.len() {
        short @ 0..=125 => frame.push(short as u8),
        medium @ 126..=0xFFFF => {
            frame.push(126);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(text);
    frame
}

/// The text of a whole frame of a client (none if it carries no text) and the frame's length.
fn unmask(bytes: &[u8]) -> Result<Option<(Option<Vec<u8>>, usize)>> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    ensure!(second & 0x80 != 0, "not masked");
    let (length, head) = match second & 0x7F {
        126 => match rest.first_chunk::<2>() {
            Some(bytes) => (u16::from_be_bytes(*bytes) as usize, 4),
            None => return Ok(None),
        },
        127 => anyhow::bail!("a very long frame"),
        short => (short as usize, 2),
    };
    let Some(frame) = bytes.get(head..head + 4 + length) else {
        return Ok(None);
    };
    let (mask, payload) = frame.split_at(4);
    ensure!(first & 0x0F != 8, "closed");
    let text = (first & 0x0F == 1).then(|| {
        let masked = payload.iter().zip(mask.iter().cycle());
        masked.map(|(byte, mask)| byte ^ mask).collect()
    });
    Ok(Some((text, head + 4 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::frames::Opcode;
    use crate::compare::driver::send;

    #[test]
    fn frames_of_a_client_are_read_once_they_are_whole() {
        for length in [0, 125, 126, 4_000] {
            let text = vec![b'a'; length];
            let mut frame = Vec::new();
            send(Opcode::Text, &text, &mut frame);
            for end in 0..frame.len() {
                assert!(unmask(&frame[..end]).unwrap().is_none());
            }
            let (seen, taken) = unmask(&frame).unwrap().unwrap();
            assert_eq!((seen, taken), (Some(text), frame.len()));
        }
    }
}
