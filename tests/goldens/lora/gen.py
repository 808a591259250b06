"""Golden cases of LoRA from PEFT: logits, loss, gradients, ten AdamW steps and merged weights of small random models.

`python gen.py` rewrites every folder beside it with the same bytes; the functions' docstrings give the layout.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
)
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_json, shapes  # noqa: E402
from goldens.steps import STEPS, fill, save_model, save_steps, step_case  # noqa: E402

BERT = {"hidden_size": 21, "num_attention_heads": 3, "intermediate_size": 35, "num_hidden_layers": 2,
        "max_position_embeddings": 19, "vocab_size": 53, "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0}
GPT2 = {"n_embd": 18, "n_head": 3, "n_layer": 2, "n_inner": 31, "n_positions": 19, "vocab_size": 53, "resid_pdrop": 0.0,
        "embd_pdrop": 0.0, "attn_pdrop": 0.0, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
LLAMA = {"hidden_size": 18, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 6, "intermediate_size": 31,
         "num_hidden_layers": 2, "max_position_embeddings": 19, "vocab_size": 53, "bos_token_id": 1, "eos_token_id": 2,
         "pad_token_id": 0}
TOPICS = {"id2label": {0: "world", 1: "sport", 2: "business"}, "label2id": {"world": 0, "sport": 1, "business": 2}}
LENGTHS = [11, 7, 4, 2]
PREFIX = "base_model.model."
# folder: class, config, LoRA, seed
CASES = {
    "bert": (BertForSequenceClassification, BertConfig(**BERT, **TOPICS),
             {"task_type": "SEQ_CLS", "r": 3, "lora_alpha": 5, "target_modules": ["query", "value"]}, 61),
    "bert-all": (BertForTokenClassification, BertConfig(**BERT, **TOPICS),
                 {"task_type": "TOKEN_CLS", "r": 5, "lora_alpha": 7, "target_modules": "all-linear",
                  "use_rslora": True, "modules_to_save": ["classifier"]}, 62),
    "bert-span": (BertForQuestionAnswering, BertConfig(**BERT),
                  {"task_type": "QUESTION_ANS", "r": 2, "lora_alpha": 4, "target_modules": ["key", "output.dense"]}, 63),
    "bert-masked": (BertForMaskedLM, BertConfig(**BERT),
                    {"r": 4, "lora_alpha": 4, "target_modules": "all-linear"}, 64),
    "gpt2": (GPT2ForSequenceClassification, GPT2Config(**GPT2, **TOPICS),
             {"task_type": "SEQ_CLS", "r": 3, "lora_alpha": 6, "target_modules": ["c_attn", "c_proj"],
              "fan_in_fan_out": True}, 65),
    "llama": (LlamaForSequenceClassification, LlamaConfig(**LLAMA, **TOPICS),
              {"task_type": "SEQ_CLS", "r": 1, "lora_alpha": 2, "target_modules": ["q_proj", "v_proj"]}, 66),
    "llama-all": (LlamaForCausalLM, LlamaConfig(**LLAMA),
                  {"task_type": "CAUSAL_LM", "r": 20, "lora_alpha": 10, "target_modules": "all-linear"}, 67),
}

Batch = dict[str, torch.Tensor]


def batch(kind: type, config, seed: int) -> Batch:
    """Rows of `LENGTHS` padded with token 0, each i64 [b, l], and the labels that the class takes."""
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    draw = lambda high, shape: torch.randint(0, high, shape, generator=generator)  # noqa: E731
    ids = (draw(config.vocab_size - 3, mask.shape) + 3) * mask
    inputs = {"input_ids": ids, "attention_mask": mask}
    if kind is BertForQuestionAnswering:
        pair = draw(100, (2, len(LENGTHS))) % torch.tensor(LENGTHS)
        return inputs | {"start_positions": pair.min(0).values, "end_positions": pair.max(0).values}
    if kind is BertForTokenClassification:
        labels = torch.where(mask.bool(), draw(config.num_labels, mask.shape), -100)
    elif kind is LlamaForCausalLM:
        labels = torch.where(mask.bool(), ids, -100)
    elif kind is BertForMaskedLM:
        picked = (draw(4, mask.shape) == 0) & mask.bool()
        picked[:, 0] = True
        labels = torch.where(picked, ids, -100)
    else:
        labels = draw(config.num_labels, (len(LENGTHS),))
    return inputs | {"labels": labels}


def plain(name: str) -> str:
    """The name in the adapter's file of a parameter in memory, without the prefix."""
    name = name.removeprefix(PREFIX).replace(".modules_to_save.default.", ".")
    return name.replace(".lora_A.default.", ".lora_A.").replace(".lora_B.default.", ".lora_B.")


def build(kind: type, config, lora: dict, seed: int, folder: Path):
    """Writes `folder/base` and returns the adapted model, all of whose trained parameters are drawn, B included."""
    model = kind._from_config(config, attn_implementation="eager")
    fill(model, seed)
    save_model(folder / "base", model)
    model.name_or_path = str(folder / "base")
    model = get_peft_model(model, LoraConfig(**lora)).eval()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for _, parameter in sorted(trained(model).items()):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def trained(model) -> Batch:
    """The parameters that are trained, by their names in the file without the prefix."""
    return {plain(name): p for name, p in model.named_parameters() if p.requires_grad}


def write_adapter(folder: Path, model) -> None:
    """Writes `folder` by PEFT, with a relative path of the base model, and `adapter_keys.json` beside it."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": "../base"}
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    save_json(path, config)
    save_json(folder.parent / "adapter_keys.json", shapes([folder / "adapter_model.safetensors"]))


def write_case(folder: Path, kind: type, config, lora: dict, seed: int) -> None:
    """Writes `folder`: `base` by transformers, `adapter` by PEFT, adapter_keys.json and case.safetensors, whose numbers
    are computed in fp64 and rounded to fp32.

    The case: the inputs, the labels under the names that transformers gives them, `logits` (of a span `[b, l, 2]`;
    of tokens zero where there is none), `loss`, `grad.<name>` of each trained parameter, the ten steps of
    `goldens.steps`, and after `merge_and_unload` `merged.<name>` of each weight that it changed and `merged_logits`.
    """
    model = build(kind, config, lora, seed, folder)
    write_adapter(folder / "adapter", model)
    model = model.double()
    inputs = batch(kind, config, seed + 100)
    out = model(**inputs)
    out.loss.backward()
    case = inputs | {"logits": logits(kind, out, inputs), "loss": out.loss}
    case |= {f"grad.{name}": p.grad for name, p in trained(model).items()}
    batches = [batch(kind, config, seed + 200 + step) for step in range(STEPS)]
    steps = step_case(model, batches, lambda model, inputs: model(**inputs).loss)
    case |= {name: value for name, value in steps.items() if not name.startswith("final.")}
    case |= {f"final.{name}": p for name, p in trained(model).items()}

    model = build(kind, config, lora, seed, folder).double()
    targets = {plain(name).rsplit(".lora_A.", 1)[0] for name, _ in model.named_parameters() if ".lora_A." in name}
    merged = model.merge_and_unload()
    with torch.no_grad():
        case["merged_logits"] = logits(kind, merged(**inputs), inputs)
    case |= {f"merged.{name}.weight": merged.get_parameter(f"{name}.weight") for name in targets}
    rounded = {name: x.float() if x.is_floating_point() and name != "steps.lr" else x for name, x in case.items()}
    save_steps(folder, rounded)


def logits(kind: type, out, inputs: Batch) -> torch.Tensor:
    found = torch.stack([out.start_logits, out.end_logits], -1) if kind is BertForQuestionAnswering else out.logits
    return found * inputs["attention_mask"][:, :, None] if found.ndim == 3 else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    disable_progress_bar()
    for name, (kind, config, lora, seed) in CASES.items():
        write_case(out / name, kind, config, lora, seed)


if __name__ == "__main__":
    main()
