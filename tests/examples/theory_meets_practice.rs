//! Losses of a softmax probe are Lipschitz in the joint embedding with a computed constant, so T1 and T1b must hold.

use super::theory as example;

#[test]
fn bounds_hold_for_a_trained_probe() {
    let findings = example::study(&[96, 192], &["round-robin", "random", "doubly-greedy"]).unwrap();
    assert_eq!(findings.len(), 6);
    for f in &findings {
        let difference = f.query_loss - f.subset_loss;
        assert!(difference.abs() <= f.gap + 1e-9, "{f:?}");
        assert!(difference <= f.truncated + 1e-9 && f.truncated <= f.gap.min(1.0) + 1e-9, "{f:?}");
        assert!((0.0..=1.0).contains(&f.subset_loss) && (0.0..=1.0).contains(&f.query_loss));
    }
    // Training helps on what it was trained on, and the probe is no constant.
    let of = |method: &str| findings.iter().find(|f| f.method == method && f.budget == 192).unwrap();
    assert!(of("round-robin").subset_loss < 0.5);
    assert!(of("round-robin").distance.upper() < of("random").distance.lower());
    assert!(of("round-robin").query_loss < of("random").query_loss);
}
