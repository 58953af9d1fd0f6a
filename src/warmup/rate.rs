//! Learning rates: up in a straight line, then down in one.

/// The part of the steps in which rates go up.
const UP: f64 = 0.03;

/// Rates of so many steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// The largest of them.
    pub(super) most: f64,
    pub(super) steps: usize,
}

impl Schedule {
    /// Of a step, counted from 0. None is zero, so that every step does something.
    pub(super) fn rate(self, step: usize) -> f64 {
        let up = (UP * self.steps as f64).ceil() as usize;
        let part = if step < up {
            (step + 1) as f64 / up as f64
        } else {
            (self.steps - step) as f64 / (self.steps - up + 1) as f64
        };
        self.most * part
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn rates_rise_over_three_in_a_hundred_steps_and_fall_in_a_line() {
        let rates = |steps: usize| (0..steps).map(|step| Schedule { most: 1.0, steps }.rate(step)).collect::<Vec<_>>();
        assert_eq!(rates(1), [1.0]);
        assert_eq!(rates(4), [1.0, 0.75, 0.5, 0.25]);
        let hundred = rates(100);
        assert_eq!(hundred[..3], [1.0 / 3.0, 2.0 / 3.0, 1.0]);
        assert!(hundred[2..].windows(2).all(|pair| (pair[0] - pair[1] - 1.0 / 98.0).abs() < 1e-12));
        assert!((hundred[99] - 1.0 / 98.0).abs() < 1e-12);
    }
}
