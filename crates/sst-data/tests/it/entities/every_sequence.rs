//! What holds of every sequence of up to four labels of two types.

use std::collections::BTreeSet;

use sst_data::entities::{
    Constraints, ConversionCounts, Entity, EntityScheme, convert, is_legal, read_lenient,
    read_strict, write,
};

/// The labels of a scheme with the types X and Y.
pub(super) fn table(scheme: EntityScheme) -> Vec<String> {
    let letters = match scheme {
        EntityScheme::Io => "I",
        EntityScheme::Iob1 | EntityScheme::Iob2 => "BI",
        EntityScheme::Bioes => "BIES",
        EntityScheme::Bmes => "BMES",
        EntityScheme::Bmewo => "BMEW",
        EntityScheme::Bilou => "BILU",
    };
    let typed =
        letters.chars().flat_map(|letter| ["X", "Y"].map(|kind| format!("{letter}-{kind}")));
    ["O".to_owned()].into_iter().chain(typed).collect()
}

/// Every sequence of `length` numbers below `bound`.
pub(super) fn every(bound: usize, length: usize) -> Vec<Vec<usize>> {
    (0..length).fold(vec![Vec::new()], |shorter, _| {
        let longer = |sequence: &Vec<usize>| {
            let sequence = sequence.clone();
            (0..bound).map(move |next| [&sequence[..], &[next]].concat())
        };
        shorter.iter().flat_map(longer).collect()
    })
}

/// Every list of entities of the types X and Y that do not overlap, in `length` tokens.
fn every_list(from: usize, length: usize) -> Vec<Vec<Entity<'static>>> {
    let mut lists = vec![Vec::new()];
    for start in from..length {
        for end in start + 1..=length {
            for rest in every_list(end, length) {
                for label in ["X", "Y"] {
                    lists.push([&[Entity { start, end, label }], &rest[..]].concat());
                }
            }
        }
    }
    lists
}

#[test]
fn the_legal_sequences_are_those_that_entities_are_written_as() {
    for scheme in EntityScheme::ALL {
        let table = table(scheme);
        let constraints = Constraints::new(&table, scheme).unwrap();
        for length in 0..=4 {
            let lists = every_list(0, length);
            let written: BTreeSet<Vec<String>> =
                lists.iter().map(|entities| write(entities, length, scheme).unwrap()).collect();
            for sequence in every(table.len(), length) {
                let labels: Vec<&str> =
                    sequence.iter().map(|label| table[*label].as_str()).collect();
                let owned: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
                let is_written = written.contains(&owned);
                assert_eq!(is_legal(&labels, scheme).unwrap(), is_written, "{scheme} {labels:?}");

                let pairs = sequence.windows(2);
                let is_allowed = sequence.first().is_none_or(|label| constraints.may_start(*label))
                    && pairs.into_iter().all(|pair| constraints.may_follow(pair[0], pair[1]))
                    && sequence.last().is_none_or(|label| constraints.may_end(*label));
                assert_eq!(is_allowed, is_written, "{scheme} {labels:?}");

                let lenient = read_lenient(&labels).unwrap();
                let mut counts = ConversionCounts::default();
                let repaired = convert(&labels, scheme, scheme, &mut counts).unwrap();
                assert_eq!(counts.repaired, u64::from(!is_written), "{scheme} {labels:?}");
                assert_eq!(repaired == owned, is_written, "{scheme} {labels:?}");
                assert!(is_legal(&repaired, scheme).unwrap());
                assert_eq!(read_lenient(&repaired).unwrap(), lenient, "{scheme} {labels:?}");
                if is_written {
                    assert_eq!(
                        read_strict(&labels, scheme).unwrap(),
                        lenient,
                        "{scheme} {labels:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn entities_survive_every_scheme_but_io() {
    for entities in every_list(0, 4) {
        for scheme in EntityScheme::ALL.into_iter().filter(|scheme| *scheme != EntityScheme::Io) {
            let labels = write(&entities, 4, scheme).unwrap();
            assert_eq!(read_lenient(&labels).unwrap(), entities, "{scheme} {labels:?}");
            let mut counts = ConversionCounts::default();
            for to in EntityScheme::ALL {
                let converted = convert(&labels, scheme, to, &mut counts).unwrap();
                assert_eq!(converted, write(&entities, 4, to).unwrap(), "{scheme} to {to}");
            }
            assert_eq!(counts.repaired, 0);
        }
    }
}
