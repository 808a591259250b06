//! Which label may follow which, and the best legal sequence.

use sst_data::entities::{Constraints, EntityError, EntityScheme};

use super::every_sequence::{every, table};

#[test]
fn the_transitions_of_a_table() {
    let table = ["O", "B-X", "I-X", "B-Y", "I-Y"];
    let constraints = Constraints::new(&table, EntityScheme::Iob2).unwrap();
    let rows: Vec<String> = (0..5)
        .map(|previous| {
            let cell = |next| if constraints.may_follow(previous, next) { '1' } else { '0' };
            (0..5).map(cell).collect()
        })
        .collect();
    assert_eq!(rows, ["11010", "11110", "11110", "11011", "11011"]);
    let flags = |may: &dyn Fn(usize) -> bool| (0..6).map(may).collect::<Vec<_>>();
    let starts = flags(&|label| constraints.may_start(label));
    assert_eq!(starts, [true, true, false, true, false, false], "label 5 is not in the table");
    assert_eq!(flags(&|label| constraints.may_end(label)), [true, true, true, true, true, false]);
    assert!(!constraints.may_follow(0, 5) && !constraints.may_follow(5, 0));
}

#[test]
fn the_best_sequence_is_the_best_of_all() {
    let mut state = 1_u64;
    // Few values, so that there are ties.
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 4) as f32
    };
    for scheme in EntityScheme::ALL {
        let table = table(scheme);
        let constraints = Constraints::new(&table, scheme).unwrap();
        for length in 0..=4 {
            let scores: Vec<f32> = (0..length * table.len()).map(|_| random()).collect();
            let found = constraints.best_sequence(&scores).unwrap();
            let sum = |sequence: &[usize]| -> f32 {
                let places = sequence.iter().enumerate();
                places.map(|(token, label)| scores[token * table.len() + label]).sum()
            };
            let is_legal = |sequence: &&Vec<usize>| {
                let labels: Vec<&str> =
                    sequence.iter().map(|label| table[*label].as_str()).collect();
                sst_data::entities::is_legal(&labels, scheme).unwrap()
            };
            let all = every(table.len(), length);
            let legal: Vec<&Vec<usize>> = all.iter().filter(is_legal).collect();
            let greatest = legal.iter().map(|sequence| sum(sequence)).fold(f32::MIN, f32::max);
            let best = legal.iter().filter(|sequence| sum(sequence) == greatest);
            // The smaller label at the last token, then at the one before it, and so on.
            let reversed =
                |sequence: &&&Vec<usize>| sequence.iter().rev().copied().collect::<Vec<_>>();
            assert_eq!(&&found, best.min_by_key(reversed).unwrap(), "{scheme} {length}");
        }
    }
}

#[test]
fn scores_that_cannot_be_decoded() {
    let check = |labels: &[&str], scores: &[f32], expected: EntityError| {
        let constraints = Constraints::new(labels, EntityScheme::Bioes).unwrap();
        assert_eq!(constraints.best_sequence(scores), Err(expected), "{labels:?}");
    };
    check(&["O", "S-X"], &[0.0; 3], EntityError::Scores { found: 3, labels: 2 });
    check(&[], &[1.0], EntityError::Scores { found: 1, labels: 0 });
    let nan = [0.0, 1.0, 2.0, f32::NAN];
    check(&["O", "S-X"], &nan, EntityError::NotANumber { token: 1, label: 1 });
    let none = EntityError::NoLegalSequence { length: 2, scheme: EntityScheme::Bioes };
    check(&["B-X", "I-X"], &[0.0; 4], none);
    // What is impossible may have a score of minus infinity.
    let constraints = Constraints::new(&["O", "B-X", "E-X"], EntityScheme::Bioes).unwrap();
    let never = f32::NEG_INFINITY;
    assert_eq!(constraints.best_sequence(&[never, 1.0, 9.0, 0.0, 9.0, 1.0]), Ok(vec![1, 2]));
    assert!(Constraints::new(&["O", "PER"], EntityScheme::Bioes).is_err());
}
