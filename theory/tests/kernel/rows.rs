//! Number types and tables made of tables.

use kantor_theory::{DenseRows, Element, JoinedRows, PickedRows, Rows};
use proptest::prelude::*;

proptest! {
    #[test]
    fn rounding_to_f32_is_that_of_the_processor(bits: u64) {
        let x = f64::from_bits(bits);
        let rounded = f64::from(x as f32);
        prop_assume!(x.is_finite() && rounded.is_finite());
        prop_assert_eq!(Element::F32.round(x), rounded);
        prop_assert_eq!(Element::F64.round(x), x);
    }

    #[test]
    fn rounding_moves_by_half_the_spacing_at_most_and_only_once(x in -1e4f64..1e4, scale in 0i32..12) {
        let x = x * 10f64.powi(-scale);
        for element in Element::ALL {
            let rounded = element.round(x);
            prop_assert!((rounded - x).abs() <= element.spacing(x) / 2.0);
            prop_assert_eq!(element.round(rounded), rounded);
        }
    }
}

#[test]
fn halves_are_those_of_their_formats() {
    // 2048 is where f16 loses the odd numbers, 256 is where bf16 does; ties go to the even neighbour.
    assert_eq!([2049.0, 2051.0, 2049.1].map(|x| Element::F16.round(x)), [2048.0, 2052.0, 2050.0]);
    assert_eq!([257.0, 259.0, 257.1].map(|x| Element::BF16.round(x)), [256.0, 260.0, 258.0]);
    // The least numbers of f16 are 2⁻²⁴ apart, those of bf16 keep their digits far below.
    let least = 2f64.powi(-24);
    assert_eq!([0.4 * least, 0.6 * least, 1.5 * least].map(|x| Element::F16.round(x)), [0.0, least, 2.0 * least]);
    assert_eq!(Element::BF16.round(1.5 * least), 1.5 * least);
    assert_eq!(Element::F16_NORMAL, Element::F16.spacing(0.0) * 1024.0);
    assert_eq!(Element::F16.widest(Element::BF16), Element::F32);
    assert_eq!(Element::F16.widest(Element::F64), Element::F64);
}

#[test]
fn joined_tables_are_read_as_one() {
    let first = DenseRows::from_f32(3, (0..6).map(|x| x as f32).collect()).unwrap();
    let second = DenseRows::from_f64(3, (6..15).map(f64::from).collect()).unwrap();
    let joined = JoinedRows::new(&first, &second);
    assert_eq!((joined.len(), joined.dim(), joined.element()), (5, 3, Element::F64));
    assert_eq!((joined.element_of(1), joined.element_of(2)), (Element::F32, Element::F64));
    for start in 0..5 {
        for count in 0..=5 - start {
            let mut all = vec![0.0; 3 * count];
            joined.read(start, 0..3, &mut all);
            assert_eq!(all, (3 * start..3 * (start + count)).map(|x| x as f64).collect::<Vec<_>>());
            let mut narrow = vec![0.0; 3 * count];
            joined.read_f32(start, &mut narrow);
            assert!(narrow.iter().zip(&all).all(|(x, y)| f64::from(*x) == *y));
            let mut last = vec![0.0; count];
            joined.read(start, 2..3, &mut last);
            assert_eq!(last, (start..start + count).map(|row| (3 * row + 2) as f64).collect::<Vec<_>>());
        }
    }
    assert_eq!(PickedRows::new(&joined, vec![4, 0]).element_of(1), Element::F32);
}
