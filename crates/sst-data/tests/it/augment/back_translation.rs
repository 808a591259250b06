//! Back-translation: lines, space and special tokens of a text.

use std::time::Duration;

use serde_json::json;
use sst_data::Ledger;
use sst_data::augment::{Augment, BackTranslation, Context, build};

use super::fake::{Fake, server, texts};
use super::{kind, view};

fn fake(there: fn(&str) -> String, back: fn(&str) -> String) -> (BackTranslation, Ledger) {
    let context = Context::default();
    let ledger = context.ledger.clone();
    (BackTranslation::new(Box::new(Fake::new(there)), Box::new(Fake::new(back)), &context), ledger)
}

#[test]
fn only_the_words_of_a_line_are_translated() {
    let (kind, ledger) = fake(|text| format!("<{text}>"), |text| text.replace("one", "two"));
    fn check(kind: &BackTranslation, text: &str, expected: &str) {
        assert_eq!(view(kind, text, 0), expected);
    }
    check(&kind, "  one \r\n\n--- 1 ---\n\tone\n", "  <two> \r\n\n--- 1 ---\n\t<two>\n");
    check(&kind, "", "");
    check(&kind, " \n ", " \n ");
    check(&kind, "一", "<一>");
    assert!(ledger.entries().is_empty());
}

#[test]
fn a_text_whose_special_tokens_change_is_kept() {
    let (kind, ledger) = fake(|text| text.to_lowercase(), |text| format!("{text}."));
    let draws = [sst_data::augment::Draw { seed: 0, epoch: 0, index: 0 }; 3];
    let asked = ["The [MASK] sat", "The cat", "<mask> sat"].map(str::to_owned).to_vec();
    let views = kind.augment(asked, &draws).unwrap();
    assert_eq!(views, ["The [MASK] sat", "the cat.", "<mask> sat."]);
    assert_eq!(ledger.count("augment.back_translation.special_tokens"), 1);
}

#[test]
fn a_batch_keeps_its_order() {
    let (kind, _) = fake(|text| text.chars().rev().collect(), |text| format!("{text}!"));
    let asked: Vec<String> = (0..500).map(|i| ["", "a\nb", "c"][i % 3].repeat(i % 7)).collect();
    let draw = sst_data::augment::Draw { seed: 0, epoch: 0, index: 0 };
    let views = kind.augment(asked.clone(), &vec![draw; 500]).unwrap();
    let alone: Vec<String> = asked.iter().map(|text| view(&kind, text, 0)).collect();
    assert_eq!(views, alone);
}

#[test]
fn a_server_translates_in_both_directions() {
    let url = server(|request| {
        let (from, to) = (request["source"].as_str().unwrap(), request["target"].as_str().unwrap());
        let answers: Vec<String> =
            texts(request).iter().map(|text| format!("{text} {from}>{to}")).collect();
        (200, json!({"translatedText": answers}).to_string(), Duration::ZERO)
    });
    let cache = tempfile::tempdir().unwrap();
    let config = json!({"translator": url, "pair": "zh-Hans:en", "cache": cache.path()});
    let kind = kind("back_translation", &config);
    assert_eq!(view(&*kind, "你好", 0), "你好 zh-Hans>en en>zh-Hans");
    // The cache now holds the translations in both directions.
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 2);
}

#[test]
fn a_translator_that_fails_fails_the_batch() {
    let config = json!({"translator": "no-such-program"});
    let kind = build("back_translation", &config, &Context::default()).unwrap();
    let draw = sst_data::augment::Draw { seed: 0, epoch: 0, index: 0 };
    let error = kind.augment(vec!["one".into()], &[draw]).unwrap_err().to_string();
    assert!(error.contains("cannot start no-such-program"), "{error}");
    assert_eq!(kind.augment(vec!["1".into()], &[draw]).unwrap(), ["1"], "nothing to translate");
}
