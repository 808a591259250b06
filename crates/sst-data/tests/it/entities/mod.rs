//! Schemes of entity labels: by hand, against seqeval, and over all short sequences.

mod constraints;
mod every_sequence;
mod golden;

use sst_data::entities::{
    ConversionCounts, Entity, EntityError, EntityScheme, convert, detect, is_legal, read_lenient,
    read_strict, scheme_fits, write,
};

use EntityScheme::{Bilou, Bioes, Bmes, Bmewo, Io, Iob1, Iob2};

/// The labels of a sequence that is written with spaces between them.
fn split(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Entities in the form `PER 0-2, LOC 3-4`.
fn show(entities: &[Entity<'_>]) -> String {
    let show = |Entity { start, end, label }: &Entity<'_>| format!("{label} {start}-{end}");
    entities.iter().map(show).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_lenient_rule_finds_every_token_that_is_not_o() {
    let check = |labels: &str, expected: &str| {
        assert_eq!(show(&read_lenient(&split(labels)).unwrap()), expected, "{labels}");
    };
    check("", "");
    check("O O", "");
    check("B-X I-X O B-Y", "X 0-2, Y 3-4");
    check("I-X I-X", "X 0-2");
    check("B-X I-Y", "X 0-1, Y 1-2");
    check("B-X B-X", "X 0-1, X 1-2");
    check("I-X B-X I-X", "X 0-1, X 1-3");
    check("O E-X E-X S-X I-X", "X 1-2, X 2-3, X 3-4, X 4-5");
    check("B-X E-X I-X", "X 0-2, X 2-3");
    // The letters of the other schemes.
    check("B-X M-X E-X W-X B-X I-X L-X U-X", "X 0-3, X 3-4, X 4-7, X 7-8");
    // Without types, and with a hyphen in one.
    check("B I O S", " 0-2,  3-4");
    check("B-a-b I-a-b I-a", "a-b 0-2, a 2-3");
    check("B-人名 I-人名 O", "人名 0-2");
}

#[test]
fn the_strict_rule_skips_what_the_scheme_does_not_allow() {
    let check = |scheme: EntityScheme, labels: &str, expected: &str| {
        let labels = split(labels);
        assert_eq!(show(&read_strict(&labels, scheme).unwrap()), expected, "{scheme} {labels:?}");
    };
    for scheme in EntityScheme::ALL {
        check(scheme, "", "");
        check(scheme, "O O", "");
    }
    check(Iob2, "I-X I-X", "");
    check(Iob2, "B-X I-X I-Y", "X 0-2");
    check(Iob2, "O I-X B-X", "X 2-3");
    check(Iob1, "I-X I-X B-X I-Y", "X 0-2, X 2-3, Y 3-4");
    check(Iob1, "O B-X O", "");
    check(Iob1, "B-X I-X", "X 1-2");
    check(Iob1, "I-X B-X B-Y", "X 0-1");
    check(Bioes, "B-X I-X E-X S-X", "X 0-3, X 3-4");
    check(Bioes, "B-X I-X O", "");
    check(Bioes, "B-X E-Y S-Y", "Y 2-3");
    check(Bioes, "I-X E-X B-X", "");
    check(Bmes, "B-X M-X E-X S-Y", "X 0-3, Y 3-4");
    check(Bmewo, "B-X M-X E-X W-Y", "X 0-3, Y 3-4");
    check(Bilou, "B-X I-X L-X U-Y B-Y", "X 0-3, Y 3-4");
    check(Io, "I-X I-X I-Y O I-Y", "X 0-2, Y 2-3, Y 4-5");
}

#[test]
fn entities_become_the_labels_of_each_scheme() {
    let entity = |start, end, label| Entity { start, end, label };
    let entities = [entity(4, 5, "Y"), entity(0, 1, "X"), entity(1, 4, "X"), entity(6, 8, "X")];
    let check = |scheme: EntityScheme, expected: &str| {
        let labels = write(&entities, 9, scheme).unwrap();
        assert_eq!(labels.join(" "), expected);
        assert!(is_legal(&labels, scheme).unwrap());
    };
    check(Io, "I-X I-X I-X I-X I-Y O I-X I-X O");
    check(Iob1, "I-X B-X I-X I-X I-Y O I-X I-X O");
    check(Iob2, "B-X B-X I-X I-X B-Y O B-X I-X O");
    check(Bioes, "S-X B-X I-X E-X S-Y O B-X E-X O");
    check(Bmes, "S-X B-X M-X E-X S-Y O B-X E-X O");
    check(Bmewo, "W-X B-X M-X E-X W-Y O B-X E-X O");
    check(Bilou, "U-X B-X I-X L-X U-Y O B-X L-X O");
    assert_eq!(write(&[], 2, Iob2).unwrap(), ["O", "O"]);
    assert_eq!(write(&[], 0, Iob2).unwrap(), [""; 0]);
    assert_eq!(write(&[entity(0, 2, "")], 2, Bioes).unwrap(), ["B", "E"]);
}

#[test]
fn entities_that_cannot_be_labels_are_refused() {
    let check = |entities: &[(usize, usize)], expected: EntityError| {
        let entities: Vec<Entity<'_>> = entities
            .iter()
            .map(|(start, end)| Entity { start: *start, end: *end, label: "X" })
            .collect();
        assert_eq!(write(&entities, 3, Iob2), Err(expected));
    };
    check(&[(1, 1)], EntityError::OutOfRange { start: 1, end: 1, length: 3 });
    check(&[(2, 1)], EntityError::OutOfRange { start: 2, end: 1, length: 3 });
    check(&[(2, 4)], EntityError::OutOfRange { start: 2, end: 4, length: 3 });
    check(&[(1, 3), (0, 2)], EntityError::Overlap { first: 0, second: 1 });
    check(&[(1, 2), (1, 2)], EntityError::Overlap { first: 1, second: 1 });
}

#[test]
fn labels_of_no_scheme_or_of_another_are_refused() {
    for label in ["", "o", "X", "PER", "B-", "B_PER", "O-PER", "b-PER", "中"] {
        let expected = EntityError::BadLabel(label.to_owned());
        assert_eq!(read_lenient(&["O", label]), Err(expected.clone()), "{label}");
        assert_eq!(read_strict(&[label], Iob2), Err(expected));
    }
    let check = |scheme: EntityScheme, label: &str| {
        let expected = EntityError::OtherScheme { label: label.to_owned(), scheme };
        assert_eq!(read_strict(&["O", label], scheme), Err(expected.clone()));
        assert_eq!(is_legal(&[label], scheme), Err(expected));
    };
    check(Io, "B-X");
    check(Iob1, "E-X");
    check(Iob2, "S-X");
    check(Bioes, "M-X");
    check(Bmes, "I-X");
    check(Bmewo, "S-X");
    check(Bilou, "E-X");
    let message = EntityError::OtherScheme { label: "M-X".to_owned(), scheme: Bioes }.to_string();
    assert_eq!(
        message,
        "the label `M-X` is not one of BIOES, whose labels begin with B, I, E, S and O"
    );
}

#[test]
fn schemes_are_known_by_their_names() {
    let check = |name: &str, expected: EntityScheme| assert_eq!(name.parse(), Ok(expected));
    EntityScheme::ALL.into_iter().for_each(|scheme| check(scheme.name(), scheme));
    check("bio", Iob2);
    check("iobes", Bioes);
    check("BMESO", Bmes);
    let unknown = "IOE2".parse::<EntityScheme>().unwrap_err().to_string();
    assert_eq!(
        unknown,
        "there is no scheme `IOE2`; there are IOB2, BIOES, BMES, BMEWO, BILOU, IOB1, IO"
    );
}

#[test]
fn conversion_counts_what_it_repairs_and_joins() {
    let check =
        |from: EntityScheme, to: EntityScheme, labels: &str, expected: &str, counts: [u64; 2]| {
            let mut found = ConversionCounts::default();
            let converted = convert(&split(labels), from, to, &mut found).unwrap();
            assert_eq!(converted.join(" "), expected, "{from} to {to}: {labels}");
            assert_eq!([found.repaired, found.joined], counts, "{from} to {to}: {labels}");
            assert_eq!(found.sequences, 1);
        };
    check(Iob1, Iob2, "I-X I-X B-X O I-Y", "B-X I-X B-X O B-Y", [0, 0]);
    check(Iob2, Iob2, "I-X I-X O", "B-X I-X O", [1, 0]);
    check(Bioes, Iob1, "B-X I-X O", "I-X I-X O", [1, 0]);
    check(Bmes, Bioes, "B-X M-X E-X S-X", "B-X I-X E-X S-X", [0, 0]);
    check(Iob2, Io, "B-X I-X B-X B-Y B-X O B-X", "I-X I-X I-X I-Y I-X O I-X", [0, 1]);
    check(Iob2, Io, "I-X B-X B-X", "I-X I-X I-X", [1, 2]);
    check(Io, Bioes, "I-X I-X I-Y", "B-X E-X S-Y", [0, 0]);
    check(Iob2, Bioes, "", "", [0, 0]);
    let mut counts = ConversionCounts::default();
    for labels in ["B-X", "I-X", "I-Y I-Y"] {
        convert(&split(labels), Iob2, Bioes, &mut counts).unwrap();
    }
    assert_eq!(counts, ConversionCounts { sequences: 3, repaired: 2, joined: 0 });
    assert!(convert(&["E-X"], Iob2, Bioes, &mut counts).is_err());
    assert_eq!(counts.sequences, 3, "a sequence that is refused is not counted");
}

#[test]
fn the_scheme_of_a_data_set_is_the_one_that_fits() {
    let check = |sequences: &[&str], expected: EntityScheme, illegal: u64| {
        let sequences: Vec<Vec<&str>> = sequences.iter().map(|text| split(text)).collect();
        let fit = detect(&sequences).unwrap();
        assert_eq!((fit.scheme, fit.illegal), (expected, illegal), "{sequences:?}");
    };
    check(&[], Iob2, 0);
    check(&["O O"], Iob2, 0);
    check(&["O B-X I-X", "B-Y"], Iob2, 0);
    check(&["O I-X I-X B-X", "I-Y", "O"], Iob1, 0);
    check(&["O I-X I-Y"], Iob1, 0);
    check(&["B-X E-X", "S-Y"], Bioes, 0);
    check(&["B-X M-X E-X", "S-Y"], Bmes, 0);
    check(&["B-X M-X E-X", "W-Y"], Bmewo, 0);
    check(&["B-X L-X", "U-Y"], Bilou, 0);
    check(&["O B-X I-X", "B-Y", "I-Y O"], Iob2, 1);
    let fits = scheme_fits(&[split("O B-X I-X"), split("B-Y")]).unwrap();
    let illegal: Vec<u64> = fits.iter().map(|fit| fit.illegal).collect();
    assert_eq!(illegal, [0, 2, 2, 2, 2, 2, 2], "in the order of EntityScheme::ALL");
    assert!(detect(&[vec!["PER"]]).is_err());
}
