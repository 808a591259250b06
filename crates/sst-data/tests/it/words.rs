//! Han characters, lengths of texts, and Chinese words.

use sst_data::words::{Length, count_length, is_cjk};

#[test]
fn han_characters_are_cjk() {
    for c in ['一', '鿿', '㐀', '𠀀', '豈', '〇', '𰀀', '丽'] {
        assert!(is_cjk(c), "{c}");
    }
    for c in ['a', 'é', '1', '，', '。', '“', 'ひ', 'カ', '한', '\u{3000}', 'Ａ', '😀'] {
        assert!(!is_cjk(c), "{c}");
    }
}

#[test]
fn length_is_in_the_unit_of_the_text() {
    fn check(text: &str, expected: Length) {
        assert_eq!(count_length(text), expected, "{text:?}");
    }
    check("", Length::Words(0));
    check("In the beginning, God created 3.14 things.", Length::Words(7));
    check("don't e.g. stop", Length::Words(3));
    check("天下大勢，分久必合。", Length::Characters(10));
    check("天 下\u{3000}大\n勢", Length::Characters(4));
    check("我爱 machine learning", Length::Characters(17));
    check("我 love machine learning", Length::Words(4));
    check("すもももももももものうち", Length::Characters(12));
    check("한국어 텍스트", Length::Words(2));
    check("!!! ... ---", Length::Words(0));
}

#[cfg(feature = "jieba")]
mod jieba {
    use proptest::prelude::*;
    use sst_data::words::ChineseWords;

    #[test]
    fn chinese_is_cut_into_words() {
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(ChineseWords::load().cut(text), expected);
        }
        check("", &[]);
        check("我来到北京清华大学", &["我", "来到", "北京", "清华大学"]);
        check("他爱 Rust 语言。", &["他", "爱", " ", "Rust", " ", "语言", "。"]);
    }

    proptest! {
        #[test]
        fn words_add_up_to_the_text(text in prop_oneof![any::<String>(), "[我来到北京清华大学 a-z。\n]{0,40}"]) {
            prop_assert_eq!(ChineseWords::load().cut(&text).concat(), text);
        }
    }
}
