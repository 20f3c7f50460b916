//! A node's seat in the ring: its name and its weight.

use super::NodeName;

/// How large a share of the guilds a node takes, relative to the others: a node of weight 2 takes
/// about twice what a node of weight 1 takes. Above 0 and at most [`Weight::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Weight(f64);

impl Weight {
    /// The weight of an ordinary node: 1.
    pub const ONE: Self = Self(1.0);

    /// The largest weight: 100. Larger machines are better run as several nodes.
    pub const MAX: f64 = 100.0;

    /// Checks and takes a weight.
    pub fn new(weight: f64) -> Result<Self, WeightError> {
        // A NaN fails both comparisons and is refused here as well.
        if weight > 0.0 && weight <= Self::MAX {
            Ok(Self(weight))
        } else {
            Err(WeightError { weight })
        }
    }

    /// The weight as a number.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// How many virtual nodes a node of this weight has, when one of weight 1 has
    /// `virtual_nodes`: rounded, and at least 1 so that no member is without guilds altogether.
    pub(super) fn points(self, virtual_nodes: u32) -> u32 {
        (self.0 * f64::from(virtual_nodes)).round().max(1.0) as u32
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

/// A weight that is not a number above 0 and at most [`Weight::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("weight {weight} is outside the range above 0 up to 100")]
pub struct WeightError {
    /// The refused weight.
    pub weight: f64,
}

/// A node as the ring knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name, unique among the members.
    pub name: NodeName,
    /// Its share relative to the other members.
    pub weight: Weight,
}

impl Member {
    /// A member of weight 1.
    pub const fn new(name: NodeName) -> Self {
        Self {
            name,
            weight: Weight::ONE,
        }
    }

    /// A member of another weight.
    pub const fn weighted(name: NodeName, weight: Weight) -> Self {
        Self { name, weight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_finite_positive_ratio() {
        for bad in [
            0.0,
            -0.0,
            -1.0,
            100.1,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            assert!(Weight::new(bad).is_err(), "{bad}");
        }
        for good in [f64::MIN_POSITIVE, 0.5, 1.0, 100.0] {
            assert!(Weight::new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn points_are_rounded_and_at_least_one() {
        let points = |weight: f64| Weight::new(weight).unwrap().points(150);
        assert_eq!(points(1.0), 150);
        assert_eq!(points(0.5), 75);
        assert_eq!(points(1.499), 225);
        assert_eq!(points(2.0), 300);
        assert_eq!(points(0.000_1), 1);
    }
}
