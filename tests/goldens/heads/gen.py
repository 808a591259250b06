"""Golden cases of task heads from transformers: logits, loss, gradients and ten AdamW steps of small random models.

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
    GPT2ForQuestionAnswering,
    GPT2ForSequenceClassification,
    GPT2ForTokenClassification,
    LlamaConfig,
    LlamaForQuestionAnswering,
    LlamaForSequenceClassification,
    LlamaForTokenClassification,
)
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.steps import STEPS, fill, save_model, save_steps, step_case  # noqa: E402

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
# The loss of a span counts the scores of padding too. sst's decoders drop padding, so their rows have none.
FULL = [11, 11, 11, 11]
SINGLE = {"labels": torch.tensor([2, 0, 1, 1])}
SEVERAL = {"labels": torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])}
NUMBERS = {"labels": torch.tensor([0.5, -1.25, 2.0, 0.0])}
SPANS = {"start_positions": torch.tensor([3, 1, 2, 0]), "end_positions": torch.tensor([9, 6, 2, 1])}
# One layer is enough where another case has the same layers.
GPT2_SMALL, LLAMA_SMALL = GPT2 | {"n_layer": 1}, LLAMA | {"num_hidden_layers": 1}
# folder: class, config, labels, side of the padding, seed
CASES = {
    "sequence": (BertForSequenceClassification,
                 BertConfig(**BERT, **TOPICS, problem_type="single_label_classification", classifier_dropout=0.0),
                 SINGLE, "right", 31),
    "several": (BertForSequenceClassification, BertConfig(**BERT, **TOPICS, problem_type="multi_label_classification"),
                SEVERAL, "right", 32),
    "regression": (BertForSequenceClassification, BertConfig(**BERT, num_labels=1, problem_type="regression"),
                   NUMBERS, "right", 33),
    "two": (BertForSequenceClassification, BertConfig(**BERT), {"labels": torch.tensor([1, 0, 1, 1])}, "right", 34),
    "token": (BertForTokenClassification, BertConfig(**BERT, **ENTITIES), "each token", "right", 35),
    "span": (BertForQuestionAnswering, BertConfig(**BERT), SPANS, "right", 36),
    "gpt2": (GPT2ForSequenceClassification, GPT2Config(**GPT2, **TOPICS), SINGLE, "right", 37),
    "llama": (LlamaForSequenceClassification, LlamaConfig(**LLAMA, **TOPICS), SINGLE, "right", 38),
    "llama-left": (LlamaForSequenceClassification, LlamaConfig(**LLAMA, **TOPICS), SINGLE, "left", 39),
    "gpt2-several": (GPT2ForSequenceClassification,
                     GPT2Config(**GPT2_SMALL, **TOPICS, problem_type="multi_label_classification"), SEVERAL, "right", 40),
    "gpt2-regression": (GPT2ForSequenceClassification,
                        GPT2Config(**GPT2_SMALL, num_labels=1, problem_type="regression"), NUMBERS, "right", 41),
    "gpt2-token": (GPT2ForTokenClassification, GPT2Config(**GPT2_SMALL, **ENTITIES, classifier_dropout=0.0),
                   "each token", "right", 42),
    "gpt2-span": (GPT2ForQuestionAnswering, GPT2Config(**GPT2_SMALL), SPANS, "full", 43),
    "llama-several": (LlamaForSequenceClassification,
                      LlamaConfig(**LLAMA_SMALL, **TOPICS, problem_type="multi_label_classification"), SEVERAL,
                      "right", 44),
    "llama-regression": (LlamaForSequenceClassification,
                         LlamaConfig(**LLAMA_SMALL, num_labels=1, problem_type="regression"), NUMBERS, "right", 45),
    "llama-token": (LlamaForTokenClassification, LlamaConfig(**LLAMA_SMALL, **ENTITIES, classifier_dropout=0.0),
                    "each token", "right", 46),
    "llama-span": (LlamaForQuestionAnswering, LlamaConfig(**LLAMA_SMALL), SPANS, "full", 47),
}


def batch(vocab_size: int, side: str, seed: int) -> dict[str, torch.Tensor]:
    """Rows padded with token 0 on this side, or `full` ones, each i64 [b, l]."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor(FULL if side == "full" else LENGTHS)[:, None]
    places = torch.arange(max(LENGTHS))
    mask = (places >= max(LENGTHS) - lengths if side == "left" else places < lengths).long()
    ids = torch.randint(3, vocab_size, mask.shape, generator=generator)
    return {"input_ids": ids * mask, "attention_mask": mask}


def drawn(labels, config, inputs: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Labels like `labels` for other rows."""
    generator = torch.Generator().manual_seed(seed)
    mask = inputs["attention_mask"]
    if labels == "each token":
        found = torch.randint(0, config.num_labels, mask.shape, generator=generator)
        return {"labels": torch.where(mask.bool(), found, -100)}
    if labels is SPANS:
        pair = torch.randint(0, 100, (2, len(LENGTHS)), generator=generator) % mask.sum(1)
        return {"start_positions": pair.min(0).values, "end_positions": pair.max(0).values}
    shape = labels["labels"].shape
    if labels is NUMBERS:
        return {"labels": torch.randn(shape, generator=generator)}
    if labels is SEVERAL:
        return {"labels": torch.randint(0, 2, shape, generator=generator).float()}
    return {"labels": torch.randint(0, config.num_labels, shape, generator=generator)}


def run(model, inputs: dict[str, torch.Tensor], labels: dict[str, torch.Tensor], side: str):
    if side == "left":
        # What transformers makes of the places by itself when it generates.
        inputs = inputs | {"position_ids": (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)}
    return model(**inputs, **labels)


def write_case(folder: Path, kind: type, config, labels, side: str, seed: int) -> None:
    """Writes `folder`: config.json and model.safetensors by save_pretrained, keys.json, case.safetensors.

    The case: the inputs, the labels under the names that transformers gives them, `logits` (of a span `[b, l, 2]`;
    of tokens zero where there is none), `loss`, `grad.<name>`, and the ten steps of `goldens.steps`.
    """
    model = kind._from_config(config, attn_implementation="eager")
    fill(model, seed)
    model.eval()
    save_model(folder, model)
    inputs = batch(config.vocab_size, side, seed + 100)
    own = drawn(labels, config, inputs, seed + 200) if labels == "each token" else labels
    out = run(model, inputs, own, side)
    out.loss.backward()
    if labels is SPANS:
        logits = torch.stack([out.start_logits, out.end_logits], -1)
    else:
        logits = out.logits
    if logits.ndim == 3:
        logits = logits * inputs["attention_mask"][:, :, None]
    case = inputs | own | {"logits": logits, "loss": out.loss}
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.grad is None}
    assert not zeros, f"{kind.__name__} does not reach {list(zeros)}"
    case |= {f"grad.{name}": p.grad for name, p in model.named_parameters()}
    batches = []
    for step in range(STEPS):
        rows = batch(config.vocab_size, side, seed + 300 + step)
        batches.append(rows | drawn(labels, config, rows, seed + 400 + step))
    case |= step_case(model, batches, lambda model, rows: run(model, rows, {}, side).loss)
    save_steps(folder, case)


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
