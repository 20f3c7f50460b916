//! How much one guild keeps and lets wait.

/// Bounds of one guild. The first four shape what replaying a journal yields: all nodes that may
/// own a guild should agree on them.
#[derive(Debug, Clone)]
pub struct CoreSettings {
    /// Messages kept in memory for history and reactions; the oldest is forgotten first.
    pub max_messages: usize,
    /// Bytes of content, embeds, components and reactions of those messages.
    pub max_message_bytes: usize,
    /// For how long a nonce stands for its message, in milliseconds.
    pub nonce_ttl_ms: u64,
    /// Nonces remembered; the oldest is forgotten first.
    pub max_nonces: usize,
    /// Records of one append.
    pub max_batch_records: usize,
    /// Bytes of one append; a single larger record still goes, alone.
    pub max_batch_bytes: usize,
    /// Records that are not acknowledged yet; with more, commands are refused.
    pub max_pending_records: usize,
    /// Bytes of those records.
    pub max_pending_bytes: usize,
    /// Answers and items that wait for a record to be acknowledged; with more, commands are
    /// refused.
    pub max_waiting: usize,
    /// Bytes of those answers and items.
    pub max_waiting_bytes: usize,
}

impl Default for CoreSettings {
    fn default() -> Self {
        Self {
            max_messages: 10_000,
            max_message_bytes: 16 << 20,
            nonce_ttl_ms: 10 * 60 * 1_000,
            max_nonces: 4_096,
            max_batch_records: 1_024,
            max_batch_bytes: 1 << 20,
            max_pending_records: 8_192,
            max_pending_bytes: 16 << 20,
            max_waiting: 32_768,
            max_waiting_bytes: 32 << 20,
        }
    }
}
