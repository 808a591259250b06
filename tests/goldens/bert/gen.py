"""Golden cases of BERT from transformers: forward, loss, gradients and ten AdamW steps of small random models.

`python gen.py` rewrites every folder beside it with the same bytes; the functions' docstrings give the layout.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    BertTokenizer,
)
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_case, save_json, shapes  # noqa: E402
from goldens.steps import STEPS, fill, save_model, save_steps, step_case  # noqa: E402

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_hidden_layers": 2}
PLAIN = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 97,
         "max_position_embeddings": 40, "hidden_act": "gelu"}
ODD = {"hidden_size": 30, "num_attention_heads": 3, "intermediate_size": 50, "vocab_size": 101,
       "max_position_embeddings": 23, "hidden_act": "gelu_new", "type_vocab_size": 3, "layer_norm_eps": 1e-5}
RELU = {"hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 44, "vocab_size": 89,
        "max_position_embeddings": 17, "hidden_act": "relu"}
# name: class, config, lengths of the rows of a batch, seed
CASES = {
    "plain": (BertForMaskedLM, PLAIN, [13, 9, 5, 1], 1),
    "odd": (BertForMaskedLM, ODD, [23, 17, 2], 2),
    "relu": (BertForPreTraining, RELU, [11, 1, 7], 3),
}


def build(kind: type, settings: dict, seed: int, std: float = 0.2):
    """A model of class `kind` with eager attention, filled by `fill`, in evaluation mode."""
    model = kind._from_config(BertConfig(**NO_DROPOUT, **settings), attn_implementation="eager")
    fill(model, seed, std)
    return model.eval()


def batch(config: BertConfig, lengths: list[int], seed: int) -> dict[str, torch.Tensor]:
    """One right-padded batch (token 0), each i64 [b, l]: about a third of the tokens carry a label, the rest -100."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    mask = (torch.arange(shape[1]) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(1, config.vocab_size, shape, generator=generator)
    kinds = torch.randint(0, config.type_vocab_size, shape, generator=generator)
    targets = torch.randint(0, config.vocab_size, shape, generator=generator)
    chosen = torch.rand(shape, generator=generator) < 0.35
    chosen[0, 0] = True
    return {
        "input_ids": ids * mask,
        "attention_mask": mask,
        "token_type_ids": kinds * mask,
        "labels": torch.where(chosen & mask.bool(), targets, -100),
    }


def mlm_loss(model, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean cross-entropy over the labelled tokens of the batch."""
    out = model(**{name: value for name, value in inputs.items() if name != "labels"})
    logits_blv = out.prediction_logits if isinstance(model, BertForPreTraining) else out.logits
    return cross_entropy(logits_blv.flatten(0, 1), inputs["labels"].flatten())


def forward_case(model, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Outputs, loss and `grad.<name>` of one batch; with a next-sentence head the loss is the sum of both means."""
    case, extra = dict(inputs), {}
    if isinstance(model, BertForPreTraining):
        extra["next_sentence_label"] = torch.arange(len(inputs["input_ids"])) % 2
    out = model(**inputs, **extra, output_hidden_states=True, output_attentions=True)
    model.zero_grad(set_to_none=True)
    out.loss.backward()
    case |= {"loss": out.loss} | extra
    if extra:
        case["logits"], case["nsp_logits"] = out.prediction_logits, out.seq_relationship_logits
        case["pooler_output"] = model.bert.pooler(out.hidden_states[-1])
        case["mlm_loss"] = cross_entropy(case["logits"].flatten(0, 1), inputs["labels"].flatten())
        case["nsp_loss"] = cross_entropy(case["nsp_logits"], extra["next_sentence_label"])
    else:
        case["logits"] = out.logits
    case |= {f"hidden_states.{layer}": hidden for layer, hidden in enumerate(out.hidden_states)}
    case |= {f"attentions.{layer}": attention for layer, attention in enumerate(out.attentions)}
    return case | {f"grad.{name}": parameter.grad for name, parameter in model.named_parameters()}


def write_case(folder: Path, kind: type, settings: dict, lengths: list[int], seed: int, std: float = 0.2) -> None:
    """Writes `folder`: config.json and model.safetensors by save_pretrained, keys.json, case.safetensors."""
    model = build(kind, settings, seed, std)
    save_model(folder, model)
    case = forward_case(model, batch(model.config, lengths, seed + 100))
    # On the MLM loss alone: it does not reach the pooler and the next-sentence head.
    batches = [batch(model.config, lengths, seed + 1000 + step) for step in range(STEPS)]
    save_steps(folder, case | step_case(model, batches, mlm_loss))


def write_variants(out: Path) -> None:
    """Writes `sharded/` (the model of `plain` in two shards) and `old/` (its encoder under the names of old files).

    `old/case.safetensors` has input_ids, attention_mask, token_type_ids, last_hidden_state and pooler_output.
    """
    plain = BertForMaskedLM.from_pretrained(out / "plain")
    shutil.rmtree(out / "sharded", ignore_errors=True)
    plain.save_pretrained(out / "sharded", max_shard_size="55KB")
    shards = sorted((out / "sharded").glob("model-*.safetensors"))
    assert len(shards) == 2, f"{len(shards)} shards instead of two"
    save_json(out / "sharded" / "keys.json", shapes(shards))

    shutil.rmtree(out / "old", ignore_errors=True)
    model = build(BertModel, PLAIN, seed=4)
    model.load_state_dict(plain.bert.state_dict(), strict=False)
    model.save_pretrained(out / "old")
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
           for name, tensor in model.state_dict().items()}
    old["embeddings.position_ids"] = torch.arange(PLAIN["max_position_embeddings"])[None]
    save_file(old, out / "old" / "model.safetensors", metadata={"format": "pt"})
    save_json(out / "old" / "keys.json", shapes([out / "old" / "model.safetensors"]))
    inputs = batch(model.config, CASES["plain"][2], seed=104)
    del inputs["labels"]
    again = BertModel.from_pretrained(out / "old", attn_implementation="eager").eval()
    with torch.no_grad():
        wanted, found = model(**inputs), again(**inputs)
    assert torch.equal(wanted.last_hidden_state, found.last_hidden_state), "transformers reads old/ differently"
    assert torch.equal(wanted.pooler_output, found.pooler_output), "transformers reads the pooler of old/ differently"
    save_case(out / "old" / "case.safetensors",
              inputs | {"last_hidden_state": wanted.last_hidden_state, "pooler_output": wanted.pooler_output})


# A vocabulary of letters and a few words, in the order of BERT's: special tokens first.
WORDS = "the old man went to sea light water land night day hill and of in a".split()
LETTERS = list("abcdefghijklmnopqrstuvwxyz.")
HUB_VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS,
             *(c for c in LETTERS if c not in WORDS), *("##" + c for c in LETTERS)]
# The keys of the config.json of bert-base-uncased and bert-base-chinese on the hub that transformers no longer writes.
HUB_KEYS = {"gradient_checkpointing": False, "position_embedding_type": "absolute", "directionality": "bidi",
            "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3,
            "pooler_size_per_head": 128, "pooler_type": "first_token_transform"}
HUB_TEXT = "the old [MASK] went to sea."


def write_hub(folder: Path) -> None:
    """Writes `hub/` in the layout of bert-base-uncased on the hub, and what transformers makes of it.

    The config names `BertForMaskedLM`; the file holds the pooler and the next-sentence head too, norms are called
    gamma and beta, the bias of the head stands there under both its names, and there are position_ids. `vocab.txt`,
    `tokenizer.json` and `tokenizer_config.json` as there. `case.safetensors`: `input_ids` [1, l] of `HUB_TEXT`,
    `logits` [1, l, v] of BertForMaskedLM, `mean` [1, d], the mean of BertModel's last hidden states.
    """
    shutil.rmtree(folder, ignore_errors=True)
    model = build(BertForPreTraining, PLAIN | {"vocab_size": len(HUB_VOCAB)}, seed=5)
    model.save_pretrained(folder)
    tensors = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"):
               tensor.clone() for name, tensor in model.state_dict().items()}
    tensors["bert.embeddings.position_ids"] = torch.arange(PLAIN["max_position_embeddings"])[None]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= HUB_KEYS | {"architectures": ["BertForMaskedLM"], "transformers_version": "4.6.0.dev0"}
    save_json(folder / "config.json", config)
    (folder / "vocab.txt").write_text("".join(token + "\n" for token in HUB_VOCAB))
    tokenizer = BertTokenizer(vocab={token: place for place, token in enumerate(HUB_VOCAB)})
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    save_json(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 40})
    again = {kind: kind.from_pretrained(folder, attn_implementation="eager").eval()
             for kind in (BertForMaskedLM, BertModel)}
    inputs = AutoTokenizer.from_pretrained(folder)(HUB_TEXT, return_tensors="pt")
    with torch.no_grad():
        logits = again[BertForMaskedLM](**inputs).logits
        mean = again[BertModel](**inputs).last_hidden_state.mean(1)
        assert torch.allclose(logits, model(**inputs).prediction_logits, atol=1e-6), "transformers reads hub/ otherwise"
    save_case(folder / "case.safetensors", {"input_ids": inputs["input_ids"], "logits": logits, "mean": mean})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    disable_progress_bar()
    for name, (kind, settings, lengths, seed) in CASES.items():
        write_case(out / name, kind, settings, lengths, seed)
    write_variants(out)
    write_hub(out / "hub")


if __name__ == "__main__":
    main()
