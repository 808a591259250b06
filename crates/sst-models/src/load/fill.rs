//! Builds the model that was planned and loads its weights.

use std::collections::BTreeSet;
use std::sync::Arc;

use sst_core::checkpoint::{
    Allow, CheckpointError, FileShapes, LoadReport, Renamed, Weights, load_params,
};
use sst_core::lora::is_lora;
use sst_core::{Adapter, LoraConfig, Model};

use super::prepare::Prepared;
use super::{LoadOptions, targets};
use crate::adapter::{AdapterFolder, base_model};
use crate::error::{ModelError, bad};
use crate::plan::Parts;

/// Accepts every parameter that is missing and every tensor that is left unused. What is missing has been checked
/// before, and what is left is reported.
const ANY: [String; 1] = [String::new()];

impl Prepared {
    /// Builds the model and loads its weights.
    pub(super) fn fill(
        &self,
        options: &LoadOptions,
    ) -> Result<(Box<dyn Model>, LoadReport), ModelError> {
        let adapter = match (&self.adapter, &options.lora) {
            (Some(folder), _) => {
                Some(folder.adapter(&self.weights, self.entry, self.plan.architecture)?)
            }
            (None, Some(lora)) => Some(self.new_adapter(lora)?),
            (None, None) => None,
        };
        let allow = Allow {
            missing: [&options.allow.missing[..], &self.plan.new].concat(),
            unexpected: ANY.to_vec(),
        };
        let renamed = |name: &str| self.of_weights(name);
        let mut shapes = FileShapes::new(&self.weights, renamed, &allow)?;
        if let Some(folder) = &self.adapter {
            shapes = shapes.with(&folder.weights, |name| self.of_adapter(name))?;
        }
        let shapes = Arc::new(shapes);
        let file = Some(Arc::clone(&shapes));
        let is_new = adapter.as_ref().is_some_and(|adapter| adapter.is_new);
        let parts = Parts { pooler: self.plan.pooler, file, adapter };
        let built = (self.entry.build)(&self.config, &self.build, &parts);
        if let Some(mut report) = shapes.problems() {
            // The names in the file may show why parameters are missing.
            let known = built.as_ref().ok();
            let unknown = |name: &&str| match (self.of_weights(name), known) {
                (Renamed::To(target), Some(model)) => model.params().get(&target).is_none(),
                _ => false,
            };
            report.unexpected = self.weights.names().filter(unknown).map(str::to_owned).collect();
            return Err(mismatch(&self.weights, report));
        }
        let mut model = built?;
        if let Some(lora) = options.lora.as_ref() {
            check_targets(lora, &*model)?;
        }
        let report = match &self.adapter {
            Some(folder) => self.load_both(&mut *model, folder, options)?,
            None if is_new => self.load_base(&mut *model)?,
            None => load_params(model.params_mut(), &self.weights, renamed, &allow)?,
        };
        Ok((model, report))
    }

    /// How a tensor of the weights is used.
    fn of_weights(&self, name: &str) -> Renamed {
        self.plan.renames.get(name).cloned().unwrap_or(Renamed::Unused)
    }

    /// How a tensor of the adapter is used.
    fn of_adapter(&self, name: &str) -> Renamed {
        AdapterFolder::rename(name, self.entry, self.plan.architecture)
    }

    /// A new adapter. The task head is trained as a whole, and so are other modules that the file lacks: nothing but
    /// the adapter holds them.
    fn new_adapter(&self, lora: &LoraConfig) -> Result<Adapter, ModelError> {
        let module = self.plan.task.as_ref().map(|task| task.module.to_owned());
        let base = base_model(self.weights.path(), &self.weights)?;
        let mut adapter = Adapter {
            lora: lora.clone(),
            modules_to_save: module.into_iter().collect(),
            base,
            is_new: true,
        };
        for name in &self.plan.new {
            match name.rsplit_once('.') {
                _ if adapter.holds(name) => {}
                Some((module, end)) if !end.is_empty() => {
                    adapter.modules_to_save.push(module.to_owned());
                }
                _ => {
                    let message = "the folder lacks the language-model head that is trained, and an adapter holds no \
                                   such head: train the head first, without LoRA";
                    return Err(bad("lora", message));
                }
            }
        }
        Ok(adapter)
    }

    /// Loads the weights of the base model of a new adapter.
    fn load_base(&self, model: &mut dyn Model) -> Result<LoadReport, ModelError> {
        let any = Allow { missing: ANY.to_vec(), unexpected: ANY.to_vec() };
        let renamed = |name: &str| self.of_weights(name);
        let mut report = load_params(model.params_mut(), &self.weights, renamed, &any)?;
        if let Some(name) = report.missing.iter().find(|name| !model.params().is_saved(name)) {
            let message = format!(
                "the folder lacks `{name}`, which an adapter does not hold: its initial value would be lost"
            );
            return Err(bad("lora", &message));
        }
        report.missing.retain(|name| !is_lora(name));
        Ok(report)
    }

    /// Loads the weights of the base model, except for those that the adapter holds, and then the adapter.
    fn load_both(
        &self,
        model: &mut dyn Model,
        folder: &AdapterFolder,
        options: &LoadOptions,
    ) -> Result<LoadReport, ModelError> {
        let any = Allow { missing: ANY.to_vec(), unexpected: ANY.to_vec() };
        let targets = folder.weights.names().map(|name| self.of_adapter(name));
        let held: BTreeSet<String> = targets
            .filter_map(|target| match target {
                Renamed::To(name) => Some(name),
                _ => None,
            })
            .collect();
        let of_base = |name: &str| match self.of_weights(name) {
            Renamed::To(target) if held.contains(&target) => Renamed::Ignore,
            other => other,
        };
        let mut report = load_params(model.params_mut(), &self.weights, of_base, &any)?;
        let of_adapter = |name: &str| self.of_adapter(name);
        let own = load_params(model.params_mut(), &folder.weights, of_adapter, &any)?;
        // A head that was not asked for, and matrices of layers that the model is built without, may stay unused.
        if !own.unexpected.is_empty() && folder.architecture() == Some(self.plan.architecture) {
            let unexpected = own.unexpected;
            let report = LoadReport { unexpected, ..LoadReport::default() };
            return Err(mismatch(&folder.weights, report));
        }
        let is_allowed =
            |name: &String| options.allow.missing.iter().any(|p| name.starts_with(&**p));
        report.missing.retain(|name| !own.loaded.contains(name));
        if !report.missing.iter().all(is_allowed) {
            let missing = std::mem::take(&mut report.missing);
            return Err(mismatch(&self.weights, LoadReport { missing, ..LoadReport::default() }));
        }
        report.loaded.extend(own.loaded);
        report.unexpected.extend(own.unexpected);
        report.ignored.extend(own.ignored);
        for (dtype, count) in own.converted {
            *report.converted.entry(dtype).or_default() += count;
        }
        Ok(report)
    }
}

fn mismatch(weights: &Weights, report: LoadReport) -> ModelError {
    let (path, report) = (weights.path().to_owned(), Box::new(report));
    sst_core::Error::from(CheckpointError::Mismatch { path, report }).into()
}

/// Checks that each target names a linear layer that is adapted.
fn check_targets(lora: &LoraConfig, model: &dyn Model) -> Result<(), ModelError> {
    let params = model.params();
    let layers: Vec<&str> = params.adapted_layers().map(|(name, _)| name).collect();
    let matrices = params.iter().filter(|(name, tensor)| tensor.dim() == 2 && !is_lora(name));
    let known: Vec<&str> = matrices.filter_map(|(name, _)| name.strip_suffix(".weight")).collect();
    targets::check(lora, &layers, &known)
}
