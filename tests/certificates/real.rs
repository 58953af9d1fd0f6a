//! Certificates on real data: 5,005 training examples, two benchmarks.

use std::path::PathBuf;

use kantor::prelude::*;
use kantor::theory::Verdict;

use crate::support::{example, facts, written};

#[test]
fn what_is_printed_of_real_data_is_verified_and_in_order() {
    for query in ["query_gsm8k.embed.npy", "query_humaneval.embed.npy"] {
        let pool: Vec<PathBuf> = vec![example("pool.embed.npy")];
        let spec = InputSpec { pool, query: vec![example(query)], ..InputSpec::default() };
        let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet).unwrap();
        let budgets = [500, 1000, 5005];
        let goal = Goal { budgets: budgets.to_vec(), ..Goal::default() };
        let problem = inputs.problem(goal.clone()).unwrap();
        let facts = facts(&inputs);
        let methods = ["optimal", "round-robin", "random"].map(str::to_owned).to_vec();
        let outcome = select(&inputs, &goal, &Request { methods, ..Request::default() }, &Quiet).unwrap();
        for (index, &budget) in budgets.iter().enumerate() {
            let mut ends = Vec::new();
            for chosen in &outcome.chosen {
                let certified = chosen.selections[index].certified.as_ref().unwrap();
                let certificate = certified.certificate(&facts, Some(&chosen.method)).unwrap();
                let verdict = written(&certificate, &facts, problem.geometry()).0;
                assert!(matches!(verdict, Verdict::Verified(_)), "{query} {} {budget}: {verdict:?}", chosen.method);
                let interval = certified.distance().interval();
                let (lower, upper) = (interval.lower.unwrap(), interval.upper.unwrap());
                assert!(upper - lower <= 1e-9 * upper, "{query} {} {budget}", chosen.method);
                ends.push((lower, upper, certified.best().unwrap().lower(), certified.status()));
            }
            let [optimal, round_robin, random] = ends[..] else { unreachable!() };
            if budget == 5005 {
                // Only one subset has all rows.
                assert_eq!((optimal.0, optimal.1), (round_robin.0, round_robin.1));
                continue;
            }
            assert_eq!(optimal.3, Status::Optimal);
            assert!(optimal.1 <= round_robin.1 && round_robin.1 < random.0, "{ends:?}");
            // Taking turns is close to the best possible on this data; chance is far from it.
            assert!(round_robin.1 <= 1.02 * optimal.2 && random.0 >= 1.2 * optimal.2, "{ends:?}");
        }
    }
}
