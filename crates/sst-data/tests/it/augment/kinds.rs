//! Augmentations of words never empty a text, never exceed the rate, and give the same result for the same seed.

use std::collections::HashMap;
use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::json;
use sst_data::augment::{Augment, Draw};

use super::{file, kind, view};

const ENGLISH: &[&str] = &[
    "The",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dogs",
    "don't",
    "well-known",
    "3.14",
    "Paris",
    "happy",
    "HAPPY",
    "Happy",
    "end",
    "U2",
    "été",
];
/// Words of the dictionary that jieba does not split.
const CHINESE: &[&str] = &["高兴", "美丽", "北京", "今天", "学习", "朋友", "我们", "喜欢"];
const SPECIAL: &[&str] = &["[MASK]", "[SEP]", "</s>", "<|endoftext|>"];

/// Every augmentation of words with the given rate.
fn kinds(rate: f64) -> Vec<Box<dyn Augment>> {
    let mut kinds: Vec<_> = ["mask", "deletion", "swap", "crop"]
        .iter()
        .map(|name| kind(name, &json!({"rate": rate})))
        .collect();
    kinds.push(kind("synonym", &json!({"rate": rate, "files": thesaurus()})));
    kinds
}

fn thesaurus() -> &'static [std::path::PathBuf] {
    static FILES: OnceLock<Vec<std::path::PathBuf>> = OnceLock::new();
    FILES.get_or_init(|| {
        let english =
            "UTF-8\nhappy|1\n(adj)|glad|merry\nquick|1\n(adj)|fast|swift\nend|1\n(noun)|close\n";
        let chinese = "Ga01A01= 高兴 快乐 愉快\nEb01A01= 美丽 漂亮\nHg07A01= 学习 攻读\n";
        vec![file("th_en.dat", english), file("cilin.txt", chinese)]
    })
}

/// The words of a text made by [`english`], counted as a reader would count them.
fn words(text: &str) -> Vec<String> {
    let text = SPECIAL.iter().fold(text.to_owned(), |text, special| text.replace(special, " "));
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    text.split(|c: char| c.is_whitespace() || c == '，')
        .map(bare)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Joins words with the text between them. One word in ten is a special token.
fn text_of(
    own: &'static [&'static str],
    separators: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        9 => proptest::sample::select(own),
        1 => proptest::sample::select(SPECIAL),
    ];
    let parts = proptest::collection::vec((word, proptest::sample::select(separators)), 1..30);
    parts
        .prop_map(|parts| parts.into_iter().map(|(word, after)| format!("{word}{after}")).collect())
}

fn english() -> impl Strategy<Value = String> {
    text_of(ENGLISH, &[" ", "  ", ", ", ". ", "\n", " (", ") ", " \"", "\t"])
}

/// The words are separated, so that it is known where each begins.
#[cfg(feature = "jieba")]
fn chinese() -> impl Strategy<Value = String> {
    text_of(CHINESE, &["，"])
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        english(),
        text_of(CHINESE, &["", "。", "，", " "]),
        text_of(ENGLISH, &["", " ", "，我们", "、"]),
        "[ a\\[\\]MASK<>/s|我们\u{300}👨\u{200d}'’.\n-]{0,24}",
    ]
}

fn specials(text: &str) -> Vec<usize> {
    SPECIAL.iter().map(|special| text.matches(special).count()).collect()
}

fn counts(words: &[String]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    words.iter().for_each(|word| *counts.entry(word.as_str()).or_default() += 1);
    counts
}

/// Whether `part` is `whole` with some items left out.
fn is_subsequence(part: &[String], whole: &[String]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|word| whole.any(|other| other == word))
}

/// Checks the result `after` of the augmentation `name` for `before`, given the most words that it may change.
fn check_change(name: &str, before: &[String], after: &[String], masks: usize, most: usize) {
    let differing = before.iter().zip(after).filter(|(a, b)| a != b).count();
    match name {
        "mask" => {
            assert!(masks <= most, "{masks} masks");
            assert_eq!(after.len(), before.len() - masks);
            assert!(is_subsequence(after, before));
        }
        "deletion" => {
            assert!(after.len() + most >= before.len());
            assert!(is_subsequence(after, before));
        }
        "crop" => {
            assert!(after.len() + most >= before.len());
            assert!(after.is_empty() || before.windows(after.len()).any(|window| window == after));
        }
        "swap" => {
            assert!(differing <= most, "{differing} moved");
            assert_eq!(counts(before), counts(after));
        }
        "synonym" => {
            assert_eq!(before.len(), after.len());
            assert!(differing <= most, "{differing} replaced");
        }
        other => panic!("{other} is not tested"),
    }
}

fn check_rate(text: &str, rate: f64, seed: u64) {
    let before = words(text);
    let most = (rate * before.len() as f64).ceil() as usize;
    for kind in kinds(rate) {
        let changed = view(&*kind, text, seed);
        let after = words(&changed);
        let masks = changed.matches("[MASK]").count() - text.matches("[MASK]").count();
        check_change(kind.name(), &before, &after, masks, most);
        if kind.name() != "mask" {
            assert_eq!(specials(&changed), specials(text), "{}: {changed:?}", kind.name());
        }
        if !before.is_empty() && kind.name() != "mask" {
            assert!(!after.is_empty(), "{} leaves no word of {text:?}", kind.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn english_changes_within_the_rate(text in english(), rate in 0.0..=1.0, seed: u64) {
        check_rate(&text, rate, seed);
    }

    #[test]
    fn the_whole_of_a_rate_of_one(text in english(), seed: u64) {
        check_rate(&text, 1.0, seed);
        check_rate(&text, 0.0, seed);
    }

    #[cfg(feature = "jieba")]
    #[test]
    fn chinese_changes_within_the_rate(text in chinese(), rate in 0.0..=1.0, seed: u64) {
        check_rate(&text, rate, seed);
    }

    #[test]
    fn nothing_is_emptied_and_the_same_seed_gives_the_same(text in any_text(), rate in 0.0..=1.0, seed: u64) {
        for kind in kinds(rate) {
            let changed = view(&*kind, &text, seed);
            prop_assert_eq!(changed.is_empty(), text.is_empty(), "{}", kind.name());
            prop_assert_eq!(changed.trim().is_empty(), text.trim().is_empty(), "{}", kind.name());
            prop_assert_eq!(&view(&*kind, &text, seed), &changed);
            let (before, after) = (specials(&text), specials(&changed));
            prop_assert!(before.iter().zip(&after).all(|(a, b)| a <= b), "{}", changed);
        }
    }

    #[test]
    fn a_rate_of_zero_changes_nothing(text in any_text(), seed: u64) {
        for kind in kinds(0.0) {
            prop_assert_eq!(view(&*kind, &text, seed), text.clone(), "{}", kind.name());
        }
    }
}

#[test]
fn bytes_outside_the_changed_words_are_kept() {
    let text = " \"The quick,\tbrown fox\" —\njumps\u{a0}over [MASK]; the lazy dogs… ";
    for seed in 0..50 {
        // Apart from its words, a masked text has the same gaps and special tokens as before.
        let masked = view(&*kind("mask", &json!({"rate": 0.4, "mask": "□"})), text, seed);
        let (mut a, mut b) = (text, masked.as_str());
        for part in masked.split('□') {
            assert!(a.contains(part), "{masked:?}");
            a = &a[a.find(part).unwrap()..];
            b = &b[b.find(part).unwrap()..];
        }
        let swapped = view(&*kind("swap", &json!({"rate": 1.0})), text, seed);
        let gaps = |text: &str| text.chars().filter(|c| !c.is_alphanumeric()).collect::<String>();
        assert_eq!(gaps(&swapped), gaps(text));
    }
}

#[test]
fn draws_are_keyed_by_seed_epoch_and_index() {
    let text = "one two three four five six seven eight nine ten";
    let kind = kind("deletion", &json!({"rate": 0.3}));
    let of = |seed, epoch, index| {
        let draw = Draw { seed, epoch, index };
        kind.augment(vec![text.to_owned()], &[draw]).unwrap().remove(0)
    };
    let first = of(1, 0, 0);
    assert_eq!(of(1, 0, 0), first);
    for (seed, epoch, index) in [(2, 0, 0), (1, 1, 0), (1, 0, 1)] {
        assert_ne!(of(seed, epoch, index), first);
    }
    // The view of a text does not depend on the other texts.
    let draws: Vec<Draw> = (0..3).map(|index| Draw { seed: 1, epoch: 0, index }).collect();
    let together = kind.augment(vec![text.to_owned(); 3], &draws).unwrap();
    assert_eq!(together, [of(1, 0, 0), of(1, 0, 1), of(1, 0, 2)]);
}

#[test]
fn examples() {
    fn check(name: &str, rate: f64, text: &str, seed: u64, expected: &str) {
        assert_eq!(view(&*kind(name, &json!({"rate": rate})), text, seed), expected, "{name}");
    }
    let text = "In the beginning God created the heaven and the earth.";
    check("mask", 1.0, "Let there be [SEP] light!", 0, "[MASK] [MASK] [MASK] [SEP] [MASK]!");
    check("deletion", 0.0, text, 0, text);
    check("swap", 1.0, "one, two", 0, "two, one");
    check("swap", 1.0, "一个", 0, "一个");
    for seed in 0..20 {
        let cropped = view(&*kind("crop", &json!({"rate": 0.5})), text, seed);
        assert!(text.contains(&cropped) && words(&cropped).len() == 5, "{cropped}");
    }
    // A special token is kept even if the span around it is cut off.
    for seed in 0..20 {
        let cropped = view(&*kind("crop", &json!({"rate": 0.9})), "[CLS] a b c [SEP] d e", seed);
        assert!(cropped.starts_with("[CLS] ") && cropped.contains("[SEP]"), "{cropped}");
    }
}
