//! Where to begin a search: the hashes are even, so their top bits say almost exactly where in the
//! sorted points a hash lies.

/// For each value of the top bits, the position of the first point that is not below it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BucketIndex {
    /// How far a hash is shifted to leave its bucket: 64 less the number of top bits, 40 to 63.
    shift: u32,
    starts: Vec<u32>,
}

impl BucketIndex {
    /// Indexes sorted points, between one and twice as many buckets as points.
    pub(super) fn new(points: &[u64]) -> Self {
        // At least one bit: a shift by all 64 bits would overflow.
        let bits = points.len().next_power_of_two().ilog2().max(1);
        let shift = 64 - bits;
        let mut starts = vec![0; 1 << bits];
        let mut position = 0;
        for (bucket, start) in starts.iter_mut().enumerate() {
            let floor = (bucket as u64) << shift;
            while position < points.len() && points[position] < floor {
                position += 1;
            }
            *start = position as u32;
        }
        Self { shift, starts }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.starts)
    }

    /// The position from which to look for the first point at or after the hash. It is the number
    /// of points when all points lie in lower buckets.
    #[inline]
    pub(super) fn start(&self, hash: u64) -> usize {
        self.starts[(hash >> self.shift) as usize] as usize
    }
}
