//! WebSocket frames as a server writes them: unmasked and in one piece.

/// A text message, with the final bit.
pub(super) const TEXT: u8 = 0x81;
/// A binary message, with the final bit.
pub(super) const BINARY: u8 = 0x82;
/// The end of a connection.
pub(super) const CLOSE: u8 = 0x88;
/// The answer to a ping.
pub(super) const PONG: u8 = 0x8a;

/// Writes the header of a frame with a payload of so many bytes.
pub(super) fn write_header(out: &mut Vec<u8>, opcode: u8, len: usize) {
    out.push(opcode);
    if len < 126 {
        out.push(len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}
