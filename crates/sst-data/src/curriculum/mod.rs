//! Easy rows first: a competence that grows with the steps opens more and more of the data.
//!
//! Platanios et al. 2019, "Competence-based Curriculum Learning for Neural Machine Translation". Rows
//! are ranked once by a [`Difficulty`]; [`Pacing`] says what share of them may be drawn in a step.

mod difficulty;
mod pacing;

use std::sync::Arc;

use crate::batching::{Batching, Fill, Pool, Position, SampleRef, StepPlan};
use crate::rng::SeqRng;

pub use difficulty::{Difficulty, rank};
pub use pacing::Pacing;

/// Why there can be no curriculum.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CurriculumError {
    /// No rows.
    #[error("the data set has no rows: check data.paths, data.clean and data.validation")]
    Empty,
    /// More rows than a rank has room for.
    #[error("a curriculum can rank {limit} rows, and the data set has {0}", limit = u32::MAX)]
    TooManyRows(u64),
    /// Ranking by a score that rows do not have.
    #[error("the row that begins at {0} has no score: set data.score_field")]
    NoScore(String),
    /// A share of the rows that is none.
    #[error("curriculum.{key} is {share}: it must be above 0 and at most 1")]
    BadShare {
        /// The key, without its section.
        key: &'static str,
        /// Its value.
        share: f64,
    },
    /// Stages that do not lead from the first step to all rows.
    #[error("curriculum.steps {0}: list (step, share), from step 0 to a share of 1, both growing")]
    BadStages(&'static str),
    /// A row that could not be read.
    #[error("{0}")]
    Unreadable(String),
}

/// The epochs that rows drawn by competence are said to be of: no ordinary epoch has such a number.
const DRAWN: u64 = 1 << 63;
/// Draws of a step that are numbered apart.
const PLACE_BITS: u32 = 24;

/// A rule whose first steps are drawn from the easiest rows.
///
/// While the competence `c` of a step is below 1, each of its rows is drawn uniformly from the
/// easiest `ceil(c * N)`, as in the paper (algorithm 1). That is with replacement, for two reasons:
/// what may be drawn changes with every step, so there is no order that would show each row once;
/// and a step is then a function of its number alone. How many rows a step has, and how they are
/// grouped, is the wrapped rule's affair. After that its ordinary epochs begin, from sample 0:
/// [`Position::sample`] counts no drawn row.
///
/// A row may be drawn in several steps, and twice in one. So that it gets other masks each time, draw
/// `p` of step `t` is said to be of epoch `2^63 + t * 2^24 + p`.
#[derive(Clone)]
pub struct Curriculum {
    seed: u64,
    rule: Arc<dyn Fill>,
    order: Arc<[u32]>,
    pacing: Pacing,
}

impl Curriculum {
    /// The rows in `order`, the easiest first (see [`rank`]), at the speed of `pacing`, grouped by
    /// `rule`.
    ///
    /// # Errors
    /// If there are no rows, or the pacing is not one.
    pub fn new(
        seed: u64,
        rule: Arc<dyn Fill>,
        order: Vec<u32>,
        pacing: Pacing,
    ) -> Result<Self, CurriculumError> {
        pacing.check()?;
        if order.is_empty() {
            return Err(CurriculumError::Empty);
        }
        Ok(Self { seed, rule, order: order.into(), pacing })
    }

    /// The step after `from`, which is one of the curriculum's.
    fn drawn(&self, from: Position) -> StepPlan {
        let competence = self.pacing.competence(from.step);
        // Rounding must not open one row more.
        let pool = (competence * self.order.len() as f64 - 1e-6).ceil() as u64;
        let pool = pool.clamp(1, self.order.len() as u64);
        let mut rng = SeqRng::new(self.seed, "curriculum.draw", from.step, 0);
        let first = DRAWN | (from.step << PLACE_BITS);
        let mut ranks = Vec::new();
        let plan = self.rule.fill(
            from,
            &mut (first..).map(|epoch| {
                let rank = rng.below(pool);
                ranks.push(rank + 1);
                SampleRef { epoch, index: u64::from(self.order[rank as usize]) }
            }),
        );
        // The rule may have looked at more draws than it took.
        let taken =
            plan.micro.iter().flatten().map(|sample| ranks[(sample.epoch - first) as usize]);
        let hardest = taken.max().unwrap_or(0);
        StepPlan { pool: Some(Pool { rows: self.order.len() as u64, open: pool, hardest }), ..plan }
    }
}

impl Batching for Curriculum {
    fn steps(&self, from: Position) -> Box<dyn Iterator<Item = StepPlan> + Send> {
        let (curriculum, mut at) = (self.clone(), from);
        let duration = self.pacing.duration();
        let epochs = self.rule.steps(Position { step: from.step.max(duration), ..from });
        let drawn = std::iter::from_fn(move || {
            let plan = (at.step < duration).then(|| curriculum.drawn(at))?;
            at = plan.end;
            Some(plan)
        });
        Box::new(drawn.chain(epochs))
    }

    fn is_packed(&self) -> bool {
        self.rule.is_packed()
    }
}
