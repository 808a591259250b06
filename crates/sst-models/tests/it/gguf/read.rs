//! Which files are read, with which result, and which are refused.

use serde_json::{Value, json};
use sst_core::checkpoint::Allow;
use sst_data::UnusedKind;
use sst_models::{gguf, load};
use tch::{Device, Tensor};

use super::build::{self, Meta, Raw, fp32};
use super::{file_with, metadata, read, tensors, with};
use crate::case::golden;

#[test]
fn a_file_holds_the_model_that_it_was_made_of() {
    let found = read(&build::file(&metadata(), &tensors())).unwrap();
    let want = load(&golden("causal/llama"), None, Device::Cpu, &Allow::default()).unwrap().0;
    assert_eq!(found.model.params().iter().count(), want.params().iter().count());
    for (name, tensor) in want.params().iter() {
        assert!(found.model.params().get(name).unwrap().equal(tensor), "{name}");
    }
    let (found_config, want_config) = (found.model.config(), want.config());
    for key in ["rope_parameters", "rms_norm_eps", "tie_word_embeddings", "num_key_value_heads"] {
        assert_eq!(found_config[key], want_config[key], "{key}");
    }
    let bytes = found.tokenizer.to_string();
    let tokenizer = sst_data::tokenize::Tokenizer::from_json("t", bytes.as_bytes()).unwrap();
    assert_eq!(tokenizer.encode("abba<|end|>").unwrap(), [3, 2, 1, 0]);
    assert_eq!(found.tokenizer_config["eos_token"], Value::from("<|end|>"));
}

#[test]
fn broken_and_foreign_files_are_refused_by_what_is_wrong() {
    let whole = build::file(&metadata(), &tensors());
    let check = |bytes: &[u8], expected: &str| {
        let error = read(bytes).map(|_| ()).unwrap_err();
        assert!(error.contains("model.gguf") && error.contains(expected), "{expected}: {error}");
    };
    check(b"PK..and so on", "not a GGUF file");
    check(&whole[..200], "cut off in its header");
    check(&whole[..whole.len() - 40], "is not all there");
    let mut version = whole.clone();
    version[4] = 1;
    check(&version, "GGUF version 1");
    let mut big = whole.clone();
    big[4..8].reverse();
    check(&big, "is big-endian");
    check(b"lmgg\x03\0\0\0", "before GGUF");
    let mut long = whole.clone();
    long[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    check(&long, "an impossible count");
    check(&file_with("general.architecture", Meta::Text("mamba")), "architecture `mamba`");
    check(&file_with("tokenizer.ggml.model", Meta::Text("llama")), "a `llama` tokenizer");
    check(&file_with("tokenizer.ggml.pre", Meta::Text("qwen2")), "as `qwen2` does");
    check(&file_with("tokenizer.ggml.eos_token_id", Meta::Whole(9)), "no token 9");
    check(
        &file_with("llama.rope.scaling.type", Meta::Text("yarn")),
        "without llama.rope.scaling.factor",
    );
    check(&file_with("llama.rope.scaling.type", Meta::Text("spiral")), "by the method `spiral`");
    check(&file_with("llama.rope.scale_linear", Meta::Real(f32::NAN)), "a finite number is needed");
    check(&file_with("llama.rope.scaling.factor", Meta::Real(-2.0)), "a factor above 0");
    check(&file_with("llama.attention.scale", Meta::Real(0.5)), "llama.attention.scale is 0.5");
    check(&file_with("llama.attention.value_length", Meta::Whole(4)), "values of width 4");
    check(&file_with("llama.expert_count", Meta::Whole(8)), "a mixture of 8 experts");
    check(&file_with("split.count", Meta::Whole(2)), "one of 2 parts");
    check(&file_with("tokenizer.ggml.add_bos_token", Meta::Flag(true)), "add_bos_token is true");
    // A value of the wrong type is an error, and does not count as missing.
    check(
        &file_with("llama.attention.head_count_kv", Meta::Wholes(&[2, 1])),
        "a whole number is needed",
    );
    check(&file_with("tokenizer.ggml.eos_token_id", Meta::Text("0")), "a whole number is needed");
    check(&file_with("tokenizer.ggml.pre", Meta::Whole(1)), "a text is needed");
    // Sizes are compared with the tensors before memory is allocated for them.
    check(&file_with("llama.embedding_length", Meta::Whole(1 << 30)), "a head is 268435456 wide");
    check(
        &file_with("llama.feed_forward_length", Meta::Whole(1 << 30)),
        "and the sizes in the metadata ask",
    );
    check(
        &file_with("llama.block_count", Meta::Whole(1 << 30)),
        "lacks the tensor of `model.layers.2.",
    );
    check(&file_with("llama.context_length", Meta::Whole(0)), "llama.context_length is 0");
    check(&file_with("llama.block_count", Meta::Whole(3)), "lacks the tensor of `model.layers.2.");
    check(&file_with("llama.block_count", Meta::Whole(1)), "has not: `blk.1.");
}

#[test]
fn tensors_that_cannot_be_are_refused() {
    let check = |change: &dyn Fn(&mut Vec<Raw>), expected: &str| {
        let mut all = tensors();
        change(&mut all);
        let error = read(&build::file(&metadata(), &all)).map(|_| ()).unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    let find =
        |all: &mut Vec<Raw>, name: &str| all.iter().position(|raw| raw.name == name).unwrap();
    check(&|all| all[0].shape.clear(), "has 0 dimensions");
    check(&|all| all[0].shape = vec![1; 5], "has 5 dimensions");
    check(&|all| all[0].shape[0] = 0, "an impossible shape");
    check(&|all| all[0].kind = 23, "type 23 (IQ4_XS); sst reads F32");
    check(&|all| all[0].kind = 99, "type 99 (unknown)");
    check(
        &|all| {
            let name = all[1].name.clone();
            all[0].name = name;
        },
        "two tensors",
    );
    check(
        &|all| {
            let at = find(all, "blk.0.ffn_up.weight");
            all[at].bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        },
        "`blk.0.ffn_up.weight` holds NaN at place 2",
    );
    check(
        &|all| {
            let at = find(all, "token_embd.weight");
            all[at].shape = vec![97 * 32];
        },
        "which is not a matrix",
    );
    check(
        &|all| all.push(fp32("blk.0.attn_q_norm.weight", &Tensor::from(1.0_f32).view(1))),
        "has not",
    );
    check(&|all| all.push(fp32("output.bias", &Tensor::from_slice(&[1_f32; 97]))), "has not");
}

#[test]
fn tensors_over_each_other_are_refused() {
    let mut bytes = build::file(&metadata(), &tensors());
    // The second tensor begins where the first does.
    let name = tensors()[1].name.clone();
    let at = bytes.windows(name.len()).position(|part| part == name.as_bytes()).unwrap();
    let at = at + name.len() + 4 + 8 * tensors()[1].shape.len() + 4;
    bytes[at..at + 8].fill(0);
    let error = read(&bytes).map(|_| ()).unwrap_err();
    assert!(error.contains("lies over the one before it"), "{error}");
    bytes[at] = 3;
    let error = read(&bytes).map(|_| ()).unwrap_err();
    assert!(error.contains("not a multiple of the file's alignment"), "{error}");
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let mut all = metadata();
    all.push(("llama.context_length", Meta::Whole(41)));
    let error = read(&build::file(&all, &tensors())).map(|_| ()).unwrap_err();
    assert!(error.contains("says `llama.context_length` twice"), "{error}");
}

/// Metadata takes about as much memory as in the file, and is not read beyond a limit.
#[test]
fn a_long_list_takes_its_own_size_and_nothing_has_no_end() {
    let found = read(&file_with("x", Meta::Bytes(20_000_000))).unwrap();
    assert_eq!(found.unused.of(UnusedKind::ConfigKey).collect::<Vec<_>>(), ["x"]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    std::fs::write(&path, file_with("x", Meta::Bytes(100))).unwrap();
    let file = gguf::Gguf::open(&path).unwrap();
    assert!(matches!(file.find("x"), Some(gguf::MetaValue::Numbers(list)) if list.len() == 100));
    let error = read(&file_with("x", Meta::Bytes(269_000_000))).map(|_| ()).unwrap_err();
    assert!(error.contains("a header of more than 256 MiB"), "{error}");
}

#[test]
fn keys_and_tensors_that_are_not_used_are_listed_and_known_ones_are_not() {
    let mut all = metadata();
    for key in ["general.name", "general.license.link", "general.quantization_version"] {
        all.push((key, Meta::Text("x")));
    }
    let unknown = ["general.sparkle", "llama.logit_softcap", "llama.rope.scaling.factor", "zebra"];
    all.push(("llama.rope.scaling.type", Meta::Text("none")));
    all.push(("llama.expert_count", Meta::Whole(0)));
    all.push(("llama.expert_used_count", Meta::Whole(0)));
    all.extend(unknown.map(|key| (key, Meta::Real(2.0))));
    let mut more = tensors();
    more.push(fp32("mm.0.weight", &Tensor::from_slice(&[1_f32, 2.0])));
    let found = read(&build::file(&all, &more)).unwrap();
    assert_eq!(found.unused.of(UnusedKind::ConfigKey).collect::<Vec<_>>(), unknown);
    assert_eq!(found.unused.of(UnusedKind::Tensor).collect::<Vec<_>>(), ["mm.0.weight"]);
    assert_eq!(found.model.config()["rope_parameters"]["rope_type"], "default");
    assert!(read(&build::file(&metadata(), &tensors())).unwrap().unused.is_empty());
}

#[test]
fn stretched_positions_are_those_of_llama_cpp() {
    let rope = |more: &[(&'static str, Meta<'static>)], divisors: &[(&str, &[f32])]| -> Value {
        let mut all = metadata();
        all.extend(more.iter().cloned());
        let mut with = tensors();
        with.extend(divisors.iter().map(|(name, by)| fp32(name, &Tensor::from_slice(by))));
        let mut rope =
            read(&build::file(&all, &with)).unwrap().model.config()["rope_parameters"].take();
        assert_eq!(rope["rope_theta"], 10_000.0);
        rope.as_object_mut().unwrap().remove("rope_theta");
        rope
    };
    let linear = json!({"rope_type": "linear", "factor": 4.0});
    let kind = "llama.rope.scaling.type";
    let factor = ("llama.rope.scaling.factor", Meta::Real(4.0));
    assert_eq!(rope(&[("llama.rope.scale_linear", Meta::Real(4.0))], &[]), linear);
    assert_eq!(rope(&[(kind, Meta::Text("linear")), factor.clone()], &[]), linear);
    assert_eq!(rope(std::slice::from_ref(&factor), &[]), linear);
    let both = [factor.clone(), ("llama.rope.scale_linear", Meta::Real(9.0))];
    assert_eq!(rope(&both, &[]), linear);
    let plain = json!({"rope_type": "default"});
    assert_eq!(rope(&[("llama.rope.scale_linear", Meta::Real(0.0))], &[]), plain);
    assert_eq!(rope(&[(kind, Meta::Text("none")), factor.clone()], &[]), plain);
    let yarn = [
        (kind, Meta::Text("yarn")),
        factor.clone(),
        ("llama.rope.scaling.original_context_length", Meta::Whole(10)),
    ];
    let want = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 10});
    assert_eq!(rope(&yarn, &[]), want);
    let louder = [&yarn[..], &[("llama.rope.scaling.attn_factor", Meta::Real(2.0))]].concat();
    let magnitude = rope(&louder, &[])["attention_factor"].as_f64().unwrap();
    assert!((magnitude - 2.0 * (1.0 + 0.1 * 4_f64.ln())).abs() < 1e-12);
    let own = [1.0, 2.0, 4.0, 8.0];
    let want = json!({
        "rope_type": "longrope", "short_factor": own, "long_factor": own, "factor": 1.0,
        "attention_factor": 1.0, "original_max_position_embeddings": 40,
    });
    assert_eq!(rope(&[], &[("rope_freqs.weight", &[1.0, 2.0, 4.0, 8.0])]), want);
    let twice = rope(&[factor], &[("rope_freqs.weight", &[1.0, 2.0, 4.0, 8.0])]);
    assert_eq!(twice["long_factor"], json!([4.0, 8.0, 16.0, 32.0]));
    let long = [
        (kind, Meta::Text("longrope")),
        ("llama.rope.scaling.original_context_length", Meta::Whole(10)),
        ("llama.rope.scaling.attn_factor", Meta::Real(1.25)),
    ];
    let divisors: [(&str, &[f32]); 2] = [
        ("rope_factors_short.weight", &[1.0, 1.0, 1.0, 2.0]),
        ("rope_factors_long.weight", &[1.0, 2.0, 4.0, 8.0]),
    ];
    let want = json!({
        "rope_type": "longrope", "short_factor": [1.0, 1.0, 1.0, 2.0], "long_factor": own,
        "factor": 1.0, "attention_factor": 1.25, "original_max_position_embeddings": 10,
    });
    assert_eq!(rope(&long, &divisors), want);
}

/// Queries, keys and values may have biases without the other projections, as in Qwen2.
#[test]
fn biases_are_read_and_turned_as_their_rows() {
    let mut all = tensors();
    let bias = Tensor::arange(32, (tch::Kind::Float, Device::Cpu));
    all.push(fp32("blk.0.attn_q.bias", &bias));
    all.push(fp32("blk.1.attn_v.bias", &bias.narrow(0, 0, 16)));
    let found = read(&build::file(&metadata(), &all)).unwrap();
    let config = found.model.config();
    assert_eq!((&config["attention_bias"], &config["mlp_bias"]), (&json!(true), &json!(false)));
    let get = |name: &str| found.model.params().get(&format!("model.layers.{name}.bias")).unwrap();
    // Four heads with four pairs: the two dimensions of a rotation were adjacent.
    let want = bias.view([4, 4, 2]).transpose(1, 2).flatten(0, 2);
    assert_eq!(get("0.self_attn.q_proj"), &want);
    assert_eq!(get("1.self_attn.v_proj"), &bias.narrow(0, 0, 16));
    assert_eq!(get("0.self_attn.o_proj"), &bias.zeros_like());
    all.push(fp32("blk.0.ffn_norm.bias", &bias));
    let error = read(&build::file(&metadata(), &all)).map(|_| ()).unwrap_err();
    assert!(error.contains("blk.0.ffn_norm.bias"), "{error}");
}

#[test]
fn first_and_last_tokens_stand_where_llama_cpp_puts_them() {
    let ids = |more: &[(&'static str, Meta<'static>)], pre: &'static str| {
        let mut all = with("tokenizer.ggml.pre", Meta::Text(pre));
        all.push(("tokenizer.ggml.bos_token_id", Meta::Whole(1)));
        all.extend(more.iter().cloned());
        let found = read(&build::file(&all, &tensors())).unwrap();
        let bytes = found.tokenizer.to_string();
        let tokenizer = sst_data::tokenize::Tokenizer::from_json("t", bytes.as_bytes()).unwrap();
        tokenizer.encode_with_special("b").unwrap()
    };
    let (bos, eos) = ("tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token");
    assert_eq!(ids(&[], "smollm"), [2]);
    assert_eq!(ids(&[(bos, Meta::Flag(true))], "smollm"), [1, 2]);
    assert_eq!(ids(&[(bos, Meta::Flag(true)), (eos, Meta::Flag(true))], "gpt-2"), [1, 2, 0]);
    assert_eq!(ids(&[(eos, Meta::Flag(true))], "gpt-2"), [2, 0]);
    // Texts of Llama 3 begin with the first token, unless the file says otherwise.
    assert_eq!(ids(&[], "llama-bpe"), [1, 2]);
    assert_eq!(ids(&[(bos, Meta::Flag(false))], "llama-bpe"), [2]);
}

#[test]
fn every_token_that_ends_a_text_is_one_of_the_config() {
    let ends = |more: &[(&'static str, Meta<'static>)]| {
        let mut all = metadata();
        all.extend(more.iter().cloned());
        read(&build::file(&all, &tensors())).unwrap().model.config()["eos_token_id"].take()
    };
    assert_eq!(ends(&[]), json!(0));
    let eot = ("tokenizer.ggml.eot_token_id", Meta::Whole(3));
    assert_eq!(ends(std::slice::from_ref(&eot)), json!([0, 3]));
    assert_eq!(ends(&[eot, ("tokenizer.ggml.eom_token_id", Meta::Whole(0))]), json!([0, 3]));
}

/// In a file without token types, all tokens are normal ones, except those that it names as bos or eos.
#[test]
fn tokens_without_types_are_usual_ones() {
    let mut all = metadata();
    all.retain(|(key, _)| *key != "tokenizer.ggml.token_type");
    let found = read(&build::file(&all, &tensors())).unwrap();
    let added = found.tokenizer["added_tokens"].as_array().unwrap();
    assert_eq!((added.len(), &added[0]["content"]), (1, &json!("<|end|>")));
}

/// A file without a pre-tokenizer uses llama.cpp's `default`, which differs from GPT-2's.
#[test]
fn a_file_that_does_not_say_how_text_is_split_is_split_as_llama_cpp_does() {
    let split = |pre: Option<&'static str>| {
        let mut all = metadata();
        all.retain(|(key, _)| *key != "tokenizer.ggml.pre");
        all.extend(pre.map(|pre| ("tokenizer.ggml.pre", Meta::Text(pre))));
        read(&build::file(&all, &tensors())).unwrap().tokenizer["pre_tokenizer"].take()
    };
    let named = |pre| split(Some(pre));
    assert_eq!(split(None), named("default"));
    assert_ne!(named("default"), named("gpt-2"));
    assert_eq!(named("default")["pretokenizers"].as_array().unwrap().len(), 5);
}
