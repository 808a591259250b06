//! Learns the merges of byte pair encoding: the most frequent pair of neighbouring tokens becomes one token, again and
//! again (Sennrich et al. 2016). Of several equally frequent pairs, the one with the smallest ids is merged first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Two neighbouring tokens, by id.
type Pair = (u32, u32);

/// The learned vocabulary.
pub(super) struct Learned {
    /// Every token. The index of a token is its id.
    pub(super) tokens: Vec<String>,
    /// The merged pairs, in the order of the merges.
    pub(super) merges: Vec<Pair>,
    /// Whether learning stopped although pairs were left, because each of them is seen fewer than `min_frequency`
    /// times.
    pub(super) has_rare_pairs: bool,
}

/// Starts from the tokens `special` and `alphabet` and merges pairs until there are `vocab_size` tokens, or no pair is
/// seen `min_frequency` times. `split` cuts a word into symbols. A word with a symbol outside the alphabet is left
/// out, because the tokenizer maps it to the unknown token anyway. If the second token of a pair begins with the
/// prefix `continuing` (`##` in WordPiece), the merged token leaves that prefix out.
pub(super) fn learn(
    special: &[String],
    alphabet: Vec<String>,
    words: &[(String, u64)],
    split: impl Fn(&str) -> Vec<String>,
    continuing: &str,
    vocab_size: usize,
    min_frequency: u64,
) -> Learned {
    let mut tokens = special.to_vec();
    let mut ids: HashMap<String, u32> = HashMap::new();
    for (id, token) in tokens.iter().enumerate() {
        ids.insert(token.clone(), id as u32);
    }
    for symbol in alphabet {
        intern(symbol, &mut tokens, &mut ids);
    }
    let known = words.iter().filter_map(|(word, count)| {
        let symbols =
            split(word).iter().map(|s| ids.get(s).copied()).collect::<Option<Vec<_>>>()?;
        Some(Word { symbols, count: *count })
    });
    let mut corpus = Corpus::new(known.collect());
    let mut merges = Vec::new();
    while tokens.len() < vocab_size {
        let Some(pair) = corpus.most_frequent(min_frequency.max(1)) else { break };
        let (left, right) = (&tokens[pair.0 as usize], &tokens[pair.1 as usize]);
        let merged = format!("{left}{}", right.strip_prefix(continuing).unwrap_or(right));
        let id = intern(merged, &mut tokens, &mut ids);
        merges.push(pair);
        corpus.merge(pair, id);
    }
    let has_rare_pairs = !corpus.counts.is_empty();
    Learned { tokens, merges, has_rare_pairs }
}

/// The id of `token`, which is added if it is new.
fn intern(token: String, tokens: &mut Vec<String>, ids: &mut HashMap<String, u32>) -> u32 {
    *ids.entry(token).or_insert_with_key(|token| {
        tokens.push(token.clone());
        tokens.len() as u32 - 1
    })
}

struct Word {
    symbols: Vec<u32>,
    count: u64,
}

/// The words, the count of each pair, and the words in which each pair occurs.
struct Corpus {
    words: Vec<Word>,
    counts: HashMap<Pair, u64>,
    /// The indices of the words that have held the pair at some time. Some of them may not hold it any more.
    places: HashMap<Pair, Vec<u32>>,
    /// Pairs by count. An entry may be out of date; it is corrected when it is popped.
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

impl Corpus {
    fn new(words: Vec<Word>) -> Self {
        let mut corpus = Self {
            words,
            counts: HashMap::new(),
            places: HashMap::new(),
            queue: BinaryHeap::new(),
        };
        for word in 0..corpus.words.len() {
            corpus.add_pairs(word);
        }
        corpus.queue = corpus.counts.iter().map(|(pair, n)| (*n, Reverse(*pair))).collect();
        corpus
    }

    fn most_frequent(&mut self, least: u64) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            let now = self.counts.get(&pair).copied().unwrap_or(0);
            if now == count && now >= least {
                return Some(pair);
            }
            if now < count && now >= least {
                self.queue.push((now, Reverse(pair)));
            }
        }
        None
    }

    /// Replaces `pair` by the token `id` in every word.
    fn merge(&mut self, pair: Pair, id: u32) {
        let mut places = self.places.remove(&pair).unwrap_or_default();
        places.sort_unstable();
        places.dedup();
        let mut touched = Vec::new();
        for at in places {
            let at = at as usize;
            self.remove_pairs(at);
            let word = &mut self.words[at];
            word.symbols = merged(&word.symbols, pair, id);
            self.add_pairs(at);
            // Only pairs that contain the new token can have become more frequent.
            let pairs = self.words[at].symbols.windows(2).map(|w| (w[0], w[1]));
            touched.extend(pairs.filter(|(a, b)| *a == id || *b == id));
        }
        touched.sort_unstable();
        touched.dedup();
        for pair in touched {
            self.queue.push((self.counts[&pair], Reverse(pair)));
        }
    }

    fn add_pairs(&mut self, at: usize) {
        let Word { symbols, count } = &self.words[at];
        for pair in symbols.windows(2).map(|w| (w[0], w[1])) {
            *self.counts.entry(pair).or_default() += count;
            let places = self.places.entry(pair).or_default();
            if places.last() != Some(&(at as u32)) {
                places.push(at as u32);
            }
        }
    }

    fn remove_pairs(&mut self, at: usize) {
        let Word { symbols, count } = &self.words[at];
        for pair in symbols.windows(2).map(|w| (w[0], w[1])) {
            if let Some(total) = self.counts.get_mut(&pair) {
                *total -= count;
                if *total == 0 {
                    self.counts.remove(&pair);
                }
            }
        }
    }
}

fn merged(symbols: &[u32], pair: Pair, id: u32) -> Vec<u32> {
    let mut out = Vec::with_capacity(symbols.len());
    let mut at = 0;
    while at < symbols.len() {
        if symbols[at..].starts_with(&[pair.0, pair.1]) {
            out.push(id);
            at += 2;
        } else {
            out.push(symbols[at]);
            at += 1;
        }
    }
    out
}
