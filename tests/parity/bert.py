"""Parity of sst's BERT with transformers, both ways.

1. sst pretrains `recipes/tiny.toml`; transformers must load the folder it wrote without one missing or unexpected key
   and give the same probabilities as `sst fill-mask`.
2. transformers writes fresh, larger cases in the layout of tests/goldens/bert; the test `parity_external` of sst-models
   compares outputs, loss, gradients and ten AdamW steps with them.
"""

import argparse
import shutil
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertForMaskedLM, BertForPreTraining
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from goldens.bert import gen  # noqa: E402
from goldens.casefile import shapes  # noqa: E402
from parity.rust import require, sst, sst_json  # noqa: E402

TOLERANCE = 1e-5
TOP_K = 5
TEXTS = [
    "In the beginning {mask} created the heaven and the {mask}.",
    "{mask}",
    "话说天下大势，{mask}久必合。 Unknown: 🚀 ☃",
]
WIDE = {"hidden_size": 64, "num_attention_heads": 8, "intermediate_size": 256, "vocab_size": 1009,
        "max_position_embeddings": 128, "hidden_act": "gelu"}
NARROW = {"hidden_size": 90, "num_attention_heads": 5, "intermediate_size": 130, "vocab_size": 523,
          "max_position_embeddings": 67, "hidden_act": "gelu_pytorch_tanh", "type_vocab_size": 4,
          "layer_norm_eps": 1e-6}
# folder: class, config, lengths, seed (with it no gradient is a cancelling sum, which fp32 would not give to 1e-5)
CASES = {
    "wide": (BertForMaskedLM, WIDE, [128, 77, 31, 30, 3, 1], 21),
    "narrow": (BertForPreTraining, NARROW, [67, 50, 1], 25),
}


def load(folder: Path):
    """The model and tokenizer that transformers reads from `folder`; ends the script on any key that does not fit."""
    model, info = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = {kind: sorted(map(str, names)) for kind, names in info.items() if names}
    if wrong:
        raise SystemExit(f"transformers does not load {folder} as it is: {wrong}")
    # A copy of the tied decoder or a position buffer would load in silence.
    wanted = dict(AutoModelForMaskedLM.from_config(model.config).named_parameters()).keys()
    if stray := sorted(shapes([folder / "model.safetensors"]).keys() ^ wanted):
        raise SystemExit(f"{folder}: these keys are in the file alone or in the model alone: {stray}")
    with safe_open(folder / "model.safetensors", "pt") as file:
        if (file.metadata() or {}).get("format") != "pt":
            raise SystemExit(f"{folder}/model.safetensors has no metadata format = pt")
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def compare_fill_mask(binary: Path, folder: Path, text: str, model, tokenizer) -> float:
    """The largest relative difference of a top-k probability for `text`; positions, ids and tokens must be equal."""
    inputs = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        probabilities_lv = model(**inputs).logits[0].softmax(-1)
    positions = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten().tolist()
    answer = sst_json(binary, "fill-mask", "--model", str(folder), "--text", text, "--top-k", str(TOP_K))
    if [mask["position"] for mask in answer["masks"]] != positions or not positions:
        raise SystemExit(f"{text!r}: transformers has masks at {positions}, sst says {answer['masks']}")
    worst = 0.0
    for mask in answer["masks"]:
        row_v, predictions = probabilities_lv[mask["position"]], mask["predictions"]
        if len(predictions) != TOP_K:
            raise SystemExit(f"{text!r}: {len(predictions)} predictions instead of {TOP_K}")
        for rank, (found, best) in enumerate(zip(predictions, row_v.topk(TOP_K).values.tolist())):
            if tokenizer.convert_ids_to_tokens(found["id"]) != found["token"]:
                raise SystemExit(f"{text!r}: id {found['id']} is not the token {found['token']!r}")
            # By id, and by rank: equal probabilities may change places, another token may not slip in.
            for wanted in (float(row_v[found["id"]]), best):
                worst = max(worst, abs(found["probability"] - wanted) / wanted)
    return worst


def check_sst_folder(binary: Path, out: Path) -> None:
    """Pretrains the tiny recipe and compares the saved folder with transformers."""
    runs = (out / "runs").resolve()
    shutil.rmtree(runs, ignore_errors=True)
    sst(binary, "pretrain", "recipes/tiny.toml", "--set", f"run.dir={runs}")
    folders = list(runs.glob("*/checkpoints/latest/model"))
    if len(folders) != 1:
        raise SystemExit(f"{runs} holds {len(folders)} latest models instead of one")
    model, tokenizer = load(folders[0])
    if model.config.vocab_size < len(tokenizer):
        raise SystemExit(f"{len(tokenizer)} tokens, but a model of {model.config.vocab_size}")
    for text in TEXTS:
        text = text.format(mask=tokenizer.mask_token)
        worst = compare_fill_mask(binary, folders[0], text, model, tokenizer)
        print(f"fill-mask {text!r}: largest relative difference {worst:.1e}", flush=True)
        if not worst <= TOLERANCE:
            raise SystemExit(f"probabilities differ by {worst:.1e}, more than {TOLERANCE:.0e}")


def spoil(folder: Path, target: Path, tensor: str) -> None:
    """Copies a case with one element of `tensor` moved by a tenth of the largest: it must not pass."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    with safe_open(folder / "case.safetensors", "pt") as file:
        metadata = file.metadata()
    tensors = load_file(folder / "case.safetensors")
    tensors[tensor].view(-1)[0] += 0.1 * tensors[tensor].abs().max()
    save_file(tensors, target / "case.safetensors", metadata=metadata)


def check_rust_model(out: Path) -> None:
    """Writes the fresh cases and runs the Rust test on each, and on a spoilt copy."""
    out.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        gen.write_case(out / name, *case, std=0.12)
        spoil(out / name, out / f"{name}-spoilt", "steps.loss")
        require("parity_external", "SST_PARITY_CASE", out / name, out / f"{name}-spoilt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sst", type=Path, required=True, help="the sst binary")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and cases")
    args = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bar()
    check_sst_folder(args.sst, args.out)
    check_rust_model(args.out / "cases")
    print("BERT: parity with transformers holds")


if __name__ == "__main__":
    main()
