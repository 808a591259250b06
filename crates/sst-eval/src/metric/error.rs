//! The error of metrics.

/// Why a metric could not be computed from what it was given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Two lists that belong together and differ in length.
    #[error("there are {found} {what} where {wanted} are needed: pass one for each")]
    Length {
        /// What there are too many or too few of.
        what: &'static str,
        /// Their number.
        found: usize,
        /// The number that fits the other list.
        wanted: usize,
    },
    /// A number that is NaN or infinite.
    #[error(
        "number {at} of the {what} is {value}, which is not finite: the model's weights may be damaged, or overflow in \
         this precision"
    )]
    NotFinite {
        /// What the numbers are.
        what: &'static str,
        /// Its position, from 0.
        at: usize,
        /// The number.
        value: f64,
    },
    /// A class outside of the table.
    #[error(
        "the class of example {example} among the {what} is {class}, and there are {num_classes} classes, from 0"
    )]
    UnknownClass {
        /// Whether it is a label or a prediction.
        what: &'static str,
        /// The example, from 0.
        example: usize,
        /// Its class.
        class: i64,
        /// The number of classes.
        num_classes: usize,
    },
    /// More classes than a confusion matrix can have.
    #[error(
        "a confusion matrix has at most {limit} classes, and there are {num_classes}: count by class instead"
    )]
    TooManyClasses {
        /// The number of classes.
        num_classes: usize,
        /// The limit.
        limit: usize,
    },
    /// A setting that cannot be.
    #[error("{what} is {value}, and must be {wanted}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        wanted: &'static str,
    },
    /// A sequence whose labels or entities are wrong.
    #[error("sequence {sequence}: {error}")]
    Entities {
        /// The sequence, from 0.
        sequence: usize,
        /// What is wrong with it.
        error: sst_data::entities::EntityError,
    },
}

/// Checks that there are as many of something as are needed.
pub(crate) fn check_length(
    what: &'static str,
    found: usize,
    wanted: usize,
) -> Result<(), MetricError> {
    if found == wanted { Ok(()) } else { Err(MetricError::Length { what, found, wanted }) }
}

/// Checks that no number is NaN or infinite.
pub(super) fn check_finite<'a>(
    what: &'static str,
    numbers: impl IntoIterator<Item = &'a f64>,
) -> Result<(), MetricError> {
    let bad = numbers.into_iter().enumerate().find(|(_, number)| !number.is_finite());
    match bad {
        Some((at, value)) => Err(MetricError::NotFinite { what, at, value: *value }),
        None => Ok(()),
    }
}
