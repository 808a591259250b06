//! Tests every transform of the list, and chains of transforms.

use serde_json::{Value, json};
use sst_data::transform::{Context, Transform, TransformError, Transforms, build, list};
use sst_data::{Example, Field, Key, SeqRng};

fn example(text: &str, epoch: u64, index: u64) -> Example {
    let example =
        Example::new(Key::new("a.jsonl", index + 1), index, "text", Field::Text(text.into()));
    Example { epoch, ..example }
}

fn apply(config: &Value, text: &str, epoch: u64, index: u64) -> String {
    let transforms =
        Transforms::from_configs(1, std::slice::from_ref(config), &Context::default()).unwrap();
    transforms.apply(example(text, epoch, index)).unwrap().text("text").unwrap().to_owned()
}

fn check(config: &Value, text: &str, expected: &str) {
    assert_eq!(apply(config, text, 0, 0), expected, "{config} of {text:?}");
}

fn named(name: &str, config: &Value) -> Value {
    let mut config = config.clone();
    config["name"] = json!(name);
    config
}

const LONG: &str =
    "In the beginning God created the heaven and the earth. 滚滚长江东逝水，浪花淘尽英雄。";

#[test]
fn every_transform_has_a_default_that_builds_and_refuses_unknown_keys() {
    assert!(list().len() >= 5);
    for entry in list() {
        assert!(!entry.summary.is_empty());
        let config = (entry.default_config)();
        build(entry.name, &config, &Context::default()).unwrap();
        build(entry.name, &json!({}), &Context::default()).unwrap();
        let mut unknown = config.clone();
        unknown["colour"] = json!("red");
        let error = build(entry.name, &unknown, &Context::default()).err().unwrap().to_string();
        assert!(error.contains("colour"), "{}: {error}", entry.name);
        let wrong = json!({"columns": 3});
        assert!(build(entry.name, &wrong, &Context::default()).is_err(), "{}", entry.name);
    }
}

#[test]
fn every_transform_is_reproducible_and_changes_only_the_columns_that_it_names() {
    for entry in list() {
        let mut config = named(entry.name, &(entry.default_config)());
        let whole = |config: &Value, epoch| {
            let mut example = example(LONG, epoch, 4);
            example.fields.insert("other".into(), Field::Text(LONG.into()));
            example.fields.insert("label".into(), Field::Int(3));
            let transforms =
                Transforms::from_configs(1, std::slice::from_ref(config), &Context::default());
            transforms.unwrap().apply(example).unwrap()
        };
        assert_eq!(whole(&config, 2), whole(&config, 2), "{}", entry.name);
        config["columns"] = json!(["other"]);
        if entry.name == "random_crop" || entry.name == "truncate_words" {
            config["count"] = json!(3);
        }
        let changed = whole(&config, 2);
        assert_eq!(changed.text("text"), Some(LONG), "{}", entry.name);
        assert_eq!(changed.int("label"), Some(3));
        assert_eq!((changed.epoch, changed.index), (2, 4));
        config["columns"] = json!(["label"]);
        let transforms =
            Transforms::from_configs(1, std::slice::from_ref(&config), &Context::default())
                .unwrap();
        let error = transforms.apply(example(LONG, 0, 7)).unwrap_err();
        assert!(matches!(&error, TransformError::NoText { column, .. } if column == "label"));
        assert!(error.to_string().starts_with("a.jsonl:8"), "{error}");
    }
}

#[test]
fn lowercase() {
    check(&json!({"name": "lowercase"}), "ÀB Straße ΣΑΣ 刘备", "àb straße σας 刘备");
}

#[test]
fn clean_equals_the_cleaning_of_documents() {
    check(&json!({"name": "clean"}), "a\u{200b}b \u{3000} c\r\n\r\nd ", "ab c\n\nd");
    check(&json!({"name": "clean", "whitespace": false}), "a\u{200b}  b", "a  b");
    check(&json!({"name": "clean", "nfkc": true}), "Ａ，", "A,");
    let error = build("clean", &json!({"nfc": true, "nfkc": true}), &Context::default());
    assert!(error.err().unwrap().to_string().contains("one normal form"));
}

#[test]
fn truncate_words() {
    let keep =
        |keep: &str, count: usize| json!({"name": "truncate_words", "count": count, "keep": keep});
    check(&keep("first", 3), "a b, c d", "a b,");
    check(&keep("last", 3), "a b, c d", ", c d");
    check(&keep("both", 4), "a b c d e f g", "a e f g");
    check(&keep("both", 3), "a b c d e f g", "e f g");
    check(&keep("first", 7), "a b c d e f g", "a b c d e f g");
    let characters =
        |count: usize| json!({"name": "truncate_words", "count": count, "unit": "characters"});
    check(&characters(3), "刘备 关羽", "刘备 关");
    check(&characters(9), " 刘备 关羽 ", " 刘备 关羽 ");
    let error = build("truncate_words", &json!({"count": 0}), &Context::default());
    assert!(error.err().unwrap().to_string().contains("at least 1"));
}

#[test]
fn random_crop_draws_every_position_with_the_same_probability() {
    let config = json!({"name": "random_crop", "count": 3});
    let mut counts = std::collections::BTreeMap::new();
    for index in 0..4000 {
        *counts.entry(apply(&config, "a b c d e f", 0, index)).or_insert(0) += 1;
    }
    let found: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(found, ["a b c", "b c d", "c d e", "d e f"]);
    assert!(counts.values().all(|count| (880..1120).contains(count)), "{counts:?}");
    let views: std::collections::BTreeSet<String> =
        (0..50).map(|epoch| apply(&config, "a b c d e f", epoch, 0)).collect();
    assert_eq!(views.len(), 4, "each epoch draws new numbers");
    check(&config, "a b c", "a b c");
    let characters = json!({"name": "random_crop", "count": 2, "unit": "characters"});
    let crop = apply(&characters, "刘备关羽", 0, 0);
    assert!("刘备关羽".contains(&crop) && crop.chars().count() == 2);
}

#[test]
fn shuffle_sentences_draws_every_order_with_the_same_probability_and_keeps_white_space_in_place() {
    let config = json!({"name": "shuffle_sentences"});
    let mut counts = std::collections::BTreeMap::new();
    for index in 0..3000 {
        *counts
            .entry(apply(&config, " It rained. 下雨了。\n\nHe left! ", 0, index))
            .or_insert(0) += 1;
    }
    let found: Vec<&str> = counts.keys().map(String::as_str).collect();
    let expected = [
        " He left! It rained.\n\n下雨了。 ",
        " He left! 下雨了。\n\nIt rained. ",
        " It rained. He left!\n\n下雨了。 ",
        " It rained. 下雨了。\n\nHe left! ",
        " 下雨了。 He left!\n\nIt rained. ",
        " 下雨了。 It rained.\n\nHe left! ",
    ];
    assert_eq!(found, expected);
    assert!(counts.values().all(|count| (400..600).contains(count)), "{counts:?}");
    check(&config, "one sentence", "one sentence");
    check(&config, " ", " ");
}

#[test]
fn random_transforms_are_removed_for_evaluation() {
    let configs: Vec<Value> = ["lowercase", "random_crop", "shuffle_sentences", "augment"]
        .map(|name| json!({"name": name, "count": 2}))
        .into_iter()
        .map(|mut config| {
            if config["name"] != "random_crop" {
                config.as_object_mut().unwrap().remove("count");
            }
            config
        })
        .collect();
    let transforms = Transforms::from_configs(1, &configs, &Context::default()).unwrap();
    let measured = transforms.without_random().apply(example(LONG, 0, 0)).unwrap();
    assert_eq!(measured.text("text"), Some(&*LONG.to_lowercase()));
}

#[test]
fn augmentations_are_transforms() {
    let config = json!({"name": "augment", "kind": "deletion", "rate": 0.5});
    let text = "one two three four five six seven eight";
    let (once, again, other) =
        (apply(&config, text, 0, 0), apply(&config, text, 0, 0), apply(&config, text, 1, 0));
    assert_eq!(once, again);
    assert_ne!(once, other);
    assert_eq!(once.split(' ').count(), 4);
    let error = |config: Value| {
        Transforms::from_configs(1, &[config], &Context::default()).unwrap_err().to_string()
    };
    assert!(error(json!({"name": "augment", "kind": "nonsense"})).contains("nonsense"));
    assert!(error(json!({"name": "augment", "kind": "swap", "rate": 2})).contains("from 0 to 1"));
    assert!(
        error(json!({"name": "augment", "kind": "back_translation"}))
            .contains("uses a translation server")
    );
}

#[test]
fn names_are_checked() {
    let error = |config: Value| {
        Transforms::from_configs(1, &[config], &Context::default()).unwrap_err().to_string()
    };
    assert!(error(json!({"name": "lowecase"})).contains("lowercase"));
    assert!(error(json!({"count": 3})).contains("needs a name"));
    assert!(error(json!("lowercase")).contains("needs a name"));
}

#[test]
fn two_uses_of_one_transform_draw_different_numbers() {
    let crop = json!({"name": "random_crop", "count": 4});
    let twice = [crop.clone(), json!({"name": "random_crop", "count": 2})];
    let transforms = Transforms::from_configs(1, &twice, &Context::default()).unwrap();
    let mut starts = std::collections::BTreeSet::new();
    for index in 0..200 {
        let first = apply(&crop, "a b c d e f g h", 0, index);
        let both = transforms.apply(example("a b c d e f g h", 0, index)).unwrap();
        starts.insert(first.find(both.text("text").unwrap()).unwrap());
    }
    // The second crop must begin at each of its three possible positions.
    assert_eq!(starts.into_iter().collect::<Vec<_>>(), [0, 2, 4]);
}

/// A transform of your own implements the trait.
struct Number;

impl Transform for Number {
    fn apply(&self, mut example: Example, rng: &mut SeqRng) -> Result<Example, TransformError> {
        example.fields.insert("drawn".into(), Field::Int(rng.below(1 << 40) as i64));
        Ok(example)
    }
}

#[test]
fn a_transform_of_your_own_draws_by_seed_position_epoch_and_index() {
    let drawn = |seed, places: usize, epoch, index| {
        let mut transforms = Transforms::none().with_seed(seed);
        for _ in 0..places {
            transforms = transforms.then("number", Box::new(Number));
        }
        transforms.apply(example("a", epoch, index)).unwrap().int("drawn").unwrap()
    };
    let all = [
        drawn(1, 1, 0, 0),
        drawn(2, 1, 0, 0),
        drawn(1, 2, 0, 0),
        drawn(1, 1, 1, 0),
        drawn(1, 1, 0, 1),
    ];
    let different: std::collections::BTreeSet<i64> = all.into();
    assert_eq!(different.len(), all.len());
    assert_eq!(drawn(1, 1, 0, 0), all[0]);
}
