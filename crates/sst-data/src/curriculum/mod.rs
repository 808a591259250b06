//! Curriculum learning: the first steps draw from the easiest rows, and later steps from more and more of them.
//!
//! Platanios et al. 2019, "Competence-based Curriculum Learning for Neural Machine Translation". Rows
//! are ranked once by a [`Difficulty`]. A [`Pacing`] gives the share of them that a step may draw from.

mod difficulty;
mod pacing;

use std::sync::Arc;

use crate::batching::{Batching, Fill, Pool, Position, SampleRef, StepPlan};
use crate::rng::SeqRng;
use crate::setting::{self, NamesSettings, Setting};

pub use difficulty::{Difficulty, rank};
pub use pacing::Pacing;

/// Why a curriculum cannot be made.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CurriculumError {
    /// No rows.
    #[error(
        "the data set has no rows: check which files are read, how they are cleaned and how much is held out"
    )]
    Empty,
    /// There are more rows than can be ranked.
    #[error("a curriculum can rank {limit} rows, and the data set has {0}", limit = u32::MAX)]
    TooManyRows(u64),
    /// Rows are ranked by their score, but a row has none.
    #[error(
        "the row that begins at {0} has no score: set `score_field` to the field that holds it"
    )]
    NoScore(String),
    /// A share of the rows is not in `(0, 1]`.
    #[error("the share {share} of {setting} must be above 0 and at most 1")]
    BadShare {
        /// The setting that has it.
        setting: Setting,
        /// The share.
        share: f64,
    },
    /// The stages do not grow from step 0 to a share of 1.
    #[error("the list `steps` {0}: list (step, share), from step 0 to a share of 1, both growing")]
    BadStages(&'static str),
    /// A row cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl NamesSettings for CurriculumError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Empty => vec![setting::PATHS, setting::CLEAN, setting::FRACTION],
            Self::NoScore(_) => vec![setting::SCORE_FIELD],
            Self::BadShare { setting, .. } => vec![*setting],
            Self::BadStages(_) => vec![setting::PACING_STEPS],
            Self::TooManyRows(_) | Self::Unreadable(_) => Vec::new(),
        }
    }
}

/// The epoch numbers of rows that a curriculum draws have this bit set, which no ordinary epoch has.
const DRAWN: u64 = 1 << 63;
/// The bits of such an epoch number that count the draws within a step.
const PLACE_BITS: u32 = 24;

/// A batching rule whose first steps draw from the easiest rows.
///
/// While the competence `c` of a step is below 1, each of its rows is drawn uniformly from the
/// easiest `ceil(c * N)` rows, with replacement, as in the paper (algorithm 1). Replacement makes a step a
/// function of its number alone; and as the rows to draw from change with every step, no order would show
/// each row once. The wrapped rule decides how many rows a step has and how they are grouped. Once the
/// competence is 1, the ordinary epochs of the wrapped rule begin, at sample 0: [`Position::sample`] does
/// not count the rows drawn before.
///
/// A row may be drawn in several steps, and twice in one step. Draw `p` of step `t` gets the epoch number
/// `2^63 + t * 2^24 + p`, so that the row gets other masks each time.
#[derive(Clone)]
pub struct Curriculum {
    seed: u64,
    rule: Arc<dyn Fill>,
    order: Arc<[u32]>,
    pacing: Pacing,
}

impl Curriculum {
    /// A curriculum over the rows in `order`, the easiest first (see [`rank`]), which grows as `pacing` says.
    /// `rule` groups the rows into steps.
    ///
    /// # Errors
    /// If there are no rows, or the pacing is invalid.
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

    /// The step after `from`, while the competence is below 1.
    fn drawn(&self, from: Position) -> StepPlan {
        let competence = self.pacing.competence(from.step);
        // The tolerance keeps rounding errors from adding one row.
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
        // The rule may have drawn more rows than it put into the step.
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
