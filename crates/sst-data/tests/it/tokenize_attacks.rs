//! Hostile and broken tokenizer files give an error and never abort the process.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use sst_data::tokenize::{TokenizeError, Tokenizer};

/// The expected result for a file of tests/fixtures/attacks.
enum End {
    /// Loading fails with an error that contains this text.
    Refused(&'static str),
    /// The file loads, and encoding `ab ab` is an error.
    CannotEncode,
    /// The file loads, and encoding and decoding `ab ab` terminates, with or without an error.
    Survives,
}
use End::{CannotEncode, Refused, Survives};

const ATTACKS: &[(&str, End)] = &[
    ("added_id_largest_u32", Refused("4294967295; the largest allowed")),
    ("cut_short", Refused("EOF")),
    ("deep_arrays", Refused("nested")),
    ("deep_sequences", Refused("nested")),
    ("dropout", Survives),
    ("empty", Refused("EOF")),
    ("fixed_length_zero", CannotEncode),
    ("growth", Refused("times longer")),
    ("id_beyond_u64", Refused("no valid id")),
    ("id_fraction", Refused("no valid id")),
    ("id_infinite", Refused("out of range")),
    ("id_largest_u32", Refused("4294967295; the largest allowed")),
    ("id_negative", Refused("no valid id")),
    ("id_twice", Refused("two tokens have the id 2")),
    ("merge_circle", Survives),
    ("merge_cuts_a_character", Refused("lacks the prefix")),
    ("merge_longer_than_any_token", Refused("needs the token \"ab\"")),
    ("merge_not_a_pair", Refused("not a pair")),
    ("merge_of_missing_token", Refused("needs the token \"c\"")),
    ("merge_of_nothing", Refused("empty token")),
    ("merge_shorter_than_prefix", Refused("lacks the prefix")),
    ("no_model", Refused("no object `model`")),
    ("no_vocab", Refused("no `vocab`")),
    ("not_an_object", Refused("not a JSON object")),
    ("padding_huge", Survives),
    ("precompiled_broken", Refused("")),
    ("precompiled_wrong_type", Refused("")),
    ("regex_broken", Refused("")),
    ("regex_nested", Refused("")),
    ("regex_slow", Survives),
    ("strip_decoder", Survives),
    ("template_id_largest_u32", Refused("4294967295, which is not in the vocabulary")),
    ("template_text_twice", Refused("keep a sequence once")),
    ("template_token_missing", Refused("")),
    ("template_without_text", Refused("keep a sequence once")),
    ("truncation_stride", Survives),
    ("unigram_empty", Refused("")),
    ("unigram_empty_piece", Survives),
    ("unigram_huge_scores", Survives),
    ("unigram_no_unk", CannotEncode),
    ("unigram_unk_outside", Refused("")),
    ("unigram_wrong_type", Refused("")),
    ("unknown_model", Refused("")),
    ("unknown_version", Refused("9.0")),
    ("wordpiece_no_unk", CannotEncode),
    ("wrong_type_added_tokens", Refused("")),
    ("wrong_type_model", Refused("no object `model`")),
    ("wrong_type_vocab", Refused("no `vocab`")),
];

#[test]
fn hostile_and_broken_files_are_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/attacks");
    let files = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path());
    assert_eq!(files.filter(|f| f.extension().unwrap() == "json").count(), ATTACKS.len());
    for (name, end) in ATTACKS {
        let path = folder.join(format!("{name}.json"));
        let start = Instant::now();
        let loaded = Tokenizer::load(&path);
        match (end, loaded) {
            (Refused(expected), Err(error)) => {
                let text = error.to_string();
                assert!(text.contains(&format!("{name}.json")), "{text}");
                assert!(text.contains(expected), "{name}: {text}");
            }
            (Refused(_), Ok(_)) => panic!("{name} was loaded"),
            (_, Err(error)) => panic!("{error}"),
            (CannotEncode, Ok(tokenizer)) => {
                let error = tokenizer.encode("ab ab").expect_err(name);
                assert!(matches!(error, TokenizeError::Run { .. }), "{error}");
            }
            (Survives, Ok(tokenizer)) => {
                if let Ok(ids) = tokenizer.encode("ab ab") {
                    assert!(ids.len() <= 5, "{name}: {ids:?}");
                    let _ = tokenizer.decode(&ids, false);
                }
            }
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{name} took {:?}", start.elapsed());
    }
}

#[test]
fn a_piece_as_long_as_a_book_is_refused() {
    let piece = "a".repeat(4_000_000);
    let model = json!({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], [piece, -1.0]]});
    let json = json!({"version": "1.0", "model": model}).to_string();
    let text = Tokenizer::from_json("long", json.as_bytes()).unwrap_err().to_string();
    assert!(text.contains("4000000 bytes"), "{text}");
}

#[test]
fn a_million_brackets_do_not_overflow_the_stack() {
    for bracket in ["[", "{\"a\":"] {
        let error = Tokenizer::from_json("deep", bracket.repeat(1_000_000).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("nested"), "{error}");
    }
}

#[test]
fn ids_do_not_depend_on_chance() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/attacks/dropout.json");
    let tokenizer = Tokenizer::load(&path).unwrap();
    assert!((0..50).all(|_| tokenizer.encode("ab").unwrap() == [2]));
}
