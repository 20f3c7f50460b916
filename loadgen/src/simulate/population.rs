//! The guilds of a simulation, by rank: rank 0 is the heaviest.

/// Guilds whose loads follow Zipf's law. Nothing is stored: ids and loads are computed.
#[derive(Debug, Clone, Copy)]
pub struct Population {
    guilds: u32,
    skew: f64,
    total: f64,
}

impl Population {
    /// `guilds` guilds; the load of rank `r` is `1 / (r + 1)^skew`.
    pub fn new(guilds: u32, skew: f64) -> Self {
        let mut population = Self {
            guilds,
            skew,
            total: 0.0,
        };
        // From the light end, so that the small terms are not lost beside the large sum.
        population.total = (0..guilds).rev().map(|rank| population.load(rank)).sum();
        population
    }

    /// How many.
    pub fn len(&self) -> u32 {
        self.guilds
    }

    /// Sum of all loads.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Load of the guild of this rank.
    #[expect(
        clippy::float_cmp,
        reason = "an exponent of exactly 1 is the usual one, and much cheaper"
    )]
    pub fn load(&self, rank: u32) -> f64 {
        let place = f64::from(rank) + 1.0;
        if self.skew == 1.0 {
            1.0 / place
        } else {
            place.powf(-self.skew)
        }
    }

    /// Id of the guild of this rank, of the form that a server hands out: milliseconds, then 22 bits of a process.
    pub fn id(rank: u32) -> u64 {
        let rank = u64::from(rank);
        ((250_000_000_000 + rank * 977) << 22) | (rank % 4_096)
    }
}
