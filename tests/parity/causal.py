"""Parity of sst's GPT-2 and Llama with transformers, both ways.

1. sst pretrains both recipes of causal language models for a few steps; transformers must load the folders they wrote
   without one missing or unexpected key, continue prompts with the same tokens, and find the same perplexity.
2. transformers writes fresh, larger cases in the layout of tests/goldens/causal; the test `causal_parity_external` of
   sst-models compares outputs, loss, gradients and ten AdamW steps with them.
"""

import argparse
import json
import math
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from goldens.casefile import shapes  # noqa: E402
from goldens.causal import gen  # noqa: E402
from parity.bert import spoil  # noqa: E402
from parity.rust import require, sst, sst_json  # noqa: E402

TOLERANCE = 1e-4
NEW = 200
TEXTS = {
    "gpt": ["And it came to pass", "In the beginning God created", "Unknown: 🚀 ☃"],
    "gpt-sanguo": ["却说曹操", "话说天下大势，分久必合", "unknown 🚀"],
}
POSITIONS = {"gpt": "n_positions", "gpt-sanguo": "max_position_embeddings"}
# folder: class, config, lengths, seed
CASES = {
    "gpt2": (GPT2LMHeadModel, GPT2Config(**gen.NO_DROPOUT, **gen.END, n_embd=64, n_head=8, n_layer=3, n_positions=128,
                                         vocab_size=1009), [128, 77, 31, 2], 21),
    "llama": (LlamaForCausalLM, LlamaConfig(**gen.END, hidden_size=96, num_attention_heads=6, num_key_value_heads=2,
                                            intermediate_size=200, num_hidden_layers=3, max_position_embeddings=128,
                                            vocab_size=1009), [128, 77, 31, 2], 22),
}


def load(folder: Path):
    """The model and tokenizer that transformers reads from `folder`; ends the script on any key that does not fit."""
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    if wrong := {kind: sorted(map(str, names)) for kind, names in info.items() if names}:
        raise SystemExit(f"transformers does not load {folder} as it is: {wrong}")
    wanted = dict(AutoModelForCausalLM.from_config(model.config).named_parameters()).keys()
    if stray := sorted(shapes([folder / "model.safetensors"]).keys() ^ wanted):
        raise SystemExit(f"{folder}: these keys are in the file alone or in the model alone: {stray}")
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def compare_text(binary: Path, folder: Path, text: str, model, tokenizer) -> None:
    """Greedy tokens must be equal."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    found = model.generate(ids, do_sample=False, max_new_tokens=NEW, pad_token_id=0)[0, ids.shape[1]:].tolist()
    end = model.config.eos_token_id
    found = found[: found.index(end)] if end in found else found
    answer = sst_json(binary, "generate", "--model", str(folder), "--prompt", text, "--greedy", "--max-new-tokens",
                      str(NEW))
    if answer["ids"] != found:
        raise SystemExit(f"{text!r}: sst goes on with {answer['ids']}, and transformers with {found}")
    if not answer["text"] == tokenizer.decode(found, skip_special_tokens=True):
        raise SystemExit(f"{text!r}: sst says {answer['text']!r}")


def compare_perplexity(binary: Path, folder: Path, texts: list[str], model, tokenizer) -> float:
    """The relative difference of the perplexity of each text by itself."""
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    report = sst_json(binary, "eval", "perplexity", "--model", str(folder), "--data", str(path))
    nll, count = 0.0, 0
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        if ids.shape[1] < 2:
            continue  # one token has nothing before it
        with torch.no_grad():
            nll += float(model(ids, labels=ids).loss.double()) * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    if report["counts"]["scored_tokens"] != count:
        raise SystemExit(f"sst scores {report['counts']['scored_tokens']} tokens instead of {count}")
    wanted = math.exp(nll / count)
    return abs(report["metrics"]["perplexity"] - wanted) / wanted


def check_sst_folder(binary: Path, out: Path, name: str) -> None:
    """Pretrains a recipe for a few steps and compares the saved folder with transformers."""
    runs = (out / "runs").resolve()
    shutil.rmtree(runs, ignore_errors=True)
    sst(binary, "pretrain", f"recipes/{name}.toml", "--set", f"run.dir={runs}", "--set", "run.device=cpu", "--set",
        "train.steps=30step", "--set", "train.schedule.warmup=5step", "--set", "train.precision=fp32", "--set",
        "data.max_length=64", "--set", f"model.{POSITIONS[name]}=256", "--set", "train.eval_every=0", "--set",
        "train.save_every=0")
    folder = runs / name / "checkpoints/latest/model"
    model, tokenizer = load(folder)
    for text in TEXTS[name]:
        compare_text(binary, folder, text, model, tokenizer)
    difference = compare_perplexity(binary, folder, TEXTS[name], model, tokenizer)
    print(f"{name}: {NEW} greedy tokens of {len(TEXTS[name])} prompts are the same; perplexity differs by "
          f"{difference:.1e}", flush=True)
    if not difference <= TOLERANCE:
        raise SystemExit(f"perplexity differs by {difference:.1e}, more than {TOLERANCE:.0e}")


def check_rust_model(out: Path) -> None:
    """Writes the fresh cases and runs the Rust test on each, and on a spoilt copy."""
    out.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        gen.write_case(out / name, *case, std=0.12)
        spoil(out / name, out / f"{name}-spoilt", "steps.loss")
        require("causal_parity_external", "SST_CAUSAL_CASE", out / name, out / f"{name}-spoilt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sst", type=Path, required=True, help="the sst binary")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and cases")
    args = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    for name in TEXTS:
        check_sst_folder(args.sst, args.out, name)
    check_rust_model(args.out / "cases")
    print("GPT-2 and Llama: parity with transformers holds")


if __name__ == "__main__":
    main()
