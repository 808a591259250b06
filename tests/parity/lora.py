"""Gives PEFT the adapters that sst wrote, and transformers the models that sst merged, and compares the logits.

Run after `cargo test -p sst-models --test it folders_for_peft`, which writes them under target/tmp/lora-folders.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore", category=FutureWarning)
# PEFT only warns of keys of the configuration and of tensors that do not fit.
warnings.filterwarnings("error", category=UserWarning, module="peft")

import torch  # noqa: E402
from peft import PeftConfig, PeftModel  # noqa: E402
from peft.utils import load_peft_weights  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import (  # noqa: E402
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

ROOT = Path(__file__).resolve().parents[2]
CLASSES = {"SEQ_CLS": AutoModelForSequenceClassification, "TOKEN_CLS": AutoModelForTokenClassification,
           "QUESTION_ANS": AutoModelForQuestionAnswering, "CAUSAL_LM": AutoModelForCausalLM}
TOLERANCE = 1e-5


def logits(model, case: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        out = model.eval()(input_ids=case["input_ids"], attention_mask=case["attention_mask"])
    found = torch.stack([out.start_logits, out.end_logits], -1) if "start_logits" in out else out.logits
    return found * case["attention_mask"][:, :, None] if found.ndim == 3 else found


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def check(folder: Path) -> tuple[float, float]:
    """The relative differences of the adapter in PEFT and of the merged model in transformers."""
    case, adapter = load_file(folder / "case.safetensors"), folder / "adapter"
    config = PeftConfig.from_pretrained(adapter)
    kind = CLASSES[config.task_type]
    # Decoders find the last token of a row by the padding after it.
    options = {"dtype": torch.float32, "pad_token_id": 0}
    base = kind.from_pretrained(config.base_model_name_or_path, num_labels=2, **options)
    model = PeftModel.from_pretrained(base, adapter)
    # Every tensor of the file must be in use: PEFT would drop others without a word.
    used = dict(model.named_parameters())
    for name, tensor in load_peft_weights(adapter, device="cpu").items():
        places = [name.replace(".lora_A.", ".lora_A.default.").replace(".lora_B.", ".lora_B.default.")]
        parts = name.split(".")
        places += [".".join([*parts[:i], "modules_to_save.default", *parts[i:]]) for i in range(len(parts))]
        if not any(place in used and torch.equal(used[place], tensor) for place in places):
            raise SystemExit(f"{adapter}: PEFT does not use {name}")
    merged, info = kind.from_pretrained(folder / "merged", output_loading_info=True, **options)
    if wrong := {kind: names for kind, names in info.items() if names}:
        raise SystemExit(f"transformers does not load {folder / 'merged'} as it is: {wrong}")
    assert AutoConfig.from_pretrained(adapter).id2label == {0: "a", 1: "b"}
    return distance(logits(model, case), case["logits"]), distance(logits(merged, case), case["merged_logits"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--saved", type=Path, default=ROOT / "target/tmp/lora-folders")
    saved = parser.parse_known_args()[0].saved
    if not saved.is_dir():
        sys.exit(f"{saved} is not there: run cargo test -p sst-models --test it folders_for_peft first")
    folders = sorted(path for path in saved.iterdir() if path.is_dir())
    wrong = 0
    for folder in folders:
        adapter, merged = check(folder)
        wrong += adapter > TOLERANCE or merged > TOLERANCE
        print(f"{folder.name}: relative difference of logits {adapter:.1e} in PEFT, {merged:.1e} merged")
    print(f"{len(folders)} folders, {wrong} wrong")
    sys.exit(bool(wrong) or not folders)


if __name__ == "__main__":
    main()
