//! Finds sentence boundaries in Chinese, English and mixed text by rules.
//!
//! Chinese: 。！？； and …… end a sentence, together with closing quotes and brackets after them, unless the sentence
//! visibly continues (“你好！”，他说). English: `.` `!` `?` and ellipses end a sentence if white space follows and the next
//! word can begin one; abbreviations, initials, decimals and list numbers do not end a sentence. An abbreviation that
//! may also end a sentence (U.S., etc., p.m.) does so before a capitalised word that often begins sentences, after
//! Kiss and Strunk 2006, "Unsupervised Multilingual Sentence Boundary Detection". A blank line always ends a sentence,
//! and a single line end never does.

use std::ops::Range;

use crate::words::is_unspaced;

/// The version of the rules. It is raised when a text may have other sentences than before, so that stores with
/// sentence ends are prepared again.
pub(crate) const VERSION: u32 = 1;

/// Abbreviations that stand before a name, and so never end a sentence. In this list and the next ones, a capitalised
/// entry matches only capitalised words (Gen. but not gen.).
const LEADING: &[&str] = &[
    "Adm", "approx", "Brig", "ca", "Capt", "cf", "Cmdr", "Col", "Cpl", "Dr", "e.g", "eg", "esp",
    "Fr", "Ft", "Gen", "Gov", "Hon", "i.e", "ie", "Lt", "Maj", "Messrs", "Mlle", "Mme", "Mr",
    "Mrs", "Ms", "Mt", "Mx", "Pres", "Prof", "Rep", "Rev", "Sen", "Sgt", "St", "Supt", "viz", "vs",
];

/// Abbreviations if a number follows, otherwise ordinary words (No. Yes.).
const BEFORE_NUMBER: &[&str] = &[
    "art", "bk", "ch", "chap", "eq", "eqs", "fig", "figs", "nr", "no", "nos", "p", "para", "pp",
    "pt", "sec", "vol", "vols", "v",
];

/// Abbreviations that may or may not end a sentence. Single letters and forms such as U.S. and p.m. count, too.
const EITHER: &[&str] = &[
    "al", "Apr", "Assn", "Aug", "Ave", "Bldg", "Blvd", "Bros", "Co", "Corp", "Dec", "Dept", "Dist",
    "eds", "est", "etc", "Feb", "Fri", "Inc", "Jan", "Jr", "Jul", "Jun", "Ltd", "Mar", "Mon",
    "Nov", "Oct", "Ph.D", "Rd", "Sat", "Sep", "Sept", "sq", "Sr", "Sun", "Thu", "Tue", "Univ",
    "Wed",
];

/// Words that often begin a sentence when they are capitalised.
const STARTERS: &[&str] = &[
    "A", "After", "All", "Although", "An", "And", "As", "At", "Because", "Before", "But", "By",
    "Did", "Do", "Does", "During", "Each", "Even", "Every", "For", "From", "Had", "Has", "Have",
    "He", "Her", "Here", "His", "How", "However", "I", "If", "In", "Is", "It", "Its", "Many",
    "Most", "My", "No", "Not", "Now", "On", "Once", "One", "Our", "Perhaps", "She", "Since", "So",
    "Some", "Still", "Such", "That", "The", "Their", "Then", "There", "These", "They", "This",
    "Those", "Though", "Thus", "To", "Was", "We", "Were", "What", "When", "Where", "While", "Who",
    "Why", "With", "Yes", "Yet", "You", "Your",
];

/// The sentences of `text` as byte ranges, in order and without overlap. They exclude the white space around them, and
/// together contain all of the text that is not white space.
pub fn split_sentences(text: &str) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let (mut start, mut quote_open, mut has_word) = (0, false, false);
    let mut rest = text.char_indices().peekable();
    while let Some((place, c)) = rest.next() {
        let end = if c == '\n' && begins_blank_line(&text[place + 1..]) {
            quote_open = false;
            place
        } else if is_terminator(c) {
            let run = run_length(&text[place..], is_terminator);
            while rest.next_if(|(next, _)| *next < place + run).is_some() {}
            let marks = &text[place..place + run];
            let (closers, after) = split_closers(&text[place + run..], quote_open);
            // An ellipsis without a word before it begins a sentence.
            let leads = is_ellipsis(marks) && !has_word;
            if leads || !ends(&text[start..place], marks, closers, after) {
                continue;
            }
            quote_open &= !closers.contains('"');
            place + run + closers.len()
        } else {
            quote_open ^= c == '"';
            has_word |= c.is_alphanumeric();
            continue;
        };
        push(&mut sentences, text, start..end);
        start = end + run_length(&text[end..], char::is_whitespace);
        while rest.next_if(|(next, _)| *next < start).is_some() {}
        has_word = false;
    }
    push(&mut sentences, text, start..text.len());
    sentences
}

/// Adds a range without the white space around it, if anything is left.
fn push(sentences: &mut Vec<Range<usize>>, text: &str, range: Range<usize>) {
    let Some(sentence) = text.get(range.clone()) else { return };
    let start = range.start + run_length(sentence, char::is_whitespace);
    let end = start + sentence.trim().len();
    if start < end {
        sentences.push(start..end);
    }
}

/// Whether the text `before` ends as a sentence with `marks` and `closers`, given that `after` follows.
fn ends(before: &str, marks: &str, closers: &str, after: &str) -> bool {
    let Some(next) = after.chars().next() else { return true };
    // （走吧！）。 ends at the second mark. “走！”，他说 and “走！”的声音 continue.
    if is_terminator(next) || is_continuation(next) || (!closers.is_empty() && next == '的') {
        return false;
    }
    let last = before.chars().next_back();
    if marks.contains(is_full_stop) || (is_ellipsis(marks) && last.is_some_and(is_chinese)) {
        return true;
    }
    let spaced = next.is_whitespace();
    if !spaced && !is_chinese(next) {
        return false;
    }
    let opening = |c: char| c.is_whitespace() || "\"'“‘「『（《([«".contains(c);
    let beyond = after.trim_start_matches(opening);
    let Some(first) = beyond.chars().next() else { return true };
    if first.is_lowercase() || is_terminator(first) || is_continuation(first) {
        return false;
    }
    marks != "." || period_ends(before, beyond, first, spaced)
}

/// Whether a single full stop after `before` ends the sentence, given that `beyond` follows.
fn period_ends(before: &str, beyond: &str, first: char, spaced: bool) -> bool {
    let inside = |c: char| (c.is_alphanumeric() || c == '.') && !is_unspaced(c);
    let start = before.trim_end_matches(inside).len();
    let word = before[start..].trim_start_matches('.');
    if word.is_empty() {
        return true;
    }
    // Whether the word is the whole sentence so far, such as the number of a list item or the first of several
    // initials.
    let alone = before.len() == word.len();
    if word.bytes().all(|b| b.is_ascii_digit()) {
        return spaced && !alone;
    }
    if contains(LEADING, word) || (first.is_numeric() && contains(BEFORE_NUMBER, word)) {
        return false;
    }
    let is_initial =
        |part: &str| part.chars().count() == 1 && part.chars().all(char::is_alphabetic);
    if word.split('.').all(is_initial) || contains(EITHER, word) {
        let length = run_length(beyond, char::is_alphanumeric);
        let (next, following) = beyond.split_at(length);
        let starts = STARTERS.contains(&next) && !following.starts_with('.');
        return spaced && !alone && (starts || is_chinese(first));
    }
    true
}

/// Whether `word` is one of `abbreviations`, as listed, capitalised, or in capitals.
fn contains(abbreviations: &[&str], word: &str) -> bool {
    let capital = word.starts_with(char::is_uppercase);
    let mut all = abbreviations.iter();
    all.any(|known| {
        known.eq_ignore_ascii_case(word) && (capital || !known.starts_with(char::is_uppercase))
    })
}

/// Splits off the closing quotes and brackets at the start of `text`. A straight quote counts as closing if a quote is
/// open, or if only white space follows.
fn split_closers(text: &str, mut quote_open: bool) -> (&str, &str) {
    let mut rest = text.chars();
    let mut length = 0;
    while let Some(c) = rest.next() {
        let closes = match c {
            '"' => {
                std::mem::take(&mut quote_open)
                    || rest.clone().next().is_none_or(char::is_whitespace)
            }
            _ => "”’」』）】〕］｝〗〞')]}»".contains(c),
        };
        if !closes {
            break;
        }
        length += c.len_utf8();
    }
    text.split_at(length)
}

/// The number of bytes of the leading characters of `text` that are `wanted`.
fn run_length(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

/// Whether only white space stands before the next line end.
fn begins_blank_line(text: &str) -> bool {
    text.trim_start_matches(|c: char| c.is_whitespace() && c != '\n').starts_with('\n')
}

fn is_terminator(c: char) -> bool {
    is_full_stop(c) || matches!(c, '.' | '!' | '?' | '…' | '‼' | '⁇' | '⁈' | '⁉')
}

/// Marks that always end a sentence.
fn is_full_stop(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '；' | '｡')
}

fn is_ellipsis(marks: &str) -> bool {
    marks.chars().all(|c| matches!(c, '.' | '…')) && marks != "."
}

/// Whether `c` is a Han character, kana, or their punctuation.
fn is_chinese(c: char) -> bool {
    is_unspaced(c) || matches!(c, '\u{3001}'..='\u{3020}' | '\u{ff01}'..='\u{ff60}' | '“' | '‘')
}

/// Marks after which the sentence continues, or which close a title (《你好吗？》).
fn is_continuation(c: char) -> bool {
    matches!(c, '，' | '、' | '：' | '—' | '》' | '〉' | ',' | ';' | ':' | ')' | ']' | '}')
}
