//! Words of English, as the Penn Treebank separates them and `nltk.word_tokenize` finds them: punctuation marks, brackets
//! and quotes by themselves, `don't` as `do n't`, `gonna` as `gon na`.
//!
//! The text is in small letters and without the characters that [`cmrc()`](super::cmrc()) removes before, so what NLTK does
//! with capital letters, hyphens, colons, asterisks and closing quotes is left out.

use super::python_text::{is_space, is_word};

/// Words that are two to the Treebank, in two parts.
const CONTRACTIONS: [(&str, &str); 8] = [
    ("can", "not"),
    ("d", "'ye"),
    ("gim", "me"),
    ("gon", "na"),
    ("got", "ta"),
    ("lem", "me"),
    ("more", "'n"),
    ("wan", "na"),
];

/// What may follow an apostrophe at the end of a word, with the apostrophe.
const CLITICS: [&str; 8] = ["'s", "'m", "'d", "'", "'ll", "'re", "'ve", "n't"];

/// The words of a text. NLTK first cuts the text into sentences with a trained model (Kiss and Strunk 2006, "Unsupervised
/// Multilingual Sentence Boundary Detection"), which matters for periods alone: the one that ends a sentence is a word,
/// that of an abbreviation is none. Here the rules of [`ends_sentence`] take the place of the model, so a rare
/// abbreviation before a further word may get a period of its own.
pub(super) fn word_tokenize(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut start = 0;
    for at in 0..text.len() {
        if at >= start && ends_sentence(&text, at) {
            let closers = text[at + 1..].iter().take_while(|c| r#""')]}"#.contains(**c)).count();
            let after = at + 1 + closers;
            // Closing quotes and brackets belong to the sentence if white space follows them.
            let end = if text.get(after).is_none_or(|c| is_space(*c)) { after } else { at + 1 };
            words.extend(words_of_sentence(&text[start..end]));
            start = end + text[end..].iter().take_while(|c| is_space(**c)).count();
        }
    }
    words.extend(words_of_sentence(&text[start..]));
    words
}

/// Whether the mark at `at` ends a sentence within the text: a question or exclamation mark, or a period that is not part
/// of an ellipsis and does not follow an abbreviation (a single letter, two with a period
/// between them, or one of a list) nor a
/// number before a small letter. White space or a mark must follow.
fn ends_sentence(text: &[char], at: usize) -> bool {
    const ABBREVIATIONS: [&str; 28] = [
        "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "gen", "sen", "col", "lt", "maj", "vs",
        "inc", "corp", "ltd", "co", "cos", "bros", "jan", "feb", "aug", "sep", "sept", "oct",
        "nov", "dec",
    ];
    let Some(next) = text.get(at + 1).copied() else { return false };
    let following = text[at + 1..].iter().find(|c| !is_space(**c)).copied();
    if !(is_space(next) && following.is_some() || "?!)\";}]*:@'({[".contains(next)) {
        return false;
    }
    match text[at] {
        '?' | '!' => true,
        '.' => {
            let start = text[..at].iter().rposition(|c| is_space(*c)).map_or(0, |at| at + 1);
            let word: String =
                text[start..at].iter().skip_while(|c| "([{\"'".contains(**c)).collect();
            let is_initial = word.chars().count() == 1 && !word.contains(|c: char| c.is_numeric());
            let is_number = word.starts_with(|c: char| c.is_numeric())
                && word.chars().all(|c| c.is_numeric() || ",.-".contains(c));
            let has_period = word.chars().nth(1) == Some('.') && word.chars().count() == 3;
            let is_abbreviation =
                is_initial || has_period && !is_number || ABBREVIATIONS.contains(&word.as_str());
            !(is_abbreviation || is_number && following.is_some_and(char::is_alphabetic))
        }
        _ => false,
    }
}

/// The words of one sentence, by rewriting it step by step. The order of the steps is NLTK's and matters: an opening
/// quote is found by what stands before it, a closing one is every other.
fn words_of_sentence(text: &[char]) -> Vec<String> {
    let mut text = pad(text, |c| "«‘„".contains(c));
    if text.first() == Some(&'"') {
        text.splice(..1, " `` ".chars());
    }
    text = rewrite(&text, opening_quote);
    text = rewrite(&text, opening_apostrophe);
    text = separate_last_period(text);
    text = rewrite(&text, comma);
    if text.last() == Some(&',') {
        text.splice(text.len() - 1.., " , ".chars());
    }
    text = rewrite(&text, ellipsis);
    text = pad(&text, |c| ";@#$%&?!".contains(c) || ('\u{2012}'..='\u{2015}').contains(&c));
    text = rewrite(&text, closing_apostrophe);
    text = pad(&text, |c| "[](){}<>»".contains(c));
    let padded: Vec<char> = [&[' '], &text[..], &[' ']].concat();
    text = rewrite(&padded, closing_quote);
    text = rewrite(&text, |text, at| clitic(text, at, &CLITICS[..4]));
    text = rewrite(&text, |text, at| clitic(text, at, &CLITICS[4..]));
    text = rewrite(&text, contraction);
    let text: String = text.into_iter().collect();
    let words = text.split(is_space).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Replaces parts of a text from left to right. `part` says how many characters to replace at a position, one at least,
/// and with what.
fn rewrite(text: &[char], part: impl Fn(&[char], usize) -> Option<(usize, String)>) -> Vec<char> {
    let mut rewritten = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match part(text, at) {
            Some((length, replacement)) => {
                rewritten.extend(replacement.chars());
                at += length;
            }
            None => {
                rewritten.push(text[at]);
                at += 1;
            }
        }
    }
    rewritten
}

/// Puts spaces around some characters.
fn pad(text: &[char], is_word_of_its_own: impl Fn(char) -> bool) -> Vec<char> {
    rewrite(text, |text, at| is_word_of_its_own(text[at]).then(|| (1, format!(" {} ", text[at]))))
}

fn starts_with(text: &[char], at: usize, part: &str) -> bool {
    let end = at + part.chars().count();
    text.get(at..end).is_some_and(|found| found.iter().copied().eq(part.chars()))
}

/// Two apostrophes or a quotation mark after a space or an opening bracket.
fn opening_quote(text: &[char], at: usize) -> Option<(usize, String)> {
    let length = match text.get(at + 1) {
        Some('"') => 1,
        Some('\'') if text.get(at + 2) == Some(&'\'') => 2,
        _ => return None,
    };
    " ([{<".contains(text[at]).then(|| (1 + length, format!("{} `` ", text[at])))
}

/// An apostrophe before a word, unless the word is a clitic such as `'s`.
fn opening_apostrophe(text: &[char], at: usize) -> Option<(usize, String)> {
    if text[at] != '\'' || at > 0 && is_word(text[at - 1]) {
        return None;
    }
    let word: String = text[at + 1..].iter().take_while(|c| is_word(**c)).collect();
    let is_clitic = ["re", "ve", "ll", "m", "t", "s", "d", "n"].contains(&word.as_str());
    (!word.is_empty() && !is_clitic).then(|| (1, "' ".to_owned()))
}

/// Puts spaces around the period that ends the text, which closing quotes and brackets may follow.
fn separate_last_period(mut text: Vec<char>) -> Vec<char> {
    let is_closing = |c: &char| "])}>\"'»”’ ".contains(*c);
    let trimmed = text.len() - text.iter().rev().take_while(|c| is_space(**c)).count();
    let closers = text[..trimmed].iter().rev().take_while(|c| is_closing(c)).count();
    let period = (trimmed - closers).checked_sub(1).filter(|at| text[*at] == '.');
    if let Some(at) = period.filter(|at| *at > 0 && text[at - 1] != '.') {
        text.splice(at..=at, " . ".chars());
    }
    text
}

/// A comma before anything but a digit.
fn comma(text: &[char], at: usize) -> Option<(usize, String)> {
    let next = text.get(at + 1).filter(|c| text[at] == ',' && !c.is_numeric())?;
    Some((2, format!(" , {next}")))
}

fn ellipsis(text: &[char], at: usize) -> Option<(usize, String)> {
    let length = text[at..].iter().take_while(|c| **c == '.').count();
    (length >= 2).then(|| (length, format!(" {} ", ".".repeat(length))))
}

/// An apostrophe before a space.
fn closing_apostrophe(text: &[char], at: usize) -> Option<(usize, String)> {
    let is_one = text[at] != '\'' && starts_with(text, at + 1, "' ");
    is_one.then(|| (3, format!("{} ' ", text[at])))
}

/// Two apostrophes or a quotation mark.
fn closing_quote(text: &[char], at: usize) -> Option<(usize, String)> {
    let quotes = || " '' ".to_owned();
    match text[at] {
        '"' => Some((1, quotes())),
        '\'' if text.get(at + 1) == Some(&'\'') => Some((2, quotes())),
        // Tabs and other white space count as spaces from here on.
        c if is_space(c) => Some((1, " ".to_owned())),
        _ => None,
    }
}

/// A clitic at the end of a word.
fn clitic(text: &[char], at: usize, clitics: &[&str]) -> Option<(usize, String)> {
    if "' ".contains(text[at]) {
        return None;
    }
    let is_here = |clitic: &&&str| starts_with(text, at + 1, &format!("{clitic} "));
    let clitic = clitics.iter().find(is_here)?;
    Some((clitic.chars().count() + 2, format!("{} {clitic} ", text[at])))
}

/// A word that is two.
fn contraction(text: &[char], at: usize) -> Option<(usize, String)> {
    if at > 0 && is_word(text[at - 1]) {
        return None;
    }
    let is_here = |(first, second): &&(&str, &str)| {
        let next = text.get(at + first.len() + second.len()).copied();
        let ends =
            if *first == "wan" { next.is_some_and(is_space) } else { !next.is_some_and(is_word) };
        starts_with(text, at, first) && starts_with(text, at + first.len(), second) && ends
    };
    let (first, second) = CONTRACTIONS.iter().find(is_here)?;
    Some((first.len() + second.len(), format!(" {first} {second} ")))
}
