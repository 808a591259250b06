"""Makes train.jsonl.gz and test.jsonl.gz from two npm packages, which lie unpacked in two folders.

    npm pack emoji-datasource-google@16.0.0 emojibase-data@17.0.0
    mkdir pictures captions
    tar -xzf emoji-datasource-google-16.0.0.tgz --strip-components=1 -C pictures
    tar -xzf emojibase-data-17.0.0.tgz --strip-components=1 -C captions
    python3 corpora/emoji/make.py pictures captions

Needs numpy and Pillow 13.0. The same versions give the same bytes. It prints the number of pictures, and every picture that it
leaves out with the reason.
"""

import argparse
import base64
import gzip
import hashlib
import io
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

VERSIONS = {"pictures": "16.0.0", "captions": "17.0.0"}

SIZE = 32
# Of 100 parts of the hash so many are for the test file.
TEST_PARTS = 20
# Two pictures whose pixels differ by less than this on average (of 255) are in the same file: clock faces, keycaps,
# the same person with another gender.
NEAR = 3.0

# The groups of the pictures, and words for them that fit into "a picture of {}" and its Chinese counterpart.
GROUPS = {
    "Smileys & Emotion": ("smiley", "表情"),
    "People & Body": ("person", "人物"),
    "Animals & Nature": ("animal or plant", "动植物"),
    "Food & Drink": ("food or drink", "食物和饮料"),
    "Travel & Places": ("place or vehicle", "地点和交通"),
    "Activities": ("activity", "活动"),
    "Objects": ("object", "物品"),
    "Symbols": ("symbol", "符号"),
    "Flags": ("flag", "旗帜"),
}

# In this version of the package the file of this flag shows that of Saudi Arabia.
WRONG_PICTURES = {"1F1E8-1F1F6": "Sark"}

# Parts of a code that say how somebody looks, not what is shown: gender, direction, and what joins the parts.
ADULTS = {"1F468", "1F469", "1F9D1"}
CHILDREN = {"1F466", "1F467", "1F9D2"}
NO_MEANING = {"200D", "FE0F", "2640", "2642", "27A1"}


def codes(hexcode: str) -> list[str]:
    return [code.lstrip("0") for code in hexcode.upper().split("-")]


def key_of(hexcode: str) -> str:
    """The code without the selector of the coloured form, which the two packages write differently."""
    return "-".join(code for code in codes(hexcode) if code != "FE0F")


def family_of(hexcode: str) -> tuple[str, ...]:
    """What is the same for a man, a woman and a person in one role, and for all families."""
    parts = (code for code in codes(hexcode) if code not in NO_MEANING)
    parts = ("adult" if code in ADULTS else "child" if code in CHILDREN else code for code in parts)
    return tuple(sorted(set(parts)))


def picture(path: Path) -> Image.Image:
    """The picture on white, resized."""
    with Image.open(path) as file:
        drawn = file.convert("RGBA")
    white = Image.new("RGBA", drawn.size, "white")
    white.alpha_composite(drawn)
    return white.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def english(name: str, tags: list[str]) -> list[str]:
    """The name with its tags, without those that repeat words of the name, and the name alone."""
    words = set(re.findall(r"\w+", name.lower()))
    new = [tag for tag in tags if not set(re.findall(r"\w+", tag.lower())) <= words]
    return list(dict.fromkeys([", ".join([name, *new]), name]))


def chinese(name: str, tags: list[str]) -> list[str]:
    """The same, with a comma as Chinese has it."""
    new = [tag for tag in tags if tag not in name]
    return list(dict.fromkeys(["，".join([name, *new]), name]))


def read(pictures: Path, captions: Path) -> list[dict]:
    for what, folder in {"pictures": pictures, "captions": captions}.items():
        found = json.loads((folder / "package.json").read_text("utf-8"))["version"]
        assert found == VERSIONS[what], f"{folder} has version {found} instead of {VERSIONS[what]}"
    names = {}
    for language in ("en", "zh"):
        entries = json.loads((captions / language / "data.json").read_text("utf-8"))
        names[language] = {key_of(entry["hexcode"]): entry for entry in entries}
    entries = json.loads((pictures / "emoji.json").read_text("utf-8"))
    print(f"{len(entries)} emoji; their {sum(len(one.get('skin_variations', {})) for one in entries)} variants of the skin "
          "are left out")
    rows = []
    for entry in sorted(entries, key=lambda entry: entry["sort_order"]):
        key = key_of(entry["unified"])
        if entry["category"] == "Component":
            print(f"left out, a colour of the skin: {entry['short_name']}")
            continue
        if key in WRONG_PICTURES:
            print(f"left out, the picture shows something else: {WRONG_PICTURES[key]}")
            continue
        en, zh = names["en"][key], names["zh"][key]
        label, label_zh = GROUPS[entry["category"]]
        rows.append({
            "key": key,
            "pixels": picture(pictures / "img/google/64" / entry["image"]),
            "family": family_of(entry["unified"]),
            "en": en["label"],
            "zh": zh["label"],
            "en_captions": english(en["label"], en.get("tags", [])),
            "zh_captions": chinese(zh["label"], zh.get("tags", [])),
            "label": label,
            "label_zh": label_zh,
            "subgroup": entry["subcategory"].replace("-", " "),
        })
    return rows


def without_equal(rows: list[dict]) -> list[dict]:
    """Of equal pictures the one with the shortest name, which is the most general."""
    kept = {}
    for row in rows:
        kept.setdefault(row["pixels"].tobytes(), []).append(row)
    for equal in kept.values():
        equal.sort(key=lambda row: (len(row["en"]), row["key"]))
        for row in equal[1:]:
            print(f"left out, the same picture as {equal[0]['en']!r}: {row['en']}")
    chosen = {equal[0]["key"] for equal in kept.values()}
    return [row for row in rows if row["key"] in chosen]


def differences(pixels: np.ndarray, one: np.ndarray) -> np.ndarray:
    """The mean of the absolute differences of all values between `one` and each of `pixels`."""
    return np.abs(pixels - one).mean(1)


def array(rows: list[dict]) -> np.ndarray:
    """The pixels, a row for each picture."""
    pixels = [np.frombuffer(row["pixels"].tobytes(), np.uint8) for row in rows]
    return np.stack(pixels).astype(np.float32)


def divide(rows: list[dict]) -> None:
    """Sets `part` of each row. Rows that belong together are in the same part: those of one family, with a caption in
    common, or with almost the same picture."""
    parent = list(range(len(rows)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict = {}
    for index, row in enumerate(rows):
        captions = [(language, text) for language in ("en", "zh") for text in row[f"{language}_captions"]]
        for what in [row["family"], *captions]:
            parent[root(index)] = root(first.setdefault(what, index))
    pixels = array(rows)
    for index in range(len(rows)):
        for other in np.flatnonzero(differences(pixels[:index], pixels[index]) < NEAR):
            parent[root(index)] = root(int(other))
    least: dict[int, str] = {}
    for index, row in enumerate(rows):
        least[root(index)] = min(least.get(root(index), row["key"]), row["key"])
    for index, row in enumerate(rows):
        hashed = int.from_bytes(hashlib.sha256(least[root(index)].encode()).digest()[:8], "big")
        row["part"] = "test" if hashed % 100 < TEST_PARTS else "train"
    sizes = Counter(root(index) for index in range(len(rows)))
    print(f"{len(sizes)} sets of pictures that belong together, the largest of {max(sizes.values())}")


def check(rows: list[dict]) -> None:
    """No picture and no caption may be in both parts."""
    parts = [[row for row in rows if row["part"] == part] for part in ("train", "test")]
    for what, values in {
        "pictures": lambda row: [row["pixels"].tobytes()],
        "English captions": lambda row: row["en_captions"],
        "Chinese captions": lambda row: row["zh_captions"],
        "families": lambda row: [row["family"]],
    }.items():
        train, test = ({value for row in part for value in values(row)} for part in parts)
        print(f"{what}: {len(train)} in train, {len(test)} in test, {len(train & test)} in both")
        assert not train & test
    train = array(parts[0])
    nearest = min(float(differences(train, test).min()) for test in array(parts[1]))
    print(f"the nearest two pictures of train and test differ by {nearest:.2f} of 255 on average")
    assert nearest >= NEAR


def write(rows: list[dict], part: str, folder: Path) -> None:
    text = io.StringIO()
    chosen = [row for row in rows if row["part"] == part]
    for row in chosen:
        file = io.BytesIO()
        row["pixels"].save(file, "WEBP", lossless=True, quality=100, method=6)
        with Image.open(io.BytesIO(file.getvalue())) as again:
            assert again.convert("RGB").tobytes() == row["pixels"].tobytes()
        image = {"image": base64.b64encode(file.getvalue()).decode()}
        fields = ("key", "en", "zh", "en_captions", "zh_captions", "label", "label_zh", "subgroup")
        line = {name: row[name] for name in fields} | image
        text.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    path = folder / f"{part}.jsonl.gz"
    packed = gzip.compress(text.getvalue().encode(), 9, mtime=0)
    path.write_bytes(packed)
    labels = Counter(row["label"] for row in chosen)
    print(f"{path.name}: {len(chosen)} pictures, {len(packed)} bytes, SHA-256 {hashlib.sha256(packed).hexdigest()}")
    print(", ".join(f"{labels[label]} {label}" for label, _ in GROUPS.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes train.jsonl.gz and test.jsonl.gz.")
    parser.add_argument("pictures", type=Path, help="the unpacked package emoji-datasource-google")
    parser.add_argument("captions", type=Path, help="the unpacked package emojibase-data")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="the folder to write to")
    arguments = parser.parse_args()
    rows = without_equal(read(arguments.pictures, arguments.captions))
    divide(rows)
    check(rows)
    for part in ("train", "test"):
        write(rows, part, arguments.out)


if __name__ == "__main__":
    main()
