//! Which tokens of a row form a word.

use std::ops::Range;

use sst_data::tokenize::Tokenizer;
#[cfg(feature = "jieba")]
use sst_data::words::{ChineseWords, is_cjk};

/// Groups the ordinary tokens of a row into words.
#[derive(Debug)]
pub(super) struct WordGrouper {
    /// By id: a special token, never part of a word.
    special: Vec<bool>,
    /// By id: continues the word before it.
    continuation: Vec<bool>,
    /// By id: the text of a token that is Chinese characters and nothing else.
    #[cfg(feature = "jieba")]
    chinese: Vec<Option<Box<str>>>,
}

impl WordGrouper {
    pub(super) fn new(tokenizer: &Tokenizer) -> Self {
        let mut special = vec![false; tokenizer.vocab_size()];
        for id in &tokenizer.special().all {
            if let Some(flag) = special.get_mut(*id as usize) {
                *flag = true;
            }
        }
        #[cfg(feature = "jieba")]
        let chinese = (0..tokenizer.vocab_size() as u32)
            .map(|id| {
                let token = tokenizer.token(id)?;
                let text = token.strip_prefix("##").unwrap_or(&token);
                let all = !text.is_empty() && text.chars().all(is_cjk);
                all.then(|| text.into())
            })
            .collect();
        Self {
            special,
            continuation: tokenizer.continuation(),
            #[cfg(feature = "jieba")]
            chinese,
        }
    }

    /// Whether `id` is a special token; an id outside the vocabulary counts as one.
    pub(super) fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(true)
    }

    /// The words of a row, in order, as ranges of positions; special tokens are in none.
    pub(super) fn words(&self, ids: &[u32]) -> Vec<Range<usize>> {
        let starts = self.starts(ids);
        let mut words: Vec<Range<usize>> = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            if self.is_special(*id) {
                continue;
            }
            match words.last_mut() {
                Some(word) if word.end == at && !starts[at] => word.end = at + 1,
                _ => words.push(at..at + 1),
            }
        }
        words
    }

    /// For each position, whether a word starts there.
    fn starts(&self, ids: &[u32]) -> Vec<bool> {
        let continues = |id: &u32| self.continuation.get(*id as usize).copied().unwrap_or(false);
        #[cfg_attr(not(feature = "jieba"), allow(unused_mut))]
        let mut starts: Vec<bool> = ids.iter().map(|id| !continues(id)).collect();
        #[cfg(feature = "jieba")]
        self.cut_chinese(ids, &mut starts);
        starts
    }

    /// Within each run of Chinese tokens, words start where jieba says.
    #[cfg(feature = "jieba")]
    fn cut_chinese(&self, ids: &[u32], starts: &mut [bool]) {
        let text = |at: usize| {
            ids.get(at).and_then(|id| self.chinese.get(*id as usize)).and_then(Option::as_deref)
        };
        let mut at = 0;
        while at < ids.len() {
            let first = at;
            let mut run = String::new();
            // Byte offset of each token of the run.
            let mut offsets = Vec::new();
            while let Some(part) = text(at) {
                offsets.push(run.len());
                run.push_str(part);
                at += 1;
            }
            if offsets.len() > 1 {
                let mut bounds = vec![0];
                for word in ChineseWords::load().cut(&run) {
                    bounds.push(bounds.last().copied().unwrap_or(0) + word.len());
                }
                for (i, offset) in offsets.iter().enumerate() {
                    starts[first + i] = bounds.binary_search(offset).is_ok();
                }
            }
            at = at.max(first + 1);
        }
    }
}
