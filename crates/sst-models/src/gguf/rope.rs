//! Rotary positions of a GGUF file: converts the keys and tensors that llama.cpp reads to the `rope_parameters` of
//! transformers.

use serde_json::{Value, json};

use super::file::Gguf;
use crate::error::ModelError;

/// The divisors of the frequencies, in one tensor for all layers (Llama 3.1 and later).
const FREQS: &str = "rope_freqs.weight";
/// The divisors for rows within the original positions, and those for longer rows.
const SHORT_AND_LONG: [&str; 2] = ["rope_factors_short.weight", "rope_factors_long.weight"];

/// The `rope_parameters` for heads of width `width` in a model with `positions` positions.
pub(super) fn parameters(gguf: &Gguf, width: i64, positions: i64) -> Result<Value, ModelError> {
    let real = |key: &str| gguf.real(&format!("llama.rope.{key}"));
    let theta = real("freq_base")?.unwrap_or(10_000.0);
    let scaling = gguf.text("llama.rope.scaling.type")?;
    // A factor without a type means linear scaling. It has a newer key, and an older one of GGUF's first year; 0
    // means no scaling.
    let factor = match scaling {
        Some("none") => None,
        _ => match real("scaling.factor")? {
            Some(factor) => Some(factor),
            None => real("scale_linear")?,
        },
    };
    let factor = factor.filter(|factor| *factor != 0.0);
    if let Some(factor) = factor.filter(|factor| *factor < 0.0) {
        return Err(gguf.bad(format!("scales positions by {factor}; a factor above 0 is needed")));
    }
    let original = gguf.whole("llama.rope.scaling.original_context_length")?;
    let original = original.filter(|original| *original > 0).unwrap_or(positions);
    let magnitude = match real("scaling.attn_factor")? {
        Some(magnitude) => Some(magnitude),
        None => real("scaling.yarn_attn_factor")?,
    };
    let with_theta = |mut rope: Value| {
        rope["rope_theta"] = json!(theta);
        rope
    };
    let divisors = divisors(gguf, FREQS, width)?;
    match scaling.unwrap_or("linear") {
        "none" | "linear" => {
            let factor = factor.unwrap_or(1.0);
            Ok(with_theta(match divisors {
                None if factor == 1.0 => json!({"rope_type": "default"}),
                None => json!({"rope_type": "linear", "factor": factor}),
                // `longrope` with the same factors for short and long rows divides each frequency by its own divisor.
                Some(divisors) => {
                    let divisors: Vec<f64> = divisors.iter().map(|by| by * factor).collect();
                    json!({
                        "rope_type": "longrope", "short_factor": divisors, "long_factor": divisors,
                        "factor": 1.0, "attention_factor": 1.0,
                        "original_max_position_embeddings": positions,
                    })
                }
            }))
        }
        "yarn" => {
            let Some(factor) = factor else {
                return Err(gguf.bad("has yarn positions without llama.rope.scaling.factor".into()));
            };
            if divisors.is_some() {
                return Err(
                    gguf.bad(format!("has yarn positions and {FREQS}, which do not go together"))
                );
            }
            for (key, usual) in
                [("scaling.yarn_ext_factor", 1.0), ("scaling.yarn_log_multiplier", 0.0)]
            {
                if real(key)?.is_some_and(|x| x != usual && x != -1.0) {
                    return Err(
                        gguf.bad(format!("has a llama.rope.{key}, which sst does not read"))
                    );
                }
            }
            let mut rope = with_theta(json!({
                "rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original,
            }));
            for (key, own) in
                [("scaling.yarn_beta_fast", "beta_fast"), ("scaling.yarn_beta_slow", "beta_slow")]
            {
                if let Some(turns) = real(key)? {
                    rope[own] = json!(turns);
                }
            }
            if let Some(magnitude) = magnitude {
                // llama.cpp multiplies the factor that the paper recommends by this number.
                let recommended = if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 };
                rope["attention_factor"] = json!(magnitude * recommended);
            }
            Ok(rope)
        }
        "longrope" => {
            let [short, long] = SHORT_AND_LONG.map(|name| self::divisors(gguf, name, width));
            let (Some(short), Some(long)) = (short?, long?) else {
                let message =
                    format!("has longrope positions without {}", SHORT_AND_LONG.join(" and "));
                return Err(gguf.bad(message));
            };
            let stretched = factor.unwrap_or(1.0);
            let times = |divisors: Vec<f64>| -> Vec<f64> {
                divisors.into_iter().map(|by| by * stretched).collect()
            };
            Ok(with_theta(json!({
                "rope_type": "longrope", "short_factor": times(short), "long_factor": times(long),
                "factor": 1.0, "attention_factor": magnitude.unwrap_or(1.0),
                "original_max_position_embeddings": original,
            })))
        }
        other => Err(gguf.bad(format!(
            "scales positions by the method `{other}`; sst reads none, linear, yarn and longrope"
        ))),
    }
}

/// The divisors in tensor `name`, for heads of width `width`; `None` if the file has no such tensor.
fn divisors(gguf: &Gguf, name: &str, width: i64) -> Result<Option<Vec<f64>>, ModelError> {
    if !gguf.has(name) {
        return Ok(None);
    }
    if gguf.shape(name)? != [width / 2] {
        let message =
            format!("{name} has the shape {:?}; [{}] is needed", gguf.shape(name)?, width / 2);
        return Err(gguf.bad(message));
    }
    let (numbers, _) = gguf.tensor(name)?;
    if let Some(number) = numbers.iter().find(|number| **number <= 0.0) {
        return Err(gguf.bad(format!("{name} holds {number}; numbers above 0 are needed")));
    }
    Ok(Some(numbers.into_iter().map(f64::from).collect()))
}
