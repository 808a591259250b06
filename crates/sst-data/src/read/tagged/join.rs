//! Joins words to a text.

use super::sentence::Word;
use crate::words::is_unspaced;

/// How a character stands beside others in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Han, kana, and their punctuation, which have no spaces around them.
    Cjk,
    /// Punctuation that Chinese shares with other scripts. It has no space where it touches Chinese.
    Shared,
    /// Everything else.
    Other,
}

impl Side {
    fn of(c: char) -> Self {
        match c {
            c if is_unspaced(c) => Self::Cjk,
            '\u{3000}'..='\u{303f}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ffef}' => {
                Self::Cjk
            }
            '\u{b7}' | '\u{2014}' | '\u{2018}'..='\u{201d}' | '\u{2026}' => Self::Shared,
            _ => Self::Other,
        }
    }
}

/// Whether a space is put between two words, of which one ends with `left` and the next one begins with `right`. There
/// is none within Chinese or Japanese.
fn has_space(left: char, right: char) -> bool {
    let sides = [Side::of(left), Side::of(right)];
    !sides.contains(&Side::Cjk) || sides.contains(&Side::Other)
}

/// The text of words, and for each word its first character and the position after its last one.
pub(super) fn join(words: &[Word]) -> (String, Vec<(usize, usize)>) {
    let (mut text, mut places) = (String::new(), Vec::with_capacity(words.len()));
    let mut end = 0;
    let mut before: Option<&Word> = None;
    for word in words {
        let last =
            before.filter(|before| !before.is_joined).and_then(|w| w.form.chars().next_back());
        if let (Some(left), Some(right)) = (last, word.form.chars().next())
            && has_space(left, right)
        {
            text.push(' ');
            end += 1;
        }
        text.push_str(&word.form);
        let start = end;
        end += word.form.chars().count();
        places.push((start, end));
        before = Some(word);
    }
    (text, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: &str) {
        let word = |form: &&str| {
            let (is_joined, form) = (form.ends_with('+'), form.trim_end_matches('+').to_owned());
            Word { line: 1, form, tag: String::new(), is_joined }
        };
        let words: Vec<Word> = words.iter().map(word).collect();
        let (text, places) = join(&words);
        assert_eq!(text, expected);
        let characters: Vec<char> = text.chars().collect();
        for (word, (start, end)) in words.iter().zip(places) {
            assert_eq!(characters[start..end].iter().collect::<String>(), word.form);
        }
    }

    #[test]
    fn words_are_joined_as_their_script_is_written() {
        check(&["EU", "rejects", "German", "call", "."], "EU rejects German call .");
        check(&["当", "希", "望", "，", "“", "工", "程", "”", "。"], "当希望，“工程”。");
        check(&["中国", "队", "3", "比", "0"], "中国队 3 比 0");
        check(&["东京", "タワー", "へ"], "东京タワーへ");
        check(&["서울", "시"], "서울 시");
        check(&["“", "Yes", "”", "…"], "“ Yes ” …");
        check(&["Mr.", "刘", "备"], "Mr. 刘备");
        check(&["Hello+", ",", "wor😀ld+", "!"], "Hello, wor😀ld!");
        check(&["a"], "a");
    }
}
