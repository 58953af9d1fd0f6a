//! Adam (Kingma and Ba, arXiv 1412.6980): its moments, its steps, and the direction in which it would go by one example's gradient.

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

/// Where Adam would go by a gradient, of a number with these moments: without correction of their beginning, and with ε within the root.
pub(super) fn direction(gradient: f32, first: f32, second: f32) -> f64 {
    let gradient = f64::from(gradient);
    let first = BETA1 * f64::from(first) + (1.0 - BETA1) * gradient;
    let second = BETA2 * f64::from(second) + (1.0 - BETA2) * gradient * gradient;
    first / (second + EPS).sqrt()
}

/// Moments of all numbers of an adapter.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    /// By tensor: means of gradients, and of their squares.
    pub(super) first: Vec<Vec<f32>>,
    pub(super) second: Vec<Vec<f32>>,
    pub(super) steps: i32,
}

impl Moments {
    /// Before the first step, of tensors of so many numbers.
    pub(super) fn none(lengths: &[usize]) -> Self {
        let zeros = || lengths.iter().map(|&length| vec![0.0; length]).collect();
        Self { first: zeros(), second: zeros(), steps: 0 }
    }

    /// A step of AdamW without decay (Loshchilov and Hutter, arXiv 1711.05101), with ε beside the root and the beginning of the moments
    /// corrected, as PyTorch has it.
    pub(super) fn step(&mut self, rate: f64, gradients: &[Vec<f64>], numbers: &mut [Vec<f32>]) {
        self.steps += 1;
        let (beginning1, beginning2) = (1.0 - BETA1.powi(self.steps), 1.0 - BETA2.powi(self.steps));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((gradients, numbers), (first, second)) in gradients.iter().zip(numbers).zip(moments) {
            let moments = first.iter_mut().zip(second);
            for ((&gradient, number), (first, second)) in gradients.iter().zip(numbers.iter_mut()).zip(moments) {
                *first = (BETA1 * f64::from(*first) + (1.0 - BETA1) * gradient) as f32;
                *second = (BETA2 * f64::from(*second) + (1.0 - BETA2) * gradient * gradient) as f32;
                let size = (f64::from(*second) / beginning2).sqrt() + EPS;
                *number = (f64::from(*number) - rate * f64::from(*first) / beginning1 / size) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Moments;

    /// Those of `torch.optim.AdamW` (2.15.0, in float64, no decay) by these gradients and learning rates.
    #[test]
    fn steps_are_those_of_torch() {
        let mut numbers = vec![vec![0.5, -0.25, 0.125]];
        let mut moments = Moments::none(&[3]);
        for (rate, gradient) in [(1e-2, [0.3, -2.0, 1e-4]), (5e-3, [-0.1, 0.5, 2e-4]), (2.5e-3, [0.2, 0.25, -1e-3])] {
            moments.step(rate, &[gradient.to_vec()], &mut numbers);
        }
        let near = |made: &[f32], expected: [f64; 3]| {
            assert!(made.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() <= 1e-6 * b.abs()), "{made:?}");
        };
        near(&numbers[0], [0.48649119140427216, -0.23694446391107554, 0.11132717356240614]);
        near(&moments.first[0], [0.0353, -0.092, -7.39e-5]);
        near(&moments.second[0], [1.3981009e-4, 4.304254e-3, 1.04994001e-9]);
    }
}
