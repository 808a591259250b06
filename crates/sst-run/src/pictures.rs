//! The pictures of a recipe: prepared data, rows, and what else an objective on pictures needs.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};
use sst_data::pictures::transform::PictureTransforms;
use sst_data::pictures::{
    CaptionChoice, CaptionTokens, PictureError, PicturePreparation, PictureSource, PictureStore,
    Pictures,
};
use sst_data::rows::{Dataset, Subset};
use sst_data::{Ledger, Processor};

use crate::error::{Result, RunError};
use crate::observer::Notice;
use crate::prepared::CheckedRecipe;
use crate::recipe::{ImageSection, OnlineEval, Problem, Task};
use crate::task_rows::REPORT_EVERY;

/// The name under which the ledger counts captions that another picture has, too.
const REPEATED: &str = "captions.repeated";

/// Which random transforms rows have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Randomness {
    /// None.
    None,
    /// Those of `[[data.transform]]`.
    OfRecipe,
}

impl CheckedRecipe {
    /// The tasks on pictures, with their sources.
    pub(crate) fn picture_sources(&self) -> Vec<(&Task, PictureSource)> {
        let Some(image) = &self.config.image else { return Vec::new() };
        let tasks = self.config.tasks.list.iter();
        let tasks = tasks.filter(|task| task.rows().is_ok_and(|rows| rows.have_pictures()));
        tasks.map(|task| (task, self.source_of(task, image))).collect()
    }

    /// The source of a task. Where an evaluator learns from labels and no field is named, the folders are the labels.
    fn source_of(&self, task: &Task, image: &ImageSection) -> PictureSource {
        let source = task.data.picture_source(image);
        let are_folders = source.paths.iter().all(|path| Path::new(path).is_dir());
        let online = self.config.train.online_eval.as_ref();
        match source.label_field {
            None if are_folders && online.is_some_and(OnlineEval::needs_labels) => {
                PictureSource { label_field: Some("label".to_owned()), ..source }
            }
            _ => source,
        }
    }

    /// All captions of the data, to train a tokenizer on.
    ///
    /// # Errors
    /// If the data cannot be read.
    pub(crate) fn captions(&self, ledger: &Ledger) -> Result<Vec<String>> {
        let mut captions = Vec::new();
        for (task, source) in self.picture_sources() {
            let read = source.read(ledger, &mut |picture| {
                captions.extend(picture.captions.into_iter().flatten());
                Ok(())
            });
            read.map_err(|error| refuse(task, error))?;
        }
        Ok(captions)
    }

    /// `[image]` of a recipe with a task on pictures.
    fn image(&self, task: &Task) -> Result<&ImageSection> {
        let none = || self.refuse(Problem::new(&task.key("objective.name"), "needs [image]"));
        self.config.image.as_ref().ok_or_else(none)
    }

    /// The pictures of a task, from the cache or prepared now.
    ///
    /// # Errors
    /// If the data cannot be read, or a picture cannot be used and is not skipped.
    pub(crate) fn prepare_pictures(
        &self,
        task: &Task,
        captions: bool,
        ledger: &Ledger,
    ) -> Result<Arc<PictureStore>> {
        let image = self.image(task)?;
        let source = self.source_of(task, image);
        let mut reported = Instant::now();
        let mut progress = |pictures: u64, bytes: u64| {
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                self.observer.notice(&Notice::PreparingPictures { pictures, bytes });
            }
        };
        let preparation = PicturePreparation {
            source: &source,
            stored: image.stored(),
            labels: None,
            ledger,
            cache: &self.cache()?.join("pictures"),
        };
        let store = preparation.prepare(&mut progress).map_err(|error| refuse(task, error))?;
        if captions {
            ledger.add(REPEATED, store.repeated_captions()?, None);
        }
        Ok(store)
    }

    /// The transforms of a task, which end with the size and the numbers that the model reads.
    ///
    /// # Errors
    /// If the configuration of a transform is invalid.
    pub(crate) fn picture_transforms(
        &self,
        task: &Task,
        randomness: Randomness,
    ) -> Result<PictureTransforms> {
        let configs: Vec<Value> =
            task.data.transforms().iter().cloned().map(Value::Object).collect();
        let seed = self.config.run.seed;
        let build = |configs: &[Value]| PictureTransforms::from_configs(seed, configs);
        let transforms = build(&configs).map_err(|error| {
            let is_wrong = |config: &Value| build(std::slice::from_ref(config)).is_err();
            let at = configs.iter().position(is_wrong).unwrap_or_default();
            let key = task.key(&format!("data.transform[{at}]"));
            self.refuse(Problem::new(&key, error.to_string()))
        })?;
        let transforms = match randomness {
            Randomness::None => transforms.without_random(),
            Randomness::OfRecipe => transforms,
        };
        let after = self.image(task)?.processor().after(transforms);
        after.map_err(|error| self.refuse(Problem::new("image", error.to_string())))
    }

    /// The pictures of a part of a task for evaluators of frozen vectors: one view without random transforms, and the
    /// label, if there are labels.
    ///
    /// # Errors
    /// If a transform is invalid.
    pub(crate) fn plain_pictures(
        &self,
        task: &Task,
        store: &Arc<PictureStore>,
        subset: Subset,
    ) -> Result<Pictures> {
        let transforms = self.picture_transforms(task, Randomness::None)?;
        let rows = Pictures::new(Arc::clone(store), transforms, subset);
        rows.map_err(|error| self.refuse_rows(task, error))
    }

    /// The rows of a part of the pictures of a task.
    ///
    /// # Errors
    /// If there is no room for the tokens of captions, or a transform is invalid.
    pub(crate) fn picture_rows(
        &self,
        task: &Task,
        store: &Arc<PictureStore>,
        subset: Subset,
        (views, captions): (usize, bool),
        processor: &Processor,
        ledger: &Ledger,
    ) -> Result<Arc<dyn Dataset>> {
        // Random transforms are applied to training rows only, and where several views are compared: without them, the views
        // of a picture would be equal. Evaluators read epoch 0, so each evaluation of a run sees the same views.
        let randomness = match subset {
            Subset::Validation { .. } if views < 2 => Randomness::None,
            _ => Randomness::OfRecipe,
        };
        let transforms = self.picture_transforms(task, randomness)?;
        let rows = Pictures::new(Arc::clone(store), transforms, subset);
        let mut rows = rows.map_err(|error| self.refuse_rows(task, error))?.with_views(views);
        if captions {
            let tokens = CaptionTokens::uncounted(processor.tokenizer()?, task.data.max_length);
            rows = rows.with_caption_tokens(tokens.map_err(|error| self.refuse_rows(task, error))?);
            let mut transforms = self.transforms(task, processor.tokenizer()?, ledger)?;
            match subset {
                Subset::Validation { .. } => transforms = transforms.without_random(),
                Subset::All | Subset::Train { .. } => {
                    rows = rows.with_captions(CaptionChoice::Draw { seed: self.config.run.seed });
                }
            }
            rows = rows.with_caption_transforms(transforms);
            rows.count_losses(ledger).map_err(|error| self.refuse_rows(task, error))?;
        }
        Ok(Arc::new(rows))
    }

    /// The keys of the model's config.json that follow from the objectives.
    ///
    /// # Errors
    /// If two objectives need different values, or the recipe has another one.
    pub(crate) fn objective_keys(&self) -> Result<Map<String, Value>> {
        let mut keys = Map::new();
        for task in &self.config.tasks.list {
            let entry = sst_objectives::entry(task.objective_name())?;
            for (key, value) in (entry.model_keys)(&task.objective_config()) {
                let of_objective = task.key(&format!("objective.{key}"));
                let written = format!("model.config.{key}");
                if let Some(other) = self.written.get(&written).filter(|other| **other != value) {
                    let message = format!("is {other}, and {of_objective} is {value}: remove it");
                    return Err(self.refuse(Problem::new(&written, message)));
                }
                if keys.get(&key).is_some_and(|before| *before != value) {
                    let message = format!(
                        "is {value}, and another task has another value: the model has one for all"
                    );
                    return Err(self.refuse(Problem::new(&of_objective, message)));
                }
                keys.insert(key, value);
            }
        }
        Ok(keys)
    }
}

/// The error of pictures, with the name of the task.
fn refuse(task: &Task, error: PictureError) -> RunError {
    RunError::of_task(task, error)
}
