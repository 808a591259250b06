"""Golden pictures: small files as Pillow decodes them, resized as Pillow does it, and changed as torchvision does it.

Needs Pillow 13, torchvision 0.26 and transformers 5.23. `case.json`: `decoded` has the bytes of each file, its size and
the pixels that Pillow reads, after its EXIF orientation and on white; `resized` the pixels by filter and size; `changed`
those of each transform with given parameters; `processed` the saved configurations of image processors of transformers,
and what they make of two pictures. Bytes and pixels (RGB, row by row) are hexadecimal digits. All are made from one
picture, `source`.
"""

import io
import json
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

WIDTH, HEIGHT = 23, 17


def source() -> Image.Image:
    """Gradients, an edge and noise, so that every transform has something to change."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    red = 255 * x / (WIDTH - 1)
    green = 255 * y / (HEIGHT - 1)
    blue = np.where(x > 11, 220, 40) + rng.integers(-30, 30, (HEIGHT, WIDTH))
    return Image.fromarray(np.clip(np.stack([red, green, blue], -1), 0, 255).astype(np.uint8), "RGB")


def rgb(picture: Image.Image) -> str:
    assert picture.mode == "RGB"
    return picture.tobytes().hex()


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png16(values: np.ndarray) -> bytes:
    """A PNG of 16 bits, which Pillow does not write: an RGB picture, row by row without a filter."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n"
    for kind, data in [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]:
        file += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return file


def on_white(picture: Image.Image) -> Image.Image:
    """Alpha as the share of the picture, the rest white, rounded to the nearest byte."""
    rgba = np.asarray(picture.convert("RGBA"), dtype=np.int64)
    alpha = rgba[..., 3:]
    values = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return Image.fromarray(values.astype(np.uint8), "RGB")


def decoded() -> list[dict]:
    picture = source()
    alpha = picture.convert("RGBA")
    alpha.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1)), "L"))
    grey16 = Image.fromarray((np.asarray(picture.convert("L")).astype(np.uint16) * 257))
    cases = []

    def add(name: str, data: bytes, expected: Image.Image, exact: bool = True) -> None:
        cases.append({"name": name, "file": data.hex(), "width": expected.width, "height": expected.height,
                      "pixels": rgb(expected), "exact": exact})

    for kind in ("PNG", "BMP", "TIFF"):
        add(kind, saved(picture, kind), picture)
    add("WEBP lossless", saved(picture, "WEBP", lossless=True), picture)
    add("grey PNG", saved(picture.convert("L"), "PNG"), picture.convert("L").convert("RGB"))
    add("16 bit grey PNG", saved(grey16, "PNG"), picture.convert("L").convert("RGB"))
    palette = picture.quantize(32)
    add("palette PNG", saved(palette, "PNG"), palette.convert("RGB"))
    add("GIF", saved(palette, "GIF"), palette.convert("RGB"))
    add("alpha PNG", saved(alpha, "PNG"), on_white(alpha))
    frames = saved(palette, "GIF", save_all=True, append_images=[picture.transpose(Image.Transpose.ROTATE_180).quantize(32)])
    add("animated GIF", frames, palette.convert("RGB"))
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[274] = orientation
        file = saved(picture, "JPEG", quality=95, subsampling=0, exif=exif)
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB")
        add(f"JPEG with orientation {orientation}", file, expected, exact=False)
    rgb16 = np.asarray(picture).astype(np.uint16) * 256 + 99
    add("16 bit PNG", png16(rgb16), picture)
    grey_alpha = Image.merge("LA", [picture.convert("L"), alpha.getchannel("A")])
    add("grey alpha PNG", saved(grey_alpha, "PNG"), on_white(grey_alpha))
    clear = palette.copy()
    file = saved(clear, "PNG", transparency=5)
    add("palette PNG with a clear colour", file, on_white(Image.open(io.BytesIO(file))))
    file = saved(clear, "GIF", transparency=5)
    add("GIF with a clear colour", file, on_white(Image.open(io.BytesIO(file))))
    bits = picture.convert("1")
    add("1 bit PNG", saved(bits, "PNG"), bits.convert("RGB"))
    add("1 bit TIFF", saved(bits, "TIFF"), bits.convert("RGB"))
    for compression in ("tiff_lzw", "tiff_deflate", "packbits"):
        add(f"TIFF {compression}", saved(picture, "TIFF", compression=compression), picture)
    add("TIFF of two pages", saved(picture, "TIFF", save_all=True, append_images=[bits]), picture)
    add("animated PNG", saved(picture, "PNG", save_all=True, append_images=[picture.rotate(180)]), picture)
    turned = picture.transpose(Image.Transpose.ROTATE_180)
    add("animated WEBP", saved(picture, "WEBP", save_all=True, append_images=[turned], lossless=True), picture)
    add("palette BMP", saved(palette, "BMP"), palette.convert("RGB"))
    add("interlaced GIF", saved(palette, "GIF", interlace=True), palette.convert("RGB"))
    exif = Image.Exif()
    exif[274] = 6
    for kind, options in [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})]:
        file = saved(picture, kind, exif=exif, **options)
        add(f"{kind} with orientation 6", file, ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB"))
    for option in ("progressive", "keep_rgb", "optimize"):
        file = saved(picture, "JPEG", quality=90, **{option: True})
        add(f"JPEG, {option}", file, Image.open(io.BytesIO(file)).convert("RGB"), exact=False)
    file = saved(picture.convert("CMYK"), "JPEG", quality=95)
    start = file.index(b"\xff\xee\x00\x0eAdobe")
    file = file[:start] + file[start + 16:]
    add("CMYK JPEG without a marker of Adobe", file, Image.open(io.BytesIO(file)).convert("RGB"), exact=False)
    file = saved(picture, "WEBP", quality=90)
    add("WEBP", file, Image.open(io.BytesIO(file)).convert("RGB"), exact=False)
    file = saved(picture.convert("CMYK"), "TIFF")
    add("CMYK TIFF", file, Image.open(io.BytesIO(file)).convert("RGB"), exact=False)
    for name, image in [("JPEG", picture), ("grey JPEG", picture.convert("L")), ("CMYK JPEG", picture.convert("CMYK"))]:
        file = saved(image, "JPEG", quality=95)
        add(name, file, Image.open(io.BytesIO(file)).convert("RGB"), exact=False)
    return cases


def resized() -> list[dict]:
    picture, cases = source(), []
    filters = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
    for name, number in filters.items():
        for width, height in [(11, 9), (40, 30), (7, 17)]:
            expected = picture.resize((width, height), number)
            cases.append({"filter": name, "width": width, "height": height, "pixels": rgb(expected)})
    return cases


def changed() -> list[dict]:
    tensor = v2.functional.pil_to_tensor(source())
    cases = []

    def add(name: str, parameters: list, result: torch.Tensor) -> None:
        pixels = result.permute(1, 2, 0).contiguous().numpy().tobytes().hex()
        cases.append({"name": name, "parameters": parameters, "width": result.shape[2], "height": result.shape[1],
                      "pixels": pixels})

    add("flip", [], functional.horizontal_flip(tensor))
    for factor in (0.4, 1.7):
        add("brightness", [factor], functional.adjust_brightness(tensor, factor))
        add("contrast", [factor], functional.adjust_contrast(tensor, factor))
        add("saturation", [factor], functional.adjust_saturation(tensor, factor))
    for shift in (-0.3, 0.1, 0.5):
        add("hue", [shift], functional.adjust_hue(tensor, shift))
    add("grey", [], functional.rgb_to_grayscale(tensor, 3))
    add("solarize", [128], functional.solarize(tensor, 128))
    for kernel, sigma in [(3, 0.5), (7, 1.6)]:
        add("blur", [kernel, sigma], functional.gaussian_blur(tensor, [kernel, kernel], [sigma, sigma]))
    add("crop", [3, 2, 12, 9, 8, 8], functional.resized_crop(tensor, 2, 3, 9, 12, [8, 8], v2.InterpolationMode.BICUBIC, True))
    return cases


def processed() -> list[dict]:
    """Image processors of transformers, as they are saved, and what they make of the source and of their own size."""
    cases = []
    classes = [
        (transformers.ViTImageProcessor, {"size": {"height": 12, "width": 16}}),
        (transformers.ViTImageProcessor, {"size": {"height": 8, "width": 8}, "do_normalize": False}),
        (transformers.ViTImageProcessor, {"do_resize": False, "do_rescale": False, "do_normalize": False}),
        (transformers.CLIPImageProcessor, {"size": {"shortest_edge": 11}, "crop_size": {"height": 9, "width": 11}}),
        (transformers.CLIPImageProcessor, {"size": {"shortest_edge": 10}, "crop_size": {"height": 14, "width": 13}}),
        (transformers.SiglipImageProcessor, {"size": {"height": 30, "width": 30}}),
        (transformers.BitImageProcessor, {"size": {"shortest_edge": 12}, "crop_size": {"height": 12, "width": 12}}),
    ]
    for kind, options in classes:
        processor = kind(**options)
        with tempfile.TemporaryDirectory() as folder:
            processor.save_pretrained(folder)
            config = json.loads((Path(folder) / "preprocessor_config.json").read_text(encoding="utf-8"))
        shape = processor(source(), return_tensors="pt")["pixel_values"][0].shape
        # Nothing is resized where the short side has the model's size already.
        edge = options.get("size", {}).get("shortest_edge")
        size = (edge + 3, edge) if edge else (shape[2], shape[1])
        for name, picture in [("source", source()), ("own size", source().resize(size, 1))]:
            values = processor(picture, return_tensors="pt")["pixel_values"][0].float()
            cases.append({"config": config, "name": name, "picture_width": picture.width, "picture_height": picture.height,
                          "picture": rgb(picture), "width": values.shape[2], "height": values.shape[1],
                          "values": [round(value, 6) for value in values.flatten().tolist()]})
    return cases


def lines(golden: dict) -> str:
    """JSON with a line for each case."""

    def rows(value: object) -> str:
        if isinstance(value, list):
            return "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]"
        return json.dumps(value)

    return "{\n" + ",\n".join(f" {json.dumps(name)}: {rows(value)}" for name, value in golden.items()) + "\n}"


def main() -> None:
    picture = source()
    golden = {"width": WIDTH, "height": HEIGHT, "source": rgb(picture), "decoded": decoded(), "resized": resized(),
              "changed": changed(), "processed": processed()}
    Path(__file__).with_name("case.json").write_text(lines(golden) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
