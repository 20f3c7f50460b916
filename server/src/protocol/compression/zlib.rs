//! `zlib-stream`: one deflate stream per connection, one binary message per
//! payload, each flushed so that the client can inflate it at once and ending `00 00 FF FF`.
//!
//! **Memory.** A context is one allocation of [`ZlibStream::CONTEXT_BYTES`], below 64 KiB: a window
//! of 8 KiB (window bits 13) and memory level 5, where zlib's defaults would take 268 KB. zlib gets
//! its memory from an arena inside the context and from nowhere else, so it cannot take more.
//!
//! **Why this file is unsafe.** No crate that is safe to use offers such a small context: flate2
//! sets no memory level and `zlib-rs` has a hash table of fixed 128 KiB. So this calls C zlib,
//! which `libz-sys` compiles from its own copy of the source. All of the project's unsafe code
//! that has to do with zlib is here.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint, c_void};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use libz_sys as z;

/// log2 of the window in bytes.
const WINDOW_BITS: c_int = 13;
/// zlib's memory level, 1 to 9: sizes the hash table and the buffer of literals.
const MEMORY_LEVEL: c_int = 5;
/// Favours speed: on chat messages of 600 bytes level 6 makes the output 6 % smaller and takes half
/// as long again.
const LEVEL: c_int = 3;

/// What zlib takes by its own formula (window, chain and hash table, literals) and 8 KiB for its
/// state, which has 6 KB.
const ARENA_BYTES: usize = (1 << (WINDOW_BITS + 2)) + (1 << (MEMORY_LEVEL + 9)) + (8 << 10);

/// What follows every payload on the wire: the end of an empty stored block.
pub const SYNC_MARKER: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// A whole empty stored block, for a stream that stands at a byte's beginning.
const EMPTY_BLOCK: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];

/// The deflate stream of one connection.
pub struct ZlibStream {
    /// From `Box::into_raw`, so that zlib's pointers into it stay valid; freed on drop.
    context: NonNull<Context>,
    /// Whether a payload has been written, and with it the header.
    begun: bool,
}

/// What one stream takes, in one piece.
struct Context {
    /// First; zlib keeps a pointer to it.
    stream: z::z_stream,
    /// Bytes of the arena given out. zlib allocates while it is initialised and never later.
    used: usize,
    arena: Arena,
}

/// Aligned like the memory of `malloc`, which is what zlib expects.
#[repr(align(16))]
struct Arena([MaybeUninit<u8>; ARENA_BYTES]);

const ALIGNMENT: usize = align_of::<Arena>();

// SAFETY: a context belongs to one `ZlibStream` alone, and zlib ties nothing to a thread.
unsafe impl Send for ZlibStream {}

impl ZlibStream {
    /// What a stream takes in memory, all told, in bytes.
    pub const CONTEXT_BYTES: usize = size_of::<Context>();

    /// A stream at its beginning.
    #[expect(
        clippy::new_without_default,
        reason = "one does not get a connection by default"
    )]
    pub fn new() -> Self {
        let context: *mut Context = Box::into_raw(Box::<Context>::new_uninit()).cast();
        let stream_bytes = c_int::try_from(size_of::<z::z_stream>())
            .expect("invariant: zlib's struct has some hundred bytes");
        // SAFETY: `context` is valid for writes, and its fields are written without being read.
        // The stream's pointers are null, which zlib demands of those it sets itself, but for the
        // allocator's. `opaque` is what the allocator gets: a pointer to the whole context.
        let initialised = unsafe {
            (&raw mut (*context).used).write(0);
            (&raw mut (*context).stream).write(z::z_stream {
                next_in: ptr::null_mut(),
                avail_in: 0,
                total_in: 0,
                next_out: ptr::null_mut(),
                avail_out: 0,
                total_out: 0,
                msg: ptr::null_mut(),
                state: ptr::null_mut(),
                zalloc: allocate,
                zfree: release,
                opaque: context.cast(),
                data_type: 0,
                adler: 0,
                reserved: 0,
            });
            z::deflateInit2_(
                &raw mut (*context).stream,
                LEVEL,
                z::Z_DEFLATED,
                WINDOW_BITS,
                MEMORY_LEVEL,
                z::Z_DEFAULT_STRATEGY,
                z::zlibVersion(),
                stream_bytes,
            )
        };
        assert_eq!(
            initialised,
            z::Z_OK,
            "invariant: zlib takes these parameters and fits into the arena"
        );
        let context = NonNull::new(context).expect("invariant: a box is not null");
        Self {
            context,
            begun: false,
        }
    }

    /// Compresses one payload, given in parts, and appends the message to `out`. It ends with
    /// [`SYNC_MARKER`]; the first one of a stream begins with zlib's header.
    pub fn compress(&mut self, payload: &[&[u8]], out: &mut Vec<u8>) {
        let len: usize = payload.iter().map(|part| part.len()).sum();
        if len == 0 && self.begun {
            // zlib flushes nothing where nothing came since the last flush.
            out.extend_from_slice(&EMPTY_BLOCK);
            return;
        }
        self.begun = true;
        // Enough for most payloads at once; the marker needs room as well.
        out.reserve(len / 3 + 32);
        for part in payload {
            self.deflate(part, z::Z_NO_FLUSH, out);
        }
        self.deflate(&[], z::Z_SYNC_FLUSH, out);
        debug_assert!(out.ends_with(&SYNC_MARKER));
    }

    /// Feeds all of `input` with this flush, appending what comes out.
    fn deflate(&mut self, mut input: &[u8], flush: c_int, out: &mut Vec<u8>) {
        loop {
            // A part larger than zlib's counters goes in pieces.
            let now = input.len().min(c_uint::MAX as usize);
            // Below six free bytes zlib could write the marker twice.
            if out.capacity() - out.len() < 16 {
                out.reserve(256.max(out.len() / 2));
            }
            let free = out.spare_capacity_mut();
            let room = free.len().min(c_uint::MAX as usize);
            // SAFETY: the context is initialised, and `&mut self` makes this its only use. zlib
            // reads up to `now` bytes of `input` (it does not write there, for all its type
            // says) and writes up to `room` bytes of `free`, both borrowed for the call.
            let (result, unread, unwritten) = unsafe {
                let stream = &raw mut (*self.context.as_ptr()).stream;
                (*stream).next_in = input.as_ptr().cast_mut();
                (*stream).avail_in = now as c_uint;
                (*stream).next_out = free.as_mut_ptr().cast();
                (*stream).avail_out = room as c_uint;
                let result = z::deflate(stream, flush);
                (
                    result,
                    (*stream).avail_in as usize,
                    (*stream).avail_out as usize,
                )
            };
            // Without progress, "buffer error": there was nothing to do.
            assert!(
                matches!(result, z::Z_OK | z::Z_BUF_ERROR),
                "invariant: the stream is consistent"
            );
            let written = room - unwritten;
            // SAFETY: zlib has written the first `written` bytes of the spare capacity.
            unsafe { out.set_len(out.len() + written) };
            input = &input[now - unread..];
            // Room left over means that all that was to come out is out.
            if input.is_empty() && unwritten > 0 {
                return;
            }
        }
    }
}

impl Drop for ZlibStream {
    fn drop(&mut self) {
        // SAFETY: the context is initialised and not used again. zlib's own clean-up would only
        // give its memory back to the arena, which goes with the box. Nothing in a context has a
        // destructor, and the arena need not be initialised to be dropped.
        drop(unsafe { Box::from_raw(self.context.as_ptr()) });
    }
}

impl fmt::Debug for ZlibStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZlibStream")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

/// Gives zlib memory of the context's arena, or null when that is used up. Never panics.
extern "C" fn allocate(context: *mut c_void, items: c_uint, size: c_uint) -> *mut c_void {
    let context: *mut Context = context.cast();
    // SAFETY: `opaque` was set to a context, of which no reference exists while zlib runs.
    let used = unsafe { (*context).used };
    let wanted = (items as usize)
        .checked_mul(size as usize)
        .and_then(|bytes| bytes.checked_next_multiple_of(ALIGNMENT))
        .and_then(|bytes| used.checked_add(bytes));
    match wanted {
        Some(end) if end <= ARENA_BYTES => {
            // SAFETY: as above; `used` and `end` lie in the arena, so the pointer does too.
            unsafe {
                (*context).used = end;
                (&raw mut (*context).arena.0).cast::<u8>().add(used).cast()
            }
        }
        _ => ptr::null_mut(),
    }
}

/// Takes memory back. All of it goes with the context, so there is nothing to do.
extern "C" fn release(_context: *mut c_void, _address: *mut c_void) {}

#[cfg(test)]
pub(super) mod tests;
