"""Golden cases of image models from transformers: outputs, loss, gradients and ten AdamW steps of small random models.

`python gen.py` rewrites every folder beside it with the same bytes; the functions' docstrings give the layout.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import (
    BertConfig,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    SiglipConfig,
    SiglipModel,
    ViTConfig,
    ViTForImageClassification,
    ViTMAEConfig,
    ViTMAEForPreTraining,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
)
from transformers.models.vit_mae.modeling_vit_mae import build_2d_sinusoidal_position_embedding
from transformers.utils.logging import disable_progress_bar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from goldens.casefile import save_json, shapes  # noqa: E402
from goldens.steps import STEPS, fill, save_steps, step_case  # noqa: E402

Batch = dict[str, torch.Tensor]
ROWS, LENGTHS, LONGEST = 3, [7, 4, 6], 9
BEGIN, END, PAD = 3, 4, 1

VIT = {"hidden_size": 18, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 25,
       "image_size": [6, 8], "patch_size": 2}
VIT_ODD = {"hidden_size": 15, "num_hidden_layers": 2, "num_attention_heads": 5, "intermediate_size": 23,
           "image_size": 10, "patch_size": 5, "num_channels": 1, "qkv_bias": False, "hidden_act": "gelu_new",
           "layer_norm_eps": 1e-6}
TOPICS = {"id2label": {0: "cat", 1: "dog", 2: "bird"}, "label2id": {"cat": 0, "dog": 1, "bird": 2}}
MAE = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 17, "image_size": 9,
       "patch_size": 3, "decoder_hidden_size": 16, "decoder_num_hidden_layers": 2, "decoder_num_attention_heads": 2,
       "decoder_intermediate_size": 19, "mask_ratio": 0.6}
TEXT = {"vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 17,
        "max_position_embeddings": LONGEST, "bos_token_id": BEGIN, "pad_token_id": PAD}
IMAGE = {"hidden_size": 20, "num_hidden_layers": 2, "num_attention_heads": 5, "intermediate_size": 21, "image_size": 8,
         "patch_size": 4}
BERT = {"vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 17,
        "max_position_embeddings": LONGEST, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SMALL_VIT = IMAGE | {"hidden_size": 12, "num_attention_heads": 2, "num_hidden_layers": 1, "image_size": [4, 8]}


def dual(vision, **more):
    return VisionTextDualEncoderConfig.from_vision_text_configs(vision, BertConfig(**BERT), projection_dim=7, **more)


# folder: class, config, seed (with it no gradient is a cancelling sum, which fp32 would not give to 1e-5)
CASES = {
    "vit": (ViTForImageClassification, ViTConfig(**VIT, **TOPICS), 61),
    "vit-odd": (ViTForImageClassification, ViTConfig(**VIT_ODD, **TOPICS), 62),
    "mae": (ViTMAEForPreTraining, ViTMAEConfig(**MAE), 63),
    "mae-norm": (ViTMAEForPreTraining, ViTMAEConfig(**MAE | {"num_hidden_layers": 1}, norm_pix_loss=True), 64),
    "clip": (CLIPModel, CLIPConfig(text_config=TEXT | {"eos_token_id": END}, vision_config=IMAGE, projection_dim=7), 75),
    # The highest id of a row ends its text.
    "clip-two": (CLIPModel, CLIPConfig(text_config=TEXT | {"eos_token_id": 2, "hidden_act": "gelu", "num_hidden_layers": 1},
                                       vision_config=IMAGE | {"hidden_act": "gelu", "num_hidden_layers": 1},
                                       projection_dim=5), 66),
    "siglip": (SiglipModel, SiglipConfig(text_config=TEXT | {"projection_size": 20, "num_hidden_layers": 1}, vision_config=IMAGE), 67),
    # Patches do not fill these images: the convolution leaves pixels at the right and at the bottom out.
    "vit-rest": (ViTForImageClassification, ViTConfig(**VIT | {"image_size": [7, 8], "patch_size": 3, "num_hidden_layers": 1}, **TOPICS), 68),
    "siglip-rest": (SiglipModel, SiglipConfig(text_config=TEXT | {"projection_size": 20, "num_hidden_layers": 1},
                                              vision_config=IMAGE | {"image_size": 11, "num_hidden_layers": 1}), 69),
    "dual": (VisionTextDualEncoderModel, dual(ViTConfig(**SMALL_VIT)), 148),
    "dual-clip": (VisionTextDualEncoderModel, dual(CLIPVisionConfig(**IMAGE | {"num_hidden_layers": 1})), 149),
}

# Cases without the ten steps: others have the same parts.
WITHOUT_STEPS = {"vit-odd", "clip-two", "vit-rest", "siglip-rest", "dual-clip"}


def sides(config) -> list[int]:
    vision = getattr(config, "vision_config", config)
    size = vision.image_size
    return [vision.num_channels, *(size if isinstance(size, (list, tuple)) else (size, size))]


def batch(config, seed: int) -> Batch:
    """`pixel_values` [b, c, h, w]; for a classifier `labels` [b]; for ViTMAE `noise` [b, n] and `visible` [b, k], the
    numbers of the visible patches; for two towers `input_ids` and `attention_mask` [b, l], padded on the right."""
    generator = torch.Generator().manual_seed(seed)
    found = {"pixel_values": torch.randn([ROWS, *sides(config)], generator=generator)}
    if config.model_type == "vit":
        found["labels"] = torch.randint(0, config.num_labels, [ROWS], generator=generator)
    elif config.model_type == "vit_mae":
        count = (config.image_size // config.patch_size) ** 2
        found["noise"] = torch.rand([ROWS, count], generator=generator)
        keep = int(count * (1 - config.mask_ratio))
        found["visible"] = found["noise"].argsort(dim=1)[:, :keep]
    else:
        ids = torch.randint(5, 30, [ROWS, LONGEST], generator=generator)
        mask = torch.arange(LONGEST) < torch.tensor(LENGTHS)[:, None]
        ids[:, 0] = BEGIN
        # With the id 2 for "the highest of the row", the last token is the highest.
        end = 30 if getattr(config.text_config, "eos_token_id", None) == 2 else END
        ids[torch.arange(ROWS), torch.tensor(LENGTHS) - 1] = end
        pad = config.text_config.pad_token_id
        found |= {"input_ids": torch.where(mask, ids, pad), "attention_mask": mask.long()}
    return found


def run(model, inputs: Batch):
    kind = model.config.model_type
    if kind == "vit":
        return model(**inputs)
    if kind == "vit_mae":
        return model(inputs["pixel_values"], noise=inputs["noise"])
    if kind == "siglip":
        # SigLIP is trained without a mask: padding is attended to.
        inputs = {name: value for name, value in inputs.items() if name != "attention_mask"}
    return model(**inputs, return_loss=True)


def states(prefix: str, out) -> Batch:
    found = {f"{prefix}hidden_states.{i}": state for i, state in enumerate(out.hidden_states)}
    return found | {f"{prefix}attentions.{i}": state for i, state in enumerate(out.attentions)}


def outputs(model, inputs: Batch, out) -> Batch:
    """Of each encoder `last_hidden_state`, `hidden_states.<i>` and `attentions.<i>`, with the prefix `text.` or `image.` if
    there are two; `logits` of a classifier or a decoder, or `image_embeds`, `text_embeds` and `logits_per_text`."""
    want = {"output_hidden_states": True, "output_attentions": True}
    kind = model.config.model_type
    if kind == "vit":
        encoded = model.vit(inputs["pixel_values"], **want)
        return {"logits": out.logits, "last_hidden_state": encoded.last_hidden_state, **states("", encoded)}
    if kind == "vit_mae":
        encoded = model.vit(inputs["pixel_values"], noise=inputs["noise"], **want)
        found = {"logits": out.logits, "last_hidden_state": encoded.last_hidden_state, **states("", encoded)}
        # All patches in their order: what the encoder gives where nothing is masked.
        model.config.mask_ratio, ratio = 0.0, model.config.mask_ratio
        ordered = torch.arange(found["logits"].shape[1]).expand(ROWS, -1) / 1000
        found["whole"] = model.vit(inputs["pixel_values"], noise=ordered).last_hidden_state
        model.config.mask_ratio = ratio
        for name, width in [("encoder", model.config.hidden_size), ("decoder", model.config.decoder_hidden_size)]:
            side = model.config.image_size // model.config.patch_size
            values = build_2d_sinusoidal_position_embedding(side, side, width, cls_token=True)
            # In the order of the published weights, as `initialize_weights` does it.
            found[f"positions.{name}"] = torch.cat([values[:, width // 2:], values[:, :width // 2]], dim=1)
        return found
    found = {"image_embeds": out.image_embeds, "text_embeds": out.text_embeds, "logits_per_text": out.logits_per_text}
    image = model.vision_model(inputs["pixel_values"], **want)
    mask = None if kind == "siglip" else inputs["attention_mask"]
    text = model.text_model(inputs["input_ids"], attention_mask=mask, **want)
    found |= {"image.last_hidden_state": image.last_hidden_state, "text.last_hidden_state": text.last_hidden_state}
    return found | states("image.", image) | states("text.", text)


def save_model(folder: Path, model) -> dict[str, str]:
    """Writes config.json and model.safetensors by save_pretrained, and keys.json: the names and shapes in sst, which are
    those of the file except for the layers of ViTMAE's decoder. Returns the name in sst of each parameter."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    file = load_file(folder / "model.safetensors")
    names = {}
    for memory, parameter in model.named_parameters():
        same = [name for name, value in file.items() if torch.equal(value, parameter)]
        assert len(same) == 1, f"{memory} is {same} in the file"
        # transformers 5 writes a name that no release before it wrote, and reads both.
        names[memory] = re.sub(r"^decoder\.decoder_encoder\.layer\.", "decoder.decoder_layers.", same[0])
    assert len(set(names.values())) == len(file), "the file has more tensors than the model"
    keys = {re.sub(r"^decoder\.decoder_encoder\.layer\.", "decoder.decoder_layers.", name): shape
            for name, shape in shapes([folder / "model.safetensors"]).items()}
    save_json(folder / "keys.json", dict(sorted(keys.items())))
    return names


def write_case(folder: Path, kind: type, config, seed: int) -> None:
    """Writes `folder`: the model, and case.safetensors with a batch, its outputs, `loss`, `grad.<name>`, and, but for some,
    the ten steps of `goldens.steps`, under the names that parameters have in sst."""
    model = kind._from_config(config, attn_implementation="eager")
    fill(model, seed)
    model.eval()
    names = save_model(folder, model)
    inputs = batch(config, seed + 100)
    out = run(model, inputs)
    out.loss.backward()
    with torch.no_grad():
        case = inputs | outputs(model, inputs, out) | {"loss": out.loss}
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all(p.grad is not None for p in trained.values()), "a parameter has no gradient"
    case |= {f"grad.{names[name]}": p.grad for name, p in trained.items()}
    batches = [batch(config, seed + 300 + step) for step in range(STEPS)]
    without = folder.name in WITHOUT_STEPS
    steps = {} if without else step_case(model, batches, lambda model, rows: run(model, rows).loss)
    for name, value in steps.items():
        parameter = name.removeprefix("final.")
        if name == parameter:
            case[name] = value
        elif parameter in trained:
            case[f"final.{names[parameter]}"] = value
    save_steps(folder, {name: value for name, value in case.items() if not name.endswith("noise")})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write into")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    disable_progress_bar()
    for name, case in CASES.items():
        write_case(out / name, *case)


if __name__ == "__main__":
    main()
