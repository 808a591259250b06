//! Learns a unigram vocabulary by expectation maximisation (Kudo 2018, "Subword Regularization").
//!
//! Training starts from every frequent substring, fits the probabilities, drops the pieces whose removal costs the
//! least likelihood, and repeats until the vocabulary has the right size. Sums are computed in a fixed order.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

/// The most characters of a piece.
const MAX_PIECE_CHARS: usize = 16;
/// The most pieces to start from.
const SEEDS: usize = 1_000_000;
/// The fraction of the pieces that each pruning keeps.
const SHRINK: f64 = 0.75;
/// The number of rounds of expectation maximisation between two prunings.
const ROUNDS: usize = 2;
/// A piece whose expected count is lower is dropped.
const LEAST_EXPECTED: f64 = 0.5;
/// The number of words in one unit of parallel work. It is fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 1024;

/// A piece and its log probability.
pub(super) type Piece = (String, f64);

struct Word {
    text: String,
    count: f64,
    /// The byte offsets of its characters, followed by its length.
    bounds: Vec<usize>,
}

/// The pieces of the current model.
struct Model {
    pieces: Vec<Piece>,
    ids: HashMap<String, u32>,
}

/// Learns at most `size` pieces, sorted by falling probability. The `alphabet` most frequent characters are always
/// among them; words with other characters are left out. Pieces of several characters are seen at least
/// `min_frequency` times.
pub(super) fn learn(
    words: Vec<(String, u64)>,
    size: usize,
    alphabet: usize,
    min_frequency: u64,
) -> Vec<Piece> {
    let characters = most_frequent_characters(&words, alphabet);
    let words: Vec<Word> = words
        .into_iter()
        .filter(|(word, _)| word.chars().all(|c| characters.contains_key(&c)))
        .map(|(text, count)| {
            let bounds = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            Word { text, count: count as f64, bounds }
        })
        .collect();
    let mut model = Model::new(seeds(&words, &characters, min_frequency.max(2)));
    // Like SentencePiece, pruning stops a tenth above the target, and the most probable of the remaining pieces are
    // taken.
    let target = size + size / 10;
    loop {
        for _ in 0..ROUNDS {
            model = model.maximised(&model.expected(&words));
        }
        if model.pieces.len() <= target.max(characters.len()) {
            break;
        }
        let keep = ((model.pieces.len() as f64 * SHRINK) as usize).max(target);
        let before = model.pieces.len();
        model = model.pruned(&words, keep);
        if model.pieces.len() == before {
            break;
        }
    }
    let mut pieces = model.pieces;
    let single = |piece: &Piece| piece.0.chars().nth(1).is_none();
    pieces.sort_by(|a, b| {
        single(b).cmp(&single(a)).then(b.1.total_cmp(&a.1)).then_with(|| a.0.cmp(&b.0))
    });
    pieces.truncate(size.max(characters.len()));
    pieces.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    pieces
}

fn most_frequent_characters(words: &[(String, u64)], limit: usize) -> BTreeMap<char, u64> {
    let mut counts: BTreeMap<char, u64> = BTreeMap::new();
    for (word, count) in words {
        for c in word.chars() {
            *counts.entry(c).or_default() += count;
        }
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|(c, count)| (std::cmp::Reverse(*count), *c));
    sorted.truncate(limit);
    sorted.into_iter().collect()
}

/// The initial pieces: characters and frequent substrings, with log probabilities proportional to frequency times
/// length.
fn seeds(words: &[Word], characters: &BTreeMap<char, u64>, min_frequency: u64) -> Vec<Piece> {
    let mut pieces: Vec<(String, f64)> =
        characters.iter().map(|(c, count)| (c.to_string(), *count as f64)).collect();
    let mut longer = Vec::new();
    let mut shorter: HashMap<&str, f64> = HashMap::new();
    for length in 2..=MAX_PIECE_CHARS {
        // A string is at most as frequent as its parts, so only strings with frequent parts are counted, and the table
        // stays small.
        let mut counts: HashMap<&str, f64> = HashMap::new();
        for word in words {
            for start in 0..word.bounds.len().saturating_sub(length) {
                let part = |from: usize, to: usize| &word.text[word.bounds[from]..word.bounds[to]];
                let (head, tail) =
                    (part(start, start + length - 1), part(start + 1, start + length));
                if length == 2 || (shorter.contains_key(head) && shorter.contains_key(tail)) {
                    *counts.entry(part(start, start + length)).or_default() += word.count;
                }
            }
        }
        counts.retain(|_, count| *count >= min_frequency as f64);
        if counts.is_empty() {
            break;
        }
        longer.extend(counts.iter().map(|(s, count)| ((*s).to_owned(), count * length as f64)));
        shorter = counts;
    }
    longer.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    longer.truncate(SEEDS);
    pieces.extend(longer);
    let log_total = pieces.iter().map(|(_, score)| score).sum::<f64>().ln();
    pieces.into_iter().map(|(piece, score)| (piece, score.ln() - log_total)).collect()
}

impl Model {
    fn new(pieces: Vec<Piece>) -> Self {
        let ids = pieces.iter().enumerate().map(|(id, (p, _))| (p.clone(), id as u32)).collect();
        Self { pieces, ids }
    }

    /// Calls `visit(from, to, id)` for each piece inside `word`. Positions are counted in characters.
    fn visit(&self, word: &Word, mut visit: impl FnMut(usize, usize, u32)) {
        let last = word.bounds.len() - 1;
        for from in 0..last {
            for to in from + 1..=last.min(from + MAX_PIECE_CHARS) {
                if let Some(id) = self.ids.get(&word.text[word.bounds[from]..word.bounds[to]]) {
                    visit(from, to, *id);
                }
            }
        }
    }

    /// The expected count of each piece over all segmentations of all words.
    fn expected(&self, words: &[Word]) -> Vec<f64> {
        let parts: Vec<_> = words.par_chunks(CHUNK).map(|chunk| self.expected_in(chunk)).collect();
        let mut expected = vec![0.0; self.pieces.len()];
        for (id, value) in parts.into_iter().flatten() {
            expected[id as usize] += value;
        }
        expected
    }

    fn expected_in(&self, words: &[Word]) -> Vec<(u32, f64)> {
        let mut expected = Vec::new();
        for word in words {
            let last = word.bounds.len() - 1;
            let (mut edges, mut forward) = (Vec::new(), vec![f64::NEG_INFINITY; last + 1]);
            forward[0] = 0.0;
            // Pieces are visited in the order of their start, so the sum at a start is complete when its pieces are
            // visited.
            self.visit(word, |from, to, id| {
                let score = self.pieces[id as usize].1;
                edges.push((from, to, id, score));
                forward[to] = log_add(forward[to], forward[from] + score);
            });
            let mut backward = vec![f64::NEG_INFINITY; last + 1];
            backward[last] = 0.0;
            for (from, to, _, score) in edges.iter().rev() {
                backward[*from] = log_add(backward[*from], score + backward[*to]);
            }
            for (from, to, id, score) in edges {
                let log = forward[from] + score + backward[to] - forward[last];
                expected.push((id, word.count * log.exp()));
            }
        }
        expected
    }

    /// Refits the probabilities to the expected counts (the M step). Single characters are never dropped.
    fn maximised(&self, expected: &[f64]) -> Self {
        let kept: Vec<(&str, f64)> = self
            .pieces
            .iter()
            .zip(expected)
            .filter(|((piece, _), count)| **count >= LEAST_EXPECTED || is_single(piece))
            .map(|((piece, _), count)| (piece.as_str(), count.max(LEAST_EXPECTED)))
            .collect();
        // This is the Bayesian form of SentencePiece, which favours fewer pieces.
        let total = digamma(kept.iter().map(|(_, count)| count).sum());
        let fit = |(piece, count): (&str, f64)| (piece.to_owned(), digamma(count) - total);
        Self::new(kept.into_iter().map(fit).collect())
    }

    /// The most probable segmentation of `word` that does not use the piece `barred`.
    fn best(&self, word: &Word, barred: Option<u32>) -> Vec<u32> {
        let last = word.bounds.len() - 1;
        let mut best = vec![(f64::NEG_INFINITY, 0, 0); last + 1];
        best[0].0 = 0.0;
        self.visit(word, |from, to, id| {
            let score = best[from].0 + self.pieces[id as usize].1;
            if Some(id) != barred && score > best[to].0 {
                best[to] = (score, from, id);
            }
        });
        let (mut path, mut at) = (Vec::new(), last);
        while at > 0 && best[at].0 > f64::NEG_INFINITY {
            path.push(best[at].2);
            at = best[at].1;
        }
        path
    }

    /// Keeps the `keep` pieces whose removal would cost the most likelihood.
    fn pruned(&self, words: &[Word], keep: usize) -> Self {
        let paths: Vec<_> = words.par_iter().map(|word| self.best(word, None)).collect();
        let mut used = vec![0.0; self.pieces.len()];
        for (word, path) in words.iter().zip(paths) {
            for id in path {
                used[id as usize] += word.count;
            }
        }
        let total: f64 = used.iter().sum();
        let loss = |id: usize| {
            let (piece, _) = &self.pieces[id];
            if is_single(piece) {
                return f64::INFINITY;
            }
            if used[id] == 0.0 {
                return f64::NEG_INFINITY;
            }
            let bounds = piece.char_indices().map(|(at, _)| at).chain([piece.len()]).collect();
            let word = Word { text: piece.clone(), count: 1.0, bounds };
            let instead = self.best(&word, Some(id as u32));
            // The pieces that replace it are used in its place, so their counts grow.
            let new_total = (total + used[id] * (instead.len() as f64 - 1.0)).ln();
            let log = |count: f64, total: f64| count.ln() - total;
            let after: f64 =
                instead.iter().map(|i| log(used[*i as usize] + used[id], new_total)).sum();
            used[id] * (log(used[id], total.ln()) - after)
        };
        let losses: Vec<f64> = (0..self.pieces.len()).into_par_iter().map(loss).collect();
        let mut order: Vec<usize> = (0..self.pieces.len()).collect();
        order.sort_by(|a, b| losses[*b].total_cmp(&losses[*a]).then(a.cmp(b)));
        order.truncate(keep);
        order.sort_unstable();
        Self::new(order.into_iter().map(|id| self.pieces[id].clone()).collect())
    }
}

fn is_single(piece: &str) -> bool {
    piece.chars().nth(1).is_none()
}

/// `ln(exp(a) + exp(b))`.
fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// The digamma function, the derivative of the logarithm of the gamma function: a recurrence up to 7, then the
/// asymptotic series (Bernardo 1976, algorithm AS 103).
fn digamma(mut x: f64) -> f64 {
    let mut result = 0.0;
    while x < 7.0 {
        result -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y / 240.0)));
    result + x.ln() - 0.5 / x - series
}
