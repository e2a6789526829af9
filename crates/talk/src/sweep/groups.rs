//! Which models are measured side by side.
//!
//! A model with few requests at a time waits for nearly all of its time, and
//! leaves the cores to others: with slow calls most of a sweep would be spent
//! on watching one process sleep. So models that together need little of the
//! machine, even where each is at its limit, are measured at the same time,
//! each with a hammer and a backend of its own. Who needs more than that
//! little is measured alone.

use workload::Workload;

/// The share of the machine's cores that those who are measured side by side
/// may need together.
const SHARE: f64 = 0.2;
/// Processor time of a request and of each of its calls, of app, backend and
/// hammer together.
const COST: f64 = 100e-6;

/// Processor time of a whole request, about. A guess, by which nothing is
/// judged: it says who is measured alone, and where a search begins
/// and ends.
pub(super) fn cost(workload: &Workload) -> f64 {
    let requests = workload.calls().count() as f64 + 1.0;
    workload.work.as_secs_f64() + COST * requests
}

/// Parts the models into groups, in the order in which they come. `needs`
/// tells how many cores each needs at the most.
pub(super) fn groups<T>(
    models: impl IntoIterator<Item = T>,
    needs: impl Fn(&T) -> f64,
    cores: usize,
) -> Vec<Vec<T>> {
    let most = cores as f64 * SHARE;
    let mut groups: Vec<Vec<T>> = Vec::new();
    // What those in the group need that still has room, and its place.
    let mut open: Option<(f64, usize)> = None;
    for model in models {
        let needed = needs(&model);
        match &mut open {
            Some((sum, place)) if *sum + needed <= most => {
                *sum += needed;
                groups[*place].push(model);
            }
            _ => {
                if needed <= most {
                    open = Some((needed, groups.len()));
                }
                groups.push(vec![model]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn those_who_need_little_share_and_the_others_are_alone() {
        let needs = [0.1, 2.0, 0.2, 0.05, f64::INFINITY, 0.3, 0.01];
        let groups = groups(needs, |&needed| needed, 2);
        assert_eq!(
            groups,
            [
                vec![0.1, 0.2, 0.05],
                vec![2.0],
                vec![f64::INFINITY],
                vec![0.3, 0.01]
            ]
        );
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_no_group_needs_too_much(
            needs in proptest::collection::vec(0.0..1.0f64, 0..20),
            cores in 1..8usize,
        ) {
            let numbered: Vec<_> = needs.iter().copied().enumerate().collect();
            let groups = groups(numbered.clone(), |&(_, n)| n, cores);
            for group in &groups {
                let sum: f64 = group.iter().map(|&(_, n)| n).sum();
                prop_assert!(
                    group.len() == 1 || sum <= cores as f64 * SHARE + 1e-9
                );
            }
            let mut all: Vec<_> = groups.concat();
            all.sort_by_key(|&(at, _)| at);
            prop_assert_eq!(all, numbered);
        }
    }
}
