//! Randomly damaged files are read or refused, without a panic, an endless loop or a large allocation.
//! `PROPTEST_CASES=100000 cargo test -p sst-models mutated_gguf` tries more of them.

use proptest::prelude::*;

use super::build::{self, Meta};
use super::{metadata, read, tensors, with};
use crate::hostile::peak;

/// A change to the bytes of a file.
#[derive(Debug, Clone)]
enum Damage {
    /// Replaces one byte.
    Byte(usize, u8),
    /// Replaces eight bytes of the header by a number.
    Number(usize, u64),
    /// Replaces four bytes by a number, such as a type or a number of dimensions.
    Kind(usize, u32),
    /// Truncates the file.
    Cut(usize),
    /// Repeats some bytes.
    Twice(usize, usize),
    /// Removes some bytes.
    Gone(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let number = prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(1 << 31),
        Just(1 << 32),
        Just(1 << 62),
        0..300_u64,
        any::<u64>(),
    ];
    let place = any::<usize>();
    prop_oneof![
        4 => (place, any::<u8>()).prop_map(|(at, to)| Damage::Byte(at, to)),
        4 => (any::<usize>(), number).prop_map(|(at, to)| Damage::Number(at, to)),
        4 => (any::<usize>(), 0..40_u32).prop_map(|(at, to)| Damage::Kind(at, to)),
        1 => any::<usize>().prop_map(Damage::Cut),
        1 => (any::<usize>(), 0..64_usize).prop_map(|(at, count)| Damage::Twice(at, count)),
        1 => (any::<usize>(), 0..64_usize).prop_map(|(at, count)| Damage::Gone(at, count)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage, header: usize) {
    let put = |bytes: &mut Vec<u8>, at: usize, what: &[u8]| {
        let at = at % header.min(bytes.len().saturating_sub(what.len())).max(1);
        if let Some(place) = bytes.get_mut(at..at + what.len()) {
            place.copy_from_slice(what);
        }
    };
    match damage {
        Damage::Byte(at, to) => put(bytes, *at, &[*to]),
        Damage::Number(at, to) => put(bytes, *at, &to.to_le_bytes()),
        Damage::Kind(at, to) => put(bytes, *at, &to.to_le_bytes()),
        Damage::Cut(at) => bytes.truncate(at % (bytes.len() + 1)),
        Damage::Twice(at, count) => {
            let at = at % (bytes.len().min(header) + 1);
            let part = bytes[at..(at + count).min(bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
        Damage::Gone(at, count) => {
            let at = at % (bytes.len().min(header) + 1);
            bytes.drain(at..(at + count).min(bytes.len()));
        }
    }
}

/// The files to damage: a normal one, and one with every key that changes how the file is read.
fn corpus() -> Vec<Vec<u8>> {
    let mut all = with("llama.rope.scaling.type", Meta::Text("yarn"));
    for (key, value) in [
        ("llama.rope.scaling.factor", Meta::Real(4.0)),
        ("llama.attention.key_length", Meta::Whole(8)),
        ("llama.attention.scale", Meta::Real(0.0)),
        ("general.alignment", Meta::Whole(32)),
        ("tokenizer.ggml.bos_token_id", Meta::Whole(1)),
        ("tokenizer.ggml.add_bos_token", Meta::Flag(true)),
        ("tokenizer.chat_template", Meta::Text("{{ x }}")),
        ("tokenizer.ggml.scores", Meta::Bytes(40)),
    ] {
        all.push((key, value));
    }
    vec![build::file(&metadata(), &tensors()), build::file(&all, &tensors())]
}

#[test]
fn mutated_gguf_files_do_no_harm() {
    let corpus = corpus();
    let header =
        |bytes: &[u8]| bytes.len() - tensors().iter().map(|raw| raw.bytes.len()).sum::<usize>();
    let headers: Vec<usize> = corpus.iter().map(|bytes| header(bytes)).collect();
    let before = peak();
    let mut runner = proptest::test_runner::TestRunner::default();
    let (mut good, mut bad) = (0_u32, 0_u32);
    let counts = std::cell::RefCell::new((&mut good, &mut bad));
    let files = (0..corpus.len(), prop::collection::vec(damage(), 1..4));
    runner
        .run(&files, |(which, damages)| {
            let mut bytes = corpus[which].clone();
            damages.iter().for_each(|damage| apply(&mut bytes, damage, headers[which]));
            let start = std::time::Instant::now();
            let found = read(&bytes);
            let mut counts = counts.borrow_mut();
            *(if found.is_ok() { &mut *counts.0 } else { &mut *counts.1 }) += 1;
            prop_assert!(start.elapsed().as_secs() < 10, "it took {:?}", start.elapsed());
            Ok(())
        })
        .unwrap();
    assert!(bad > 0, "nothing was refused of {good}");
    let more = peak() - before;
    assert!(more < 1 << 30, "it took {more} bytes");
}
