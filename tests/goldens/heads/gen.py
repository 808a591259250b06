"""Golden cases of task heads from transformers: logits, loss and gradients of small random models.

`python gen.py` rewrites every folder beside it with the same bytes; the functions' docstrings give the layout.
"""

import argparse
import sys
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
)
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_case  # noqa: E402
from goldens.steps import fill, save_model  # noqa: E402

BERT = {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40, "num_hidden_layers": 2,
        "max_position_embeddings": 20, "vocab_size": 61, "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0}
GPT2 = {"n_embd": 24, "n_head": 3, "n_layer": 2, "n_positions": 20, "vocab_size": 61, "resid_pdrop": 0.0,
        "embd_pdrop": 0.0, "attn_pdrop": 0.0, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
LLAMA = {"hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 1, "intermediate_size": 40,
         "num_hidden_layers": 2, "max_position_embeddings": 20, "vocab_size": 61, "bos_token_id": 1, "eos_token_id": 2,
         "pad_token_id": 0}
TOPICS = {"id2label": {0: "world", 1: "sport", 2: "business"}, "label2id": {"world": 0, "sport": 1, "business": 2}}
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
ENTITIES = {"id2label": dict(enumerate(NAMES)), "label2id": {name: i for i, name in enumerate(NAMES)}}
LENGTHS = [11, 7, 4, 2]
# folder: class, config, labels, side of the padding, seed
CASES = {
    "sequence": (BertForSequenceClassification,
                 BertConfig(**BERT, **TOPICS, problem_type="single_label_classification", classifier_dropout=0.0),
                 {"labels": torch.tensor([2, 0, 1, 1])}, "right", 31),
    "several": (BertForSequenceClassification, BertConfig(**BERT, **TOPICS, problem_type="multi_label_classification"),
                {"labels": torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])}, "right", 32),
    "regression": (BertForSequenceClassification, BertConfig(**BERT, num_labels=1, problem_type="regression"),
                   {"labels": torch.tensor([0.5, -1.25, 2.0, 0.0])}, "right", 33),
    "two": (BertForSequenceClassification, BertConfig(**BERT), {"labels": torch.tensor([1, 0, 1, 1])}, "right", 34),
    "token": (BertForTokenClassification, BertConfig(**BERT, **ENTITIES), "each token", "right", 35),
    "span": (BertForQuestionAnswering, BertConfig(**BERT),
             {"start_positions": torch.tensor([3, 1, 2, 0]), "end_positions": torch.tensor([9, 6, 2, 1])}, "right", 36),
    "gpt2": (GPT2ForSequenceClassification, GPT2Config(**GPT2, **TOPICS), {"labels": torch.tensor([2, 0, 1, 1])},
             "right", 37),
    "llama": (LlamaForSequenceClassification, LlamaConfig(**LLAMA, **TOPICS), {"labels": torch.tensor([2, 0, 1, 1])},
              "right", 38),
    "llama-left": (LlamaForSequenceClassification, LlamaConfig(**LLAMA, **TOPICS),
                   {"labels": torch.tensor([2, 0, 1, 1])}, "left", 39),
}


def batch(vocab_size: int, side: str, seed: int) -> dict[str, torch.Tensor]:
    """Rows of `LENGTHS` padded with token 0, each i64 [b, l]."""
    generator = torch.Generator().manual_seed(seed)
    places, lengths = torch.arange(max(LENGTHS)), torch.tensor(LENGTHS)[:, None]
    mask = (places < lengths if side == "right" else places >= max(LENGTHS) - lengths).long()
    ids = torch.randint(3, vocab_size, mask.shape, generator=generator)
    return {"input_ids": ids * mask, "attention_mask": mask}


def write_case(folder: Path, kind: type, config, labels, side: str, seed: int) -> None:
    """Writes `folder`: config.json and model.safetensors by save_pretrained, keys.json, case.safetensors.

    The case: the inputs, the labels under the names that transformers gives them, `logits` (of a span `[b, l, 2]`;
    of tokens zero where there is none), `loss` and `grad.<name>`.
    """
    model = kind._from_config(config, attn_implementation="eager")
    fill(model, seed)
    model.eval()
    save_model(folder, model)
    inputs = batch(config.vocab_size, side, seed + 100)
    if side == "left":
        # What transformers makes of the places by itself when it generates.
        inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
    if labels == "each token":
        drawn = torch.randint(0, config.num_labels, inputs["input_ids"].shape,
                              generator=torch.Generator().manual_seed(seed + 200))
        labels = {"labels": torch.where(inputs["attention_mask"].bool(), drawn, -100)}
    out = model(**inputs, **labels)
    out.loss.backward()
    if kind is BertForQuestionAnswering:
        logits = torch.stack([out.start_logits, out.end_logits], -1)
    else:
        logits = out.logits
    if logits.ndim == 3:
        logits = logits * inputs["attention_mask"][:, :, None]
    case = inputs | labels | {"logits": logits, "loss": out.loss}
    case.pop("position_ids", None)
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.grad is None}
    assert not zeros, f"{kind.__name__} does not reach {list(zeros)}"
    save_case(folder / "case.safetensors", case | {f"grad.{name}": p.grad for name, p in model.named_parameters()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    disable_progress_bar()
    for name, (kind, config, labels, side, seed) in CASES.items():
        write_case(out / name, kind, config, labels, side, seed)


if __name__ == "__main__":
    main()
