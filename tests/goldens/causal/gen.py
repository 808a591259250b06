"""Golden cases of GPT-2 and Llama from transformers: forward, loss, gradients and ten AdamW steps of small random
models, and the logits of every way to stretch rotary positions.

`python gen.py` rewrites every folder beside it with the same bytes; the functions' docstrings give the layout.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_case, save_json  # noqa: E402
from goldens.steps import STEPS, fill, save_model, save_steps, step_case  # noqa: E402

NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
GPT2 = {"n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 40, "vocab_size": 97}
GPT2_ODD = {"n_embd": 30, "n_head": 3, "n_layer": 3, "n_inner": 50, "n_positions": 23, "vocab_size": 101,
            "activation_function": "relu", "tie_word_embeddings": False, "scale_attn_by_inverse_layer_idx": True,
            "layer_norm_epsilon": 1e-6}
LLAMA = {"hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48,
         "num_hidden_layers": 2, "max_position_embeddings": 40, "vocab_size": 97, "tie_word_embeddings": True}
LLAMA_ODD = {"hidden_size": 30, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 8,
             "intermediate_size": 44, "num_hidden_layers": 3, "max_position_embeddings": 23, "vocab_size": 101,
             "attention_bias": True, "mlp_bias": True, "hidden_act": "gelu", "pad_token_id": 0, "rms_norm_eps": 1e-5,
             "rope_parameters": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0,
                                 "high_freq_factor": 4.0, "original_max_position_embeddings": 16}}
END = {"bos_token_id": 1, "eos_token_id": 2}
# name: class, config, lengths of the rows of a batch, seed
CASES = {
    "gpt2": (GPT2LMHeadModel, GPT2Config(**NO_DROPOUT, **GPT2, **END), [13, 9, 5, 2], 1),
    "gpt2-odd": (GPT2LMHeadModel, GPT2Config(**NO_DROPOUT, **GPT2_ODD, **END), [23, 17, 2], 13),
    "llama": (LlamaForCausalLM, LlamaConfig(**LLAMA, **END), [13, 9, 5, 2], 3),
    "llama-odd": (LlamaForCausalLM, LlamaConfig(**LLAMA_ODD, **END), [23, 17, 2], 4),
}
ROPE = {
    "linear": {"rope_type": "linear", "factor": 2.5, "rope_theta": 1000.0},
    "dynamic": {"rope_type": "dynamic", "factor": 3.0, "rope_theta": 1000.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1000.0, "original_max_position_embeddings": 10},
    "yarn-odd": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1000.0, "original_max_position_embeddings": 20,
                 "beta_fast": 8.0, "beta_slow": 2.0, "mscale": 0.7, "mscale_all_dim": 0.4, "truncate": False},
    "longrope-short": {"rope_type": "longrope", "rope_theta": 1000.0, "original_max_position_embeddings": 32,
                       "factor": 1.25, "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.0, 1.5, 2.0, 3.0]},
    "longrope-long": {"rope_type": "longrope", "rope_theta": 1000.0, "original_max_position_embeddings": 16,
                      "factor": 2.5, "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.0, 1.5, 2.0, 3.0]},
    "llama3": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 16},
    "default": {"rope_type": "default", "rope_theta": 300.0, "partial_rotary_factor": 0.5},
    "linear-below-1": {"rope_type": "linear", "factor": 0.5, "rope_theta": 1000.0},
    "yarn-magnitude": {"rope_type": "yarn", "factor": None, "rope_theta": 1000.0, "attention_factor": 1.3,
                       "original_max_position_embeddings": 10, "beta_fast": 0, "beta_slow": 2},
    "proportional": {"rope_type": "proportional", "factor": 2.0, "rope_theta": 1000.0, "partial_rotary_factor": 0.5},
}
ALONE = [7, 16, 17, 21, 30]


def build(kind: type, config, seed: int, std: float = 0.2):
    """A model of class `kind` with eager attention, filled by `fill`, in evaluation mode."""
    model = kind._from_config(config, attn_implementation="eager")
    fill(model, seed, std)
    return model.eval()


def batch(vocab_size: int, lengths: list[int], seed: int) -> dict[str, torch.Tensor]:
    """One right-padded batch (token 0), each i64 [b, l]; labels are the tokens, -100 where there is none."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    mask = (torch.arange(shape[1]) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(1, vocab_size, shape, generator=generator)
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": torch.where(mask.bool(), ids, -100)}


def loss(model, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean cross-entropy of the next tokens; transformers shifts the labels."""
    return model(**inputs).loss


def forward_case(model, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Outputs (zero where there is no token), loss and `grad.<name>` of one batch."""
    out = model(**inputs, output_hidden_states=True, output_attentions=True)
    model.zero_grad(set_to_none=True)
    out.loss.backward()
    mask_bl = inputs["attention_mask"].to(torch.float32)
    case = inputs | {"loss": out.loss, "logits": out.logits * mask_bl[:, :, None]}
    case |= {f"hidden_states.{i}": hidden * mask_bl[:, :, None] for i, hidden in enumerate(out.hidden_states)}
    case |= {f"attentions.{i}": map * mask_bl[:, None, :, None] for i, map in enumerate(out.attentions)}
    # The labels are shifted once, and in no other way.
    by_hand = cross_entropy(out.logits[:, :-1].flatten(0, 1), inputs["labels"][:, 1:].flatten())
    assert torch.allclose(by_hand, out.loss, rtol=1e-6), "transformers shifts labels in another way"
    return case | {f"grad.{name}": parameter.grad for name, parameter in model.named_parameters()}


def write_case(folder: Path, kind: type, config, lengths: list[int], seed: int, std: float = 0.2) -> None:
    """Writes `folder`: config.json and model.safetensors by save_pretrained, keys.json, case.safetensors."""
    model = build(kind, config, seed, std)
    save_model(folder, model)
    case = forward_case(model, batch(config.vocab_size, lengths, seed + 100))
    batches = [batch(config.vocab_size, lengths, seed + 1000 + step) for step in range(STEPS)]
    save_steps(folder, case | step_case(model, batches, loss))


def write_rope(out: Path) -> None:
    """Writes `rope.safetensors`: input_ids [2, 30] and `logits.<name>` of a model for each of `ROPE`, whose weights are
    those of the case `llama`; and `alone.<name>.<length>`, the logits of the first row's first tokens, read by
    themselves by a model that has read nothing before, for some rates stay as a longer row left them. Its keys are in
    the metadata, under `rope`."""
    inputs = batch(97, [30, 30], seed=5)
    case = {"input_ids": inputs["input_ids"]}
    for name, rope in ROPE.items():
        positions = 20 if name == "dynamic" else 40
        config = LlamaConfig(**(LLAMA | {"max_position_embeddings": positions, "rope_parameters": dict(rope)}), **END)
        with torch.no_grad():
            case[f"logits.{name}"] = build(LlamaForCausalLM, config, 3)(inputs["input_ids"]).logits
            for length in ALONE:
                model = build(LlamaForCausalLM, config, 3)
                case[f"alone.{name}.{length}"] = model(inputs["input_ids"][:1, :length]).logits[0]
    save_case(out / "rope.safetensors", case, rope=ROPE)


LONG = {"n_positions": 256, "n_layer": 2, "n_embd": 32, "n_head": 4, "vocab_size": 97}
LONG_LLAMA = LLAMA | {"max_position_embeddings": 256}
# folder: class, config, seed
GENERATE = {
    "generate-gpt2": (GPT2LMHeadModel, GPT2Config(**NO_DROPOUT, **LONG, **END), 7),
    "generate-llama": (LlamaForCausalLM, LlamaConfig(**LONG_LLAMA, **END), 8),
}
PROMPTS = [[5, 17, 40, 3], [61], [9, 9, 80, 33, 12, 71, 28, 54, 90]]
NEW = 200


def write_generate(out: Path) -> None:
    """Writes a folder for each of `GENERATE`: a model, and generate.json.

    `greedy`: for each prompt the 200 new tokens that greedy search finds (fewer where it ends), alone, and for all of
    them in one batch padded on the left, which must be the same. `penalised`: with a repetition penalty of 1.3.
    `beams`: the best of four beams, 24 new tokens, with its length penalty, and its score. `perplexity`: for
    documents of 1, 2, 50 and 131 tokens and windows of 32, the summed negative log-likelihood for each stride: of
    windows that are full, under `strides`, and under `documentation` as transformers' documentation has it.
    """
    for name, (kind, config, seed) in GENERATE.items():
        model = build(kind, config, seed, std=0.4)
        save_model(out / name, model)
        model.generation_config.pad_token_id = 0
        alone = [generate(model, prompt, max_new_tokens=NEW) for prompt in PROMPTS]
        assert together(model) == alone, f"{name}: transformers finds other tokens in a batch"
        save_json(out / name / "generate.json", {
            "prompts": PROMPTS,
            "greedy": alone,
            "penalised": [generate(model, p, max_new_tokens=NEW, repetition_penalty=1.3) for p in PROMPTS],
            "beams": [beams(model, prompt, penalty) for prompt in PROMPTS for penalty in (0.0, 1.0, 2.0)],
            "perplexity": perplexity(model, seed),
        })


def generate(model, prompt: list[int], **options) -> list[int]:
    """The new tokens, without the one that ends them."""
    ids = model.generate(torch.tensor([prompt]), do_sample=False, **options)[0, len(prompt):].tolist()
    return ids[: ids.index(2)] if 2 in ids else ids


def together(model) -> list[list[int]]:
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in PROMPTS])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in PROMPTS])
    found = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=NEW)[:, longest:].tolist()
    return [row[: row.index(2)] if 2 in row else row for row in found]


def beams(model, prompt: list[int], penalty: float) -> dict:
    found = model.generate(torch.tensor([prompt]), do_sample=False, num_beams=4, length_penalty=penalty,
                           max_new_tokens=24, return_dict_in_generate=True, output_scores=True)
    ids = found.sequences[0, len(prompt):].tolist()
    ids = ids[: ids.index(2)] if 2 in ids else ids
    return {"prompt": prompt, "length_penalty": penalty, "ids": ids, "score": float(found.sequences_scores[0])}


def perplexity(model, seed: int) -> dict:
    """By the book: one window at a time, the tokens that an earlier one scored left out."""
    generator = torch.Generator().manual_seed(seed)
    documents = [torch.randint(3, 97, (n,), generator=generator).tolist() for n in (1, 2, 50, 131)]
    length, strides = 32, {}
    for stride in (1, 16, 32):
        total, count = 0.0, 0
        for ids in documents:
            scored = 1  # the first token has nothing before it
            while scored < len(ids):
                step = length - 1 if scored == 1 else min(stride, length - 1)
                end = min(scored + step, len(ids))
                begin = max(end - length, 0)
                with torch.no_grad():
                    logits = model(torch.tensor([ids[begin:end]])).logits[0].double().log_softmax(-1)
                for at in range(scored, end):
                    total -= float(logits[at - 1 - begin, ids[at]])
                    count += 1
                scored = end
        strides[str(stride)] = {"nll": total, "scored": count, "loss": total / count}
    documentation = {str(stride): documented(model, documents, length, stride) for stride in (7, 16, 32)}
    return {"documents": documents, "length": length, "strides": strides, "documentation": documentation}


def documented(model, documents: list[list[int]], max_length: int, stride: int) -> dict:
    """The loop of "Perplexity of fixed-length models", for several documents: `loss` is its `avg_nll`. `nll` and
    `scored` are the plain sum over the labels of the same windows, and their number."""
    nll_sum = n_tokens = total = count = 0
    for ids in documents:
        prev_end_loc = 0
        for begin_loc in range(0, len(ids), stride):
            end_loc = min(begin_loc + max_length, len(ids))
            trg_len = end_loc - prev_end_loc
            input_ids = torch.tensor([ids[begin_loc:end_loc]])
            target_ids = input_ids.clone()
            target_ids[:, :-trg_len] = -100
            num_loss_tokens = (target_ids != -100).sum().item() - 1
            if num_loss_tokens > 0:  # else the page adds nothing, or the NaN of a text of one token
                with torch.no_grad():
                    loss = float(model(input_ids, labels=target_ids).loss)
                nll_sum += loss * num_loss_tokens
                n_tokens += num_loss_tokens
                labels = (target_ids[:, 1:] != -100).sum().item()  # transformers shifts them
                total += loss * labels
                count += labels
            prev_end_loc = end_loc
            if end_loc == len(ids):
                break
    return {"loss": nll_sum / n_tokens, "nll": total, "scored": count}


def write_sampling(out: Path) -> None:
    """Writes sampling.json: logits, tokens that are there, settings, and the probabilities that the processors of
    transformers leave, in their usual order."""
    generator = torch.Generator().manual_seed(11)
    cases = []
    for settings in (
        {"temperature": 0.7}, {"temperature": 1.6, "top_k": 5}, {"top_k": 1}, {"top_p": 0.8}, {"top_p": 0.3},
        {"temperature": 0.5, "top_p": 0.9, "top_k": 12}, {"min_p": 0.2}, {"min_p": 0.05, "temperature": 2.0},
        {"repetition_penalty": 1.4}, {"repetition_penalty": 0.8, "temperature": 0.9},
        {"repetition_penalty": 1.2, "temperature": 1.1, "top_k": 20, "top_p": 0.85, "min_p": 0.03},
    ):
        logits = torch.randn(1, 40, generator=generator) * 3
        seen = torch.randint(0, 40, (1, 9), generator=generator)
        scores = logits
        order = {
            "repetition_penalty": RepetitionPenaltyLogitsProcessor, "temperature": TemperatureLogitsWarper,
            "top_k": TopKLogitsWarper, "top_p": TopPLogitsWarper, "min_p": MinPLogitsWarper,
        }
        for name, processor in order.items():
            if name in settings:
                scores = processor(settings[name])(seen, scores)
        cases.append({"logits": logits[0].tolist(), "seen": seen[0].tolist(), "settings": settings,
                      "probabilities": scores[0].double().softmax(-1).tolist()})
    save_json(out / "sampling.json", cases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    disable_progress_bar()
    for name, (kind, config, lengths, seed) in CASES.items():
        write_case(out / name, kind, config, lengths, seed)
    write_rope(out)
    write_generate(out)
    write_sampling(out)


if __name__ == "__main__":
    main()
