//! The Universal Scalability Law: `X(N) = λ N / (1 + σ (N - 1) + κ N (N - 1))`. Pure.
//!
//! Turned round it is linear: `N / X = 1/λ + (σ/λ) (N - 1) + (κ/λ) N (N - 1)`, and so fitted by least squares. Where
//! σ or κ came out below 0, which means nothing, it is 0 and the others are fitted again.

use serde::Serialize;

/// The law's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fit {
    /// Throughput of one.
    pub lambda: f64,
    /// Contention: the share that cannot go on side by side.
    pub sigma: f64,
    /// Coherency: what each has to do with each other one.
    pub kappa: f64,
    /// Where throughput is highest; none if it never falls.
    pub peak: Option<f64>,
    /// How much of the points' spread the law explains.
    pub r_squared: f64,
}

impl Fit {
    /// Throughput of `n`.
    pub fn at(&self, n: f64) -> f64 {
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }
}

/// Fits the law to (N, throughput); `None` with fewer than three points, or where there is no such law.
pub(super) fn fit(points: &[(f64, f64)]) -> Option<Fit> {
    if points.len() < 3 || points.iter().any(|(n, x)| *n <= 0.0 || *x <= 0.0) {
        return None;
    }
    // Which of the terms for σ and κ take part; the first that gives nothing below 0 is taken.
    for (with_sigma, with_kappa) in [(true, true), (false, true), (true, false), (false, false)] {
        let Some([a, b, c]) = least_squares(points, with_sigma, with_kappa) else {
            continue;
        };
        if a > 0.0 && b >= 0.0 && c >= 0.0 {
            let (lambda, sigma, kappa) = (1.0 / a, b / a, c / a);
            let peak = (kappa > 0.0 && sigma < 1.0).then(|| ((1.0 - sigma) / kappa).sqrt());
            let mut fit = Fit {
                lambda,
                sigma,
                kappa,
                peak,
                r_squared: 0.0,
            };
            fit.r_squared = r_squared(points, |n| fit.at(n));
            return Some(fit);
        }
    }
    None
}

fn r_squared(points: &[(f64, f64)], model: impl Fn(f64) -> f64) -> f64 {
    let mean = points.iter().map(|(_, x)| x).sum::<f64>() / points.len() as f64;
    let squares = |error: &dyn Fn(f64, f64) -> f64| -> f64 {
        points.iter().map(|(n, x)| error(*n, *x).powi(2)).sum()
    };
    let left = squares(&|n, x| x - model(n));
    let all = squares(&|_, x| x - mean);
    if all > 0.0 { 1.0 - left / all } else { 1.0 }
}

/// `y = a + b (N - 1) + c N (N - 1)`, without the terms that do not take part, weighted so that relative errors count.
fn least_squares(points: &[(f64, f64)], with_b: bool, with_c: bool) -> Option<[f64; 3]> {
    let mut normal = [[0.0; 4]; 3];
    for (n, x) in points {
        let y = n / x;
        let weight = 1.0 / (y * y);
        let terms = [
            1.0,
            if with_b { n - 1.0 } else { 0.0 },
            if with_c { n * (n - 1.0) } else { 0.0 },
        ];
        for row in 0..3 {
            for column in 0..3 {
                normal[row][column] += weight * terms[row] * terms[column];
            }
            normal[row][3] += weight * terms[row] * y;
        }
    }
    // A term that does not take part is 0.
    for (row, takes_part) in [(1, with_b), (2, with_c)] {
        if !takes_part {
            normal[row][row] = 1.0;
        }
    }
    solve(normal)
}

/// Gauss with the largest pivot; `None` where there is no single solution.
fn solve(mut rows: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for pivot in 0..3 {
        let largest =
            (pivot..3).max_by(|a, b| rows[*a][pivot].abs().total_cmp(&rows[*b][pivot].abs()))?;
        rows.swap(pivot, largest);
        let head = rows[pivot];
        if head[pivot].abs() < 1e-30 {
            return None;
        }
        for row in (0..3).filter(|row| *row != pivot) {
            let factor = rows[row][pivot] / head[pivot];
            for (value, above) in rows[row].iter_mut().zip(head) {
                *value -= factor * above;
            }
        }
    }
    let mut solution = [0.0; 3];
    for (index, value) in solution.iter_mut().enumerate() {
        *value = rows[index][3] / rows[index][index];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn law(lambda: f64, sigma: f64, kappa: f64) -> Vec<(f64, f64)> {
        let at = |n: f64| lambda * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0));
        [1.0, 5.0, 20.0, 50.0, 100.0, 200.0, 400.0]
            .map(|n| (n, at(n)))
            .to_vec()
    }

    proptest! {
        #[test]
        fn a_law_is_found_again(lambda in 0.1_f64..1e4, sigma in 0.0_f64..0.3, kappa in 1e-6_f64..1e-3) {
            let fit = fit(&law(lambda, sigma, kappa)).unwrap();
            prop_assert!((fit.lambda / lambda - 1.0).abs() < 1e-3, "{:?}", fit);
            prop_assert!((fit.sigma - sigma).abs() < 1e-3, "{:?}", fit);
            prop_assert!((fit.kappa / kappa - 1.0).abs() < 0.05, "{:?}", fit);
            let peak = ((1.0 - sigma) / kappa).sqrt();
            prop_assert!((fit.peak.unwrap() / peak - 1.0).abs() < 0.05);
            prop_assert!(fit.r_squared > 0.999);
        }
    }

    #[test]
    fn what_grows_evenly_has_no_peak() {
        let fit = fit(&law(3.0, 0.0, 0.0)).unwrap();
        assert!((fit.lambda - 3.0).abs() < 1e-6);
        assert!(
            fit.sigma < 1e-9 && fit.peak.is_none_or(|peak| peak > 1e5),
            "{fit:?}"
        );
    }

    #[test]
    fn too_few_points_have_no_law() {
        assert_eq!(fit(&[(1.0, 1.0), (2.0, 2.0)]), None);
        assert_eq!(fit(&[(1.0, 1.0), (2.0, 2.0), (3.0, 0.0)]), None);
    }
}
