//! Distinct counts in fixed memory, for what no longer fits exactly: HyperLogLog with Ertl's estimator, which needs no
//! correction tables (O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017).

/// A sketch with `2^P` registers; its standard error is `1.04 / sqrt(2^P)`.
#[derive(Debug, Clone)]
pub struct Distinct<const P: u32> {
    registers: Box<[u8]>,
}

/// One for the whole log.
pub type Whole = Distinct<14>;
/// One per app.
pub type PerApp = Distinct<11>;
/// One per unknown domain.
pub type PerDomain = Distinct<6>;

impl<const P: u32> Default for Distinct<P> {
    fn default() -> Self {
        Distinct { registers: vec![0; 1 << P].into() }
    }
}

impl<const P: u32> Distinct<P> {
    /// The relative standard error of an estimate.
    pub fn error() -> f64 {
        1.04 / f64::from(1_u32 << P).sqrt()
    }

    /// Takes one value by its hash.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        // The tables use the hash as it is; one more mix makes its bits independent of where they landed there.
        let mut hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^= hash >> 33;
        let rank = ((hash << P) | 1 << (P - 1)).leading_zeros() as u8 + 1;
        let register = &mut self.registers[(hash >> (64 - P)) as usize];
        *register = (*register).max(rank);
    }

    /// Takes everything that `other` took.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// About how many different values were taken.
    pub fn estimate(&self) -> u64 {
        let q = 64 - P as usize;
        let mut counts = [0_u32; 66];
        for register in &self.registers {
            counts[usize::from(*register)] += 1;
        }
        let m = self.registers.len() as f64;
        let mut z = m * tau(1.0 - f64::from(counts[q + 1]) / m);
        for count in counts[1..=q].iter().rev() {
            z = 0.5 * (z + f64::from(*count));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled<const P: u32>(from: u64, to: u64) -> Distinct<P> {
        let mut sketch = Distinct::<P>::default();
        (from..to).for_each(|i| sketch.add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        sketch
    }

    #[test]
    fn estimates_stay_within_four_standard_errors_at_every_size() {
        for n in [0, 1, 2, 10, 100, 1_000, 4_000, 20_000, 100_000, 1_000_000] {
            let wrong = |estimate: u64, error: f64| (estimate as f64 - n as f64).abs() > 4.0 * error * n as f64 + 0.5;
            let (whole, app) = (filled::<14>(0, n).estimate(), filled::<11>(0, n).estimate());
            assert!(!wrong(whole, Whole::error()), "{n} as {whole}");
            assert!(!wrong(app, PerApp::error()), "{n} as {app}");
        }
        let domain = filled::<6>(0, 40).estimate();
        assert!((25..=60).contains(&domain), "40 as {domain}");
    }

    #[test]
    fn a_merged_sketch_is_the_sketch_of_both() {
        let mut left = filled::<11>(0, 6_000);
        left.merge(&filled::<11>(3_000, 9_000));
        assert_eq!(left.registers, filled::<11>(0, 9_000).registers);
    }
}
