//! Makes cloze questions of a paragraph.

use std::ops::Range;

use super::wikitext::Paragraph;

/// What a question has in the place of its answer.
const BLANK: &str = "_____";
/// The numbers of words that the sentence of a question may have.
const WORDS: Range<usize> = 6..61;
/// The least length of an answer in characters.
const MIN_CHARACTERS: usize = 3;
/// Abbreviations before which a full stop ends no sentence, besides single letters and those with stops inside.
const ABBREVIATIONS: [&str; 26] = [
    "Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Rev", "Gen", "Col", "Capt", "Lt", "Sgt", "Gov", "Sen",
    "Jr", "Sr", "Mt", "Ft", "No", "vs", "cf", "ca", "approx", "Vol", "Inc", "Op",
];

/// A question whose answer stands in its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cloze {
    pub(super) question: String,
    pub(super) context: String,
    pub(super) answer: String,
    /// The place of the answer in the context, in Unicode code points.
    pub(super) start: usize,
}

/// The number of anchors that occur at least twice in their paragraph.
pub(super) fn repeated(paragraph: &Paragraph) -> usize {
    let anchors = paragraph.anchors.iter();
    anchors.filter(|anchor| occurrences(&paragraph.text, anchor).len() > 1).count()
}

/// The questions of a paragraph, at most one for each anchor.
///
/// The sentence of the question is the last one in which the anchor occurs exactly once, so that nothing but the context
/// tells the answer. The answer is the first occurrence in the rest of the paragraph.
pub(super) fn clozes(paragraph: &Paragraph) -> Vec<Cloze> {
    let sentences = sentences(&paragraph.text);
    let mut found: Vec<Cloze> = Vec::new();
    for anchor in &paragraph.anchors {
        let is_answer =
            anchor.chars().count() >= MIN_CHARACTERS && anchor.contains(char::is_alphabetic);
        if is_answer {
            found.extend(cloze(&sentences, anchor));
        }
    }
    found
}

fn cloze(sentences: &[&str], answer: &str) -> Option<Cloze> {
    let (number, place) = (0..sentences.len()).rev().find_map(|number| {
        let places = occurrences(sentences[number], answer);
        let is_fit = WORDS.contains(&sentences[number].split(' ').count());
        (is_fit && places.len() == 1).then(|| (number, places[0]))
    })?;
    let sentence = sentences[number];
    let question = [&sentence[..place], BLANK, &sentence[place + answer.len()..]].concat();
    let others = sentences.iter().enumerate().filter(|(other, _)| *other != number);
    let context = others.map(|(_, sentence)| *sentence).collect::<Vec<_>>().join(" ");
    let place = *occurrences(&context, answer).first()?;
    let start = context[..place].chars().count();
    Some(Cloze { question, context, answer: answer.to_owned(), start })
}

/// The places, in bytes, at which `word` stands in `text` as whole words.
fn occurrences(text: &str, word: &str) -> Vec<usize> {
    let is_inner =
        |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    text.match_indices(word)
        .map(|(place, _)| place)
        .filter(|place| {
            let before = text[..*place].chars().next_back();
            let after = text[place + word.len()..].chars().next();
            !is_inner(before) && !is_inner(after)
        })
        .collect()
}

/// The sentences of a text with single spaces; joined by spaces they are the text again.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (space, _) in text.match_indices(' ') {
        let (before, after) = (&text[start..space], &text[space + 1..]);
        if is_end(before) && is_begin(after) {
            sentences.push(before);
            start = space + 1;
        }
    }
    sentences.push(&text[start..]);
    sentences
}

fn is_begin(text: &str) -> bool {
    let mut characters =
        text.chars().skip_while(|c| matches!(c, '"' | '\'' | '(' | '[' | '“' | '‘'));
    characters.next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit())
}

fn is_end(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '\'', ')', ']', '”', '’']);
    let Some(text) = text.strip_suffix('.') else { return text.ends_with(['!', '?']) };
    let word = text.rsplit([' ', '(', '"']).next().unwrap_or_default();
    let is_short = word.chars().count() < 2 && !word.contains(|c: char| c.is_ascii_digit());
    !is_short && !word.contains('.') && !ABBREVIATIONS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, anchors: &[&str], expected: &[(&str, &str, &str, usize)]) {
        let anchors = anchors.iter().map(|anchor| (*anchor).to_owned()).collect();
        let paragraph = Paragraph { text: text.to_owned(), anchors };
        let found = clozes(&paragraph);
        assert!(found.len() <= repeated(&paragraph));
        for cloze in &found {
            let span: String = cloze
                .context
                .chars()
                .skip(cloze.start)
                .take(cloze.answer.chars().count())
                .collect();
            assert_eq!(span, cloze.answer);
            assert!(!cloze.question.contains(&cloze.answer));
        }
        let found: Vec<_> = found
            .iter()
            .map(|c| (c.question.as_str(), c.context.as_str(), c.answer.as_str(), c.start))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_sentence_of_the_question_is_not_in_the_context() {
        check(
            "Ägypten is called Egypt here. The Nile flows through all of Egypt. It is long.",
            &["Egypt", "Nile"],
            &[(
                "The Nile flows through all of _____.",
                "Ägypten is called Egypt here. It is long.",
                "Egypt",
                18,
            )],
        );
    }

    #[test]
    fn anchors_that_occur_twice_are_counted() {
        let text = "Rome is old, older than Romeo. Egypt is older than Rome.".to_owned();
        let anchors = ["Rome", "Egypt", "Romeo"].map(str::to_owned).to_vec();
        assert_eq!(repeated(&Paragraph { text, anchors }), 1);
    }

    #[test]
    fn sentences_that_tell_their_answer_make_no_question() {
        let twice = "Rome is old. All roads of Rome lead back to Rome.";
        check(twice, &["Rome"], &[]);
        // The earlier sentence has six words and the anchor once.
        check(
            "The city of Rome is old. All roads of Rome lead back to Rome.",
            &["Rome"],
            &[("The city of _____ is old.", "All roads of Rome lead back to Rome.", "Rome", 13)],
        );
    }

    #[test]
    fn only_whole_words_count() {
        check("The art of war is old. They started with a state-of-the-art party.", &["art"], &[]);
        check("In 1990 he was born in Rome. He died there in 1990, an old man.", &["1990"], &[]);
        check("A is the first of all letters. The letter A is a vowel, too.", &["A"], &[]);
        check(
            "They met (Rome, 1990). A man from \"Rome\" was with them.",
            &["Rome"],
            &[("A man from \"_____\" was with them.", "They met (Rome, 1990).", "Rome", 10)],
        );
    }

    #[test]
    fn sentences_end_where_the_next_one_begins() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(sentences(text), expected);
            assert_eq!(sentences(text).join(" "), text);
        };
        check(
            "One. Two! \"Three?\" (Four.) 5 is five.",
            &["One.", "Two!", "\"Three?\"", "(Four.)", "5 is five."],
        );
        check(
            "Mr. Smith of the U.S. Army met J. S. Bach. He left.",
            &["Mr. Smith of the U.S. Army met J. S. Bach.", "He left."],
        );
        check(
            "It cost 3.5 and then, e.g. in May, 4. Next.",
            &["It cost 3.5 and then, e.g. in May, 4.", "Next."],
        );
        check("no end", &["no end"]);
    }
}
