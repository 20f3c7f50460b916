//! What a look-up costs.

use std::hint::black_box;
use std::time::Instant;

use guildhall_server::placement::Placement;

use super::population::Population;
use super::report::Lookup;

/// Look-ups that are timed.
const TIMED: u32 = 2_000_000;

/// Times the look-up on a message's path, on one thread. Guilds lie all over the ring, so the caches help as little as
/// they do in a server.
pub(super) fn lookup(what: &str, placement: &Placement, population: &Population) -> Lookup {
    let count = population.len().min(TIMED);
    let began = Instant::now();
    for rank in 0..count {
        black_box(placement.owner(black_box(Population::id(rank))));
    }
    Lookup {
        what: what.to_owned(),
        nanoseconds: began.elapsed().as_nanos() as f64 / f64::from(count),
    }
}
