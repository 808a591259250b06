//! Image models and dual encoders.

mod dual;
mod folders;
mod inputs;
mod parity;
mod training;

use std::path::{Path, PathBuf};

use sst_core::{Forward, Model, PatchGrid, Pixels, RaggedRows, Tokens, encode_projected};
use sst_models::{LoadOptions, Loaded, open};
use tch::{Device, Kind, Reduction, Tensor};

use crate::case::{Case, golden};

/// The golden cases, with the `model_type` and the architecture.
pub(crate) const CASES: [(&str, &str, &str); 11] = [
    ("vit", "vit", "ViTForImageClassification"),
    ("vit-odd", "vit", "ViTForImageClassification"),
    ("mae", "vit_mae", "ViTMAEForPreTraining"),
    ("mae-norm", "vit_mae", "ViTMAEForPreTraining"),
    ("clip", "clip", "CLIPModel"),
    ("clip-two", "clip", "CLIPModel"),
    ("siglip", "siglip", "SiglipModel"),
    ("vit-rest", "vit", "ViTForImageClassification"),
    ("siglip-rest", "siglip", "SiglipModel"),
    ("dual", "vision-text-dual-encoder", "VisionTextDualEncoderModel"),
    ("dual-clip", "vision-text-dual-encoder", "VisionTextDualEncoderModel"),
];

fn folder(name: &str) -> PathBuf {
    golden("vision").join(name)
}

fn found(folder: &Path) -> Loaded {
    open(folder, &LoadOptions::new(Device::Cpu)).unwrap()
}

/// The inputs of a case.
struct Inputs {
    pixel_values: Tensor,
    visible: Option<Tensor>,
    labels: Option<Tensor>,
    input_ids: Option<Tensor>,
    mask: Option<Tensor>,
}

impl Inputs {
    fn read(case: &Case, prefix: &str) -> Self {
        let find = |name: &str| case.find(&format!("{prefix}{name}"));
        Self {
            pixel_values: find("pixel_values").unwrap(),
            visible: find("visible"),
            labels: find("labels"),
            input_ids: find("input_ids"),
            mask: find("attention_mask").map(|mask| mask.to_kind(Kind::Bool)),
        }
    }

    fn pixels(&self) -> Pixels<'_> {
        Pixels { visible: self.visible.as_ref(), ..Pixels::new(&self.pixel_values) }
    }

    fn tokens(&self) -> Tokens<'_> {
        let ids = self.input_ids.as_ref().unwrap();
        Tokens { attention_mask: self.mask.as_ref(), ..Tokens::new(ids) }
    }

    /// The tokens without padding, and their rows.
    fn ragged(&self) -> (Tensor, RaggedRows) {
        let (ids, mask) = (self.input_ids.as_ref().unwrap(), self.mask.as_ref().unwrap());
        let lengths = mask.sum_dim_intlist([1_i64].as_slice(), false, Kind::Int64);
        let lengths = Vec::<i64>::try_from(lengths).unwrap();
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        (ids.masked_select(mask), RaggedRows::new(&lengths, Device::Cpu))
    }
}

/// The projected vectors of texts or images, scaled to length 1.
fn unit(vectors: &Tensor) -> Tensor {
    vectors / vectors.norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)
}

/// The logits of texts against images.
fn logits_per_text(model: &dyn Model, texts: &Tensor, images: &Tensor) -> Tensor {
    model.similarity().unwrap().logits(&unit(texts).matmul(&unit(images).tr())).unwrap()
}

/// The mean squared error of masked patches (He et al. 2021).
fn reconstruction_loss(model: &dyn Model, inputs: &Inputs, forward: Forward) -> (Tensor, Tensor) {
    let encoder = model.encoder(sst_core::Modality::Image).unwrap();
    let grid = PatchGrid::new(encoder.spec()).unwrap();
    let decoder = model.patch_decoder().unwrap();
    let hidden = encoder.encode(inputs.pixels().into(), forward).unwrap().hidden_bld;
    let visible = inputs.visible.as_ref().unwrap();
    let logits = decoder.decode(&hidden, visible, forward).unwrap();
    let mut target = grid.cut(&inputs.pixel_values).unwrap();
    if decoder.norm_pix() {
        let [normal, _, _] = PatchGrid::normalize(&target).unwrap();
        target = normal;
    }
    let masked = grid.masked(visible).unwrap();
    let error = (&logits - &target).square().mean_dim([-1_i64].as_slice(), false, Kind::Float);
    let loss = (error * &masked).sum(Kind::Float) / masked.sum(Kind::Float);
    (loss, logits)
}

/// The loss that transformers has for a model of this type.
fn loss(model: &dyn Model, inputs: &Inputs, forward: Forward) -> Tensor {
    let cross_entropy = |logits: &Tensor, labels: &Tensor| {
        logits.cross_entropy_loss(labels, None::<Tensor>, Reduction::Mean, -100, 0.0)
    };
    match model.model_type() {
        "vit" => {
            cross_entropy(&class_logits(model, inputs, forward), inputs.labels.as_ref().unwrap())
        }
        "vit_mae" => reconstruction_loss(model, inputs, forward).0,
        model_type => {
            let images = encode_projected(model, inputs.pixels().into(), forward).unwrap();
            let texts = encode_projected(model, inputs.tokens().into(), forward).unwrap();
            let logits = logits_per_text(model, &texts, &images);
            let count = logits.size()[0];
            if model_type == "siglip" {
                let signs: Tensor = Tensor::eye(count, (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
                return -(signs * logits).log_sigmoid().sum(Kind::Float) / count as f64;
            }
            let labels = Tensor::arange(count, (Kind::Int64, Device::Cpu));
            (cross_entropy(&logits, &labels) + cross_entropy(&logits.tr(), &labels)) / 2.0
        }
    }
}

fn class_logits(model: &dyn Model, inputs: &Inputs, forward: Forward) -> Tensor {
    let head = model.head(sst_core::HeadKind::SequenceClassification).unwrap();
    let encoder = model.encoder(sst_core::Modality::Image).unwrap();
    let output = encoder.encode(inputs.pixels().into(), forward).unwrap();
    head.logits(&output.select(head.input(), None).unwrap(), forward).unwrap()
}
