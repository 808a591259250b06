//! Names of settings in errors.
//!
//! A library knows its settings as fields of its configurations and as arguments of its functions, and names them so in
//! its messages. The program on top may know them by other names, such as the keys of a file or the options of a
//! command. An error therefore says which settings it is about ([`NamesSettings`]), and the program looks up its own
//! names for them.
//!
//! Each crate declares its settings with [`settings!`](crate::settings), in its module `setting`; the list `ALL` there
//! has every one of them, so that a program can test that it has a name for each.

use std::fmt;

/// A setting of a library: a field of a configuration, or an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setting(&'static str);

impl Setting {
    /// For [`settings!`](crate::settings), which also lists the setting.
    #[doc(hidden)]
    pub const fn declare(path: &'static str) -> Self {
        Self(path)
    }

    /// Its type or function and its name, such as `PackConfig::length`. Warnings have it as the field `setting` of
    /// their event.
    pub const fn path(self) -> &'static str {
        self.0
    }

    /// The name of the field or argument.
    pub fn name(self) -> &'static str {
        self.0.split_once("::").map_or(self.0, |(_, name)| name)
    }
}

/// The name in backticks, as messages have it.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name())
    }
}

/// An error that says which settings it is about.
pub trait NamesSettings {
    /// The settings to look at, the first one first; empty if no setting is at fault.
    fn settings(&self) -> Vec<Setting>;
}

/// Declares the settings of a crate as constants, and the list `ALL` of them.
#[macro_export]
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {
        $($(#[$doc])* pub const $name: $crate::setting::Setting = $crate::setting::Setting::declare($path);)*

        /// Every setting that errors and warnings of this crate name.
        pub const ALL: &[$crate::setting::Setting] = &[$($name),*];
    };
}

settings! {
    /// The files that are read.
    PATHS = "Source::paths";
    /// The format of the files.
    FORMAT = "Source::format";
    /// The field of the text.
    TEXT_FIELD = "Source::text_field";
    /// The field of the label, which a column of labels names.
    LABEL_FIELD = "Column::field";
    /// The labels in the order of their numbers.
    LABELS = "RecordPreparation::labels";
    /// The field of the score.
    SCORE_FIELD = "Source::score_field";
    /// The fields of the other texts of a group.
    PAIR_FIELDS = "Source::pair_fields";
    /// How documents are cleaned.
    CLEAN = "Preparation::clean";
    /// The length below which a document is dropped.
    MIN_LENGTH = "CleanConfig::min_length";
    /// The most tokens of a row. All kinds of rows have it.
    MAX_LENGTH = "TokenRows::max_length";
    /// The fraction of documents or records that is held out.
    FRACTION = "Subset::fraction";
    /// The threads that make batches.
    WORKERS = "LoaderConfig::workers";
    /// Rows per step.
    BATCH_SIZE = "FixedBatches::batch_size";
    /// Rows per micro-batch.
    MICRO_BATCH_SIZE = "FixedBatches::micro_batch_size";
    /// Rows of the first step.
    SIZE_RAMP_FROM = "SizeRamp::from";
    /// Tokens per step.
    MAX_TOKENS = "BudgetConfig::max_tokens";
    /// Tokens per micro-batch.
    MICRO_MAX_TOKENS = "BudgetConfig::micro_max_tokens";
    /// Rows among which those of similar length, or those that fill a pack, are searched. `PackConfig` has it too.
    WINDOW = "BudgetConfig::window";
    /// The batching rule that packs rows.
    PACKED = "Packed";
    /// Tokens per pack.
    PACK_LENGTH = "PackConfig::length";
    /// Packs per step.
    PACKS_PER_STEP = "PackConfig::packs_per_step";
    /// Packs per micro-batch.
    MICRO_PACKS = "PackConfig::micro_packs";
    /// The batching rule that splits rows.
    LENGTH_WARM_UP = "LengthWarmUp";
    /// The most tokens of a row of the first step.
    LENGTH_RAMP_FROM = "LengthRamp::from";
    /// What lengths are rounded down to a multiple of.
    LENGTH_RAMP_MULTIPLE_OF = "LengthRamp::multiple_of";
    /// The share of the rows in the first step.
    PACING_START = "Pacing::start";
    /// The shares of the rows from given steps on.
    PACING_STEPS = "Pacing::steps";
    /// The weights of tasks.
    MIXTURE_WEIGHTS = "Mixture::weights";
    /// How evenly tasks of unequal size are drawn.
    MIXTURE_TEMPERATURE = "Mixture::temperature";
    /// The weights of tasks from given steps on.
    MIXTURE_SCHEDULE = "Mixture::schedule";
    /// How often a pair or piece of a new tokenizer must be seen.
    MIN_FREQUENCY = "TrainConfig::min_frequency";
    /// The files of a thesaurus.
    SYNONYM_FILES = "SynonymConfig::files";
    /// The files and folders that pictures are read from.
    PICTURE_PATHS = "PictureSource::paths";
    /// The field of the picture.
    PICTURE_FIELD = "PictureSource::picture_field";
    /// The most bytes of the file of a picture.
    MAX_FILE_BYTES = "PictureLimits::max_file_bytes";
    /// The most pixels of a picture.
    MAX_PIXELS = "PictureLimits::max_pixels";
    /// The size of the pictures of a store.
    PICTURE_SIZE = "StoredSize";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_named_without_its_type() {
        assert_eq!(PACK_LENGTH.to_string(), "`length`");
        assert_eq!(PACKED.to_string(), "`Packed`");
    }

    #[test]
    fn no_two_settings_have_the_same_path() {
        let mut paths: Vec<&str> = ALL.iter().map(|setting| setting.path()).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), ALL.len());
    }
}
