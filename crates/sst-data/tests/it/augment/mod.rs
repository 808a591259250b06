//! Augmentation: what each kind may and may not change, thesauri, and translators.

mod back_translation;
mod fake;
mod kinds;
mod real;
mod synonym;
mod thesaurus;
mod translate;

use std::path::PathBuf;

use serde_json::{Value, json};
use sst_data::augment::{Augment, AugmentError, Context, Draw, build, list};

/// The augmentation `name` with `config`.
fn kind(name: &str, config: &Value) -> Box<dyn Augment> {
    build(name, config, &Context::default()).unwrap()
}

/// The view of `text` that `kind` makes.
fn view(kind: &dyn Augment, text: &str, seed: u64) -> String {
    let draw = Draw { seed, epoch: 0, index: 0 };
    let views = kind.augment(vec![text.to_owned()], &[draw]).unwrap();
    assert_eq!(views.len(), 1);
    views.into_iter().next().unwrap()
}

/// Writes a thesaurus into a folder that stays until the end of the process.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = tempfile::tempdir().unwrap().keep().join(name);
    sst_data::atomic::write(&path, bytes.as_ref()).unwrap();
    path
}

#[test]
fn every_default_is_a_configuration() {
    for entry in list() {
        let config = (entry.default_config)();
        match build(entry.name, &config, &Context::default()) {
            Ok(kind) => assert_eq!(kind.name(), entry.name),
            // There is no default thesaurus.
            Err(error) => assert_eq!(entry.name, "synonym", "{error}"),
        }
        assert!(!entry.summary.is_empty());
        let mut unknown = config;
        unknown["rat"] = json!(0.5);
        let error = build(entry.name, &unknown, &Context::default()).err().unwrap().to_string();
        assert!(error.contains(entry.name) && error.contains("rat"), "{error}");
    }
}

#[test]
fn invalid_settings_are_refused() {
    fn check(name: &str, config: Value, expected: &str) {
        let error = build(name, &config, &Context::default()).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
    check("masc", json!({}), "there is no augmentation `masc`; sst has mask, deletion, swap");
    for name in ["mask", "deletion", "swap", "crop"] {
        check(name, json!({"rate": 1.5}), "rate is 1.5 and must be from 0 to 1");
        check(name, json!({"rate": -0.1}), "rate is -0.1 and must be from 0 to 1");
    }
    check("mask", json!({"mask": " "}), "set it to the tokenizer's mask token");
    check("synonym", json!({}), "no thesaurus is given");
    check("back_translation", json!({"pair": "english"}), "`english` is no pair of languages");
    check("back_translation", json!({"timeout": 0.0}), "timeout is 0 and must be above 0");
    check("back_translation", json!({"translator": "ftp://x"}), "begins with http:// or https://");
    check("back_translation", json!({"translator": "ftp://x"}), "begins with http://");
}

#[test]
fn a_chain_applies_its_kinds_in_order_and_none_twice() {
    let mask = || kind("mask", &json!({"rate": 1.0}));
    let chain =
        sst_data::augment::Chain::new(vec![mask(), kind("deletion", &json!({"rate": 1.0}))]);
    let chain = chain.unwrap();
    assert_eq!(chain.names(), ["mask", "deletion"]);
    let draw = [Draw { seed: 1, epoch: 0, index: 0 }];
    // The deletion has no word left to delete.
    assert_eq!(chain.augment(vec!["a b, c".into()], &draw).unwrap(), ["[MASK] [MASK], [MASK]"]);
    let twice = sst_data::augment::Chain::new(vec![mask(), mask()]).unwrap_err();
    assert!(matches!(twice, AugmentError::Twice { kind: "mask" }));
}
