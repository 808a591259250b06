//! Encoding from embeddings: `embed` and `encode_embedded`.

use sst_core::checkpoint::Allow;
use sst_core::{Embedded, Forward, HeadInput, Input, Model, Pixels, RaggedRows, Tokens};
use tch::{Device, Kind, Tensor};

use crate::case::{Case, close, golden};

const CASES: [(&str, &str); 3] =
    [("bert", "bert/plain"), ("gpt2", "causal/gpt2"), ("llama", "causal/llama")];

struct Inputs {
    ids: Tensor,
    mask: Tensor,
    types: Option<Tensor>,
    rows: RaggedRows,
}

impl Inputs {
    fn read(case: &Case) -> Self {
        let mask = case.get("attention_mask").to_kind(Kind::Bool);
        let lengths = mask.sum_dim_intlist(1, false, Kind::Int64);
        let lengths = Vec::<i64>::try_from(lengths).unwrap();
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        Self {
            ids: case.get("input_ids"),
            types: case.find("token_type_ids"),
            rows: RaggedRows::new(&lengths, Device::Cpu),
            mask,
        }
    }

    fn tokens(&self) -> Tokens<'_> {
        let (attention_mask, token_type_ids) = (Some(&self.mask), self.types.as_ref());
        Tokens { attention_mask, token_type_ids, ..Tokens::new(&self.ids) }
    }

    /// Gathers `[b, l, ...]` into `[t, ...]`.
    fn flat(&self, x: &Tensor) -> Tensor {
        x.flatten(0, 1).index_select(0, &self.mask.flatten(0, 1).nonzero().squeeze_dim(1))
    }
}

fn load(folder: &str) -> Box<dyn Model> {
    sst_models::load(&golden(folder), None, Device::Cpu, &Allow::default()).unwrap().0
}

/// The chosen logits, and the gradient of their sum with respect to the embedded input.
fn saliency(model: &dyn Model, embedded: &Embedded, case: &Case) -> (Tensor, Tensor) {
    let hidden = embedded.hidden.detach().set_requires_grad(true);
    let input = embedded.with_hidden(hidden.shallow_clone()).unwrap();
    let output = model.text_encoder().unwrap().encode_embedded(input, Forward::EVAL).unwrap();
    let last_bd =
        output.select(HeadInput::LastToken { padding_id: None }, &case.get("input_ids")).unwrap();
    let logits_bv = model.lm_head().unwrap().logits(&last_bd, Forward::EVAL).unwrap();
    let logits_b = logits_bv.gather(1, &case.get("tokens").unsqueeze(1), false).squeeze_dim(1);
    logits_b.sum(Kind::Float).backward();
    (logits_b, hidden.grad())
}

#[test]
fn gradients_with_respect_to_embeddings_equal_transformers() {
    for (name, folder) in CASES {
        let (case, model) = (Case::open(&golden(&format!("embedded/{name}"))), load(folder));
        let (inputs, encoder) = (Inputs::read(&case), model.text_encoder().unwrap());
        let [want_embedded, want_grad] = ["embedded", "grad"].map(|name| case.get(name));

        let padded = encoder.embed(inputs.tokens().into(), Forward::EVAL).unwrap();
        close(name, &inputs.flat(&padded.hidden), &inputs.flat(&want_embedded), 1e-5);
        let (logits, grad) = saliency(&*model, &padded, &case);
        close(&format!("{name}: logits"), &logits, &case.get("logits"), 1e-5);
        close(&format!("{name}: gradient"), &grad, &want_grad, 1e-5);

        let (ids, types) = (inputs.flat(&inputs.ids), inputs.types.as_ref());
        let types = types.map(|types| inputs.flat(types));
        let ragged =
            Tokens { token_type_ids: types.as_ref(), ..Tokens::ragged(&ids, &inputs.rows) };
        let ragged = encoder.embed(ragged.into(), Forward::EVAL).unwrap();
        let (logits, grad) = saliency(&*model, &ragged, &case);
        close(&format!("{name}: logits of ragged rows"), &logits, &case.get("logits"), 1e-5);
        close(&format!("{name}: gradient of ragged rows"), &grad, &inputs.flat(&want_grad), 1e-5);
    }
}

/// The same with dropout, whose random numbers are drawn in the same order.
#[test]
fn two_halves_equal_the_whole_bit_for_bit() {
    let _turn = crate::generator();
    let small = crate::case::small(0.2);
    let models = CASES.map(|(name, folder)| (name, load(folder)));
    for (name, model) in
        models.iter().map(|(name, model)| (*name, &**model)).chain([("small", &*small)])
    {
        let folder = if name == "small" { "bert" } else { name };
        let inputs = Inputs::read(&Case::open(&golden(&format!("embedded/{folder}"))));
        let ids = inputs.ids.remainder(model.vocab_size().unwrap() as i64);
        let ragged = inputs.flat(&ids);
        let padded = Tokens { input_ids: &ids, ..inputs.tokens() };
        for tokens in [padded, Tokens::new(&ids), Tokens::ragged(&ragged, &inputs.rows)] {
            for forward in [Forward::EVAL, Forward::TRAIN] {
                let encoder = model.text_encoder().unwrap();
                tch::manual_seed(7);
                let whole = encoder.encode(tokens.into(), forward).unwrap().hidden_bld;
                tch::manual_seed(7);
                let embedded = encoder.embed(tokens.into(), forward).unwrap();
                assert_eq!(embedded.hidden.size(), whole.size(), "{name}");
                let halves = encoder.encode_embedded(embedded, forward).unwrap().hidden_bld;
                assert!(whole.equal(&halves), "{name} {forward:?}");
            }
        }
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let model = crate::case::small(0.0);
    let encoder = model.text_encoder().unwrap();
    let pixel_values = Tensor::zeros([1, 3, 8, 8], (Kind::Float, Device::Cpu));
    let image = Input::from(Pixels::new(&pixel_values));
    let error = encoder.embed(image, Forward::EVAL).map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "an encoder for text inputs cannot read image inputs");
    let ids = Tensor::zeros([1, 4], (Kind::Int64, Device::Cpu));
    let embedded = encoder.embed(Tokens::new(&ids).into(), Forward::EVAL).unwrap();
    let other = Tensor::zeros([1, 5, 32], (Kind::Float, Device::Cpu));
    let error = embedded.with_hidden(other).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("[1, 5, 32]") && error.contains("[1, 4, 32]"), "{error}");
    let error = model.encoder(sst_core::Modality::Image).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("`bert`") && error.contains("image inputs"), "{error}");
}
