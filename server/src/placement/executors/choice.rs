//! Which thread a guild starts on.

/// Shares that differ by less than this count as equal: then the number of guilds decides.
const STEP: f64 = 0.05;
/// What a guild is taken to use of its thread until that is known.
const ASSUMED: f64 = 0.001;

/// A thread that a guild may start on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its number.
    pub id: usize,
    /// Whether it gives no sign of life.
    pub stuck: bool,
    /// Share of its time that its guilds take.
    pub share: f64,
    /// Guilds that it has.
    pub guilds: usize,
    /// How many of these are too new to be in the share.
    pub newcomers: usize,
}

impl Candidate {
    /// Newcomers count as much as the others do on average, so that a thousand guilds that start
    /// within a second do not all start on the one thread that had the least to do before.
    fn expected(&self) -> f64 {
        let known = self.guilds.saturating_sub(self.newcomers).max(1) as f64;
        let each = (self.share / known).max(ASSUMED);
        self.share + each * self.newcomers as f64
    }
}

/// The one with the least to do; one that is stuck only where all are. `None` where there is none.
pub fn choose(candidates: &[Candidate]) -> Option<usize> {
    let rank = |it: &Candidate| {
        let steps = (it.expected() / STEP) as u64;
        (it.stuck, steps, it.guilds, it.id)
    };
    candidates.iter().min_by_key(|it| rank(it)).map(|it| it.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: usize, share: f64, guilds: usize) -> Candidate {
        Candidate {
            id,
            stuck: false,
            share,
            guilds,
            newcomers: 0,
        }
    }

    #[test]
    fn load_decides_then_the_number_of_guilds_and_never_a_stuck_one_while_there_is_another() {
        assert_eq!(choose(&[]), None);
        let busy = candidate(0, 0.5, 1);
        let full = candidate(1, 0.1, 1_000);
        assert_eq!(choose(&[busy, full]), Some(1));
        let alike = candidate(2, 0.12, 10);
        assert_eq!(choose(&[busy, full, alike]), Some(2));
        let stuck = Candidate {
            stuck: true,
            ..candidate(3, 0.0, 0)
        };
        assert_eq!(choose(&[busy, stuck]), Some(0));
        assert_eq!(choose(&[stuck]), Some(3));
    }

    #[test]
    fn many_that_start_at_once_are_spread() {
        let mut threads = [candidate(0, 0.3, 10), candidate(1, 0.0, 0)];
        for _ in 0..1_000 {
            let chosen = choose(&threads).unwrap();
            threads[chosen].guilds += 1;
            threads[chosen].newcomers += 1;
        }
        let [busy, idle] = threads.map(|it| it.newcomers);
        assert!(busy > 0 && idle > 4 * busy, "{busy} and {idle}");
    }
}
