//! Cleaning: what each rule does, what it counts, and that it is stable.

use proptest::prelude::*;
use sst_data::clean::{CleanConfig, Cleaner};
use sst_data::{Key, Ledger};

fn off() -> CleanConfig {
    CleanConfig { control: false, whitespace: false, ..CleanConfig::default() }
}

fn clean(config: &CleanConfig, text: &str) -> Option<String> {
    Cleaner::new(config.clone(), Ledger::new()).clean(&Key::new("a.txt", 1), text)
}

fn check(config: &CleanConfig, text: &str, expected: &str) {
    assert_eq!(clean(config, text).as_deref(), Some(expected), "{text:?}");
}

#[test]
fn everything_off_changes_nothing() {
    for text in ["\u{feff} a\u{0}\u{200b}  b\u{3000}", "ﬁ①\t\r\n\u{ad}x"] {
        check(&off(), text, text);
    }
}

#[test]
fn nfkc_is_an_option() {
    let nfkc = CleanConfig { nfkc: true, ..off() };
    check(&nfkc, "ﬁ Ａ１ e\u{301} ①", "fi A1 é 1");
    check(&nfkc, "你好，世界！……", "你好,世界!......");
    check(&CleanConfig::default(), "你好，世界！Ａ", "你好，世界！Ａ");
}

#[test]
fn nfc_is_an_option_and_finds_duplicates() {
    let nfc = CleanConfig { nfc: true, ..off() };
    check(&nfc, "cafe\u{301} ﬁ ① Ａ，", "café ﬁ ① Ａ，");
    // Characters compose across a removed character.
    check(&CleanConfig { control: true, ..nfc.clone() }, "e\u{200b}\u{301}", "é");
    let ledger = Ledger::new();
    let mut cleaner = Cleaner::new(CleanConfig { dedup: true, ..nfc.clone() }, ledger.clone());
    let texts = ["café noir", "cafe\u{301} noir", "cafe noir"];
    let kept = (1..)
        .zip(texts)
        .filter(|(line, text)| cleaner.clean(&Key::new("a.txt", *line), text).is_some());
    assert_eq!(kept.count(), 2);
    assert_eq!((ledger.count("clean.nfc"), ledger.count("clean.duplicate")), (1, 1));
    let both = CleanConfig { nfkc: true, ..nfc };
    assert!(both.check().unwrap_err().to_string().starts_with("nfc and nfkc are both set"));
}

#[test]
fn control_characters_are_removed_and_white_space_is_kept() {
    let control = CleanConfig { control: true, ..off() };
    check(&control, "a\u{0}b\u{7f}c\u{9b}d", "abcd");
    check(&control, "a\tb\nc\r\nd\u{c}e\u{85}f", "a\tb\nc\r\nd\u{c}e\u{85}f");
    check(&control, "\u{feff}天\u{200b}下\u{200d}大\u{200c}勢", "天下大勢");
    check(&control, "co\u{ad}op\u{200e}er\u{2060}ate\u{202e}\u{fffe}", "cooperate");
    check(&control, "damage \u{fffd} stays visible", "damage \u{fffd} stays visible");
    // Joiners are kept where they have a meaning: emoji, Persian, Devanagari, Malayalam; flags need tags.
    for text in [
        "👨\u{200d}👩\u{200d}👧",
        "❤\u{fe0f}\u{200d}🔥",
        "می\u{200c}خواهم",
        "क्\u{200d}ष",
        "അവന്\u{200d} പോയി",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    ] {
        check(&control, text, text);
    }
    check(&control, "a\u{200d}b \u{200d}क\u{200d}\u{200d}", "ab क\u{200d}");
    check(&control, "hid\u{e0041}\u{e0042}den", "hidden");
}

#[test]
fn white_space_collapses_without_losing_meaning() {
    let space = CleanConfig { whitespace: true, ..off() };
    check(&space, "  a \t b\u{a0}\u{a0}c  ", "a b c");
    check(&space, "\u{3000}\u{3000}話說\u{3000}天下", "話說 天下");
    check(&space, "a  \r\n  b\rc", "a\nb\nc");
    check(&space, "a\n\n \n\u{3000}b", "a\n\nb");
    check(&space, "a\u{2028}b\u{2029}c\u{c}d", "a\nb\n\nc\nd");
    check(&space, "天下大勢，分久必合。", "天下大勢，分久必合。");
    check(&space, "用Rust写", "用Rust写");
}

#[test]
fn documents_are_dropped_by_length_in_their_unit() {
    let bounds = CleanConfig { min_length: Some(3), max_length: Some(5), ..CleanConfig::default() };
    let kept = |text| clean(&bounds, text).is_some();
    assert!(!kept("internationalisation everywhere") && kept("to be or") && !kept("a b c d e f"));
    assert!(!kept("天下") && kept("天下大") && kept("天 下 大 勢 分") && !kept("天下大勢分久"));
}

#[test]
fn everything_is_counted_with_its_first_place() {
    let config = CleanConfig {
        nfkc: true,
        min_length: Some(2),
        max_length: Some(4),
        dedup: true,
        ..CleanConfig::default()
    };
    let ledger = Ledger::new();
    let mut cleaner = Cleaner::new(config, ledger.clone());
    let texts =
        ["a b", "a\u{0} b\u{0}", "\u{200b} ", "a", "a b c d e", "ﬁ x", "fi x", "c  d", "a b"];
    let kept: Vec<Option<String>> = (1..)
        .zip(texts)
        .map(|(line, text)| cleaner.clean(&Key::new("a.txt", line), text))
        .collect();
    let expected = [Some("a b"), None, None, None, None, Some("fi x"), None, Some("c d"), None];
    assert_eq!(kept.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    let counts: Vec<(String, u64, String)> =
        ledger.entries().into_iter().map(|(n, e)| (n, e.count, e.first.unwrap())).collect();
    let expected = [
        ("clean.control_characters", 3, "a.txt:2"),
        ("clean.duplicate", 3, "a.txt:2"),
        ("clean.empty", 1, "a.txt:3"),
        ("clean.nfkc", 1, "a.txt:6"),
        ("clean.too_long", 1, "a.txt:5"),
        ("clean.too_short", 1, "a.txt:4"),
        ("clean.whitespace", 2, "a.txt:3"),
    ];
    assert_eq!(counts, expected.map(|(n, c, f)| (n.to_owned(), c, f.to_owned())));
}

#[test]
fn without_dedup_a_document_may_come_twice() {
    let mut cleaner = Cleaner::new(CleanConfig::default(), Ledger::new());
    let key = Key::new("a.txt", 1);
    assert_eq!(cleaner.clean(&key, "x"), cleaner.clean(&key, "x"));
}

#[test]
fn the_configuration_is_checked() {
    let config: CleanConfig =
        serde_json::from_str(r#"{"min_length": 9, "max_length": 3}"#).unwrap();
    assert!(config.control && config.whitespace && !config.nfkc && !config.dedup);
    let message = config.check().unwrap_err().to_string();
    assert_eq!(message, "min_length 9 is greater than max_length 3: no document would be left");
    assert!(CleanConfig::default().check().is_ok());
    assert!(serde_json::from_str::<CleanConfig>(r#"{"nfcc": true}"#).is_err());
}

/// Text with many characters that the rules change.
fn text() -> impl Strategy<Value = String> {
    let dense = "[a1é天ﬁ①㍱क👨\u{200b}-\u{200f}\u{300}-\u{308}\u{0}-\u{20}\u{3000}\u{2028}\u{ad}\u{feff}\u{fe0f}\u{e0061}🏴]{0,24}";
    prop_oneof![any::<String>(), dense]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn cleaning_twice_is_cleaning_once(text in text(), form in 0..3, control: bool, whitespace: bool) {
        let config = CleanConfig { nfc: form == 1, nfkc: form == 2, control, whitespace, ..off() };
        if let Some(once) = clean(&config, &text) {
            prop_assert_eq!(clean(&config, &once), Some(once.clone()), "{:?}", text);
        }
    }

    #[test]
    fn white_space_alone_changes(text in any::<String>()) {
        let config = CleanConfig { whitespace: true, ..off() };
        let dense = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let cleaned = clean(&config, &text).unwrap_or_default();
        prop_assert_eq!(dense(&cleaned), dense(&text));
        prop_assert_eq!(words(&cleaned), words(&text));
    }
}
