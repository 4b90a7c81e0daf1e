"""Promise: bad input is one line that says what, where, what it must be and what it is; exit code 1, nothing written.

The cases are data: bad_input.yaml beside this file.
"""

import contextlib
import io
import json
import os
import re
import shutil
import struct
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import snakemake.cli
import tifffile
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from realgap.base_model import check as base_model_check
from realgap.data import inventory, own
from realgap.store import shards
from tests import checkout, given

CASES = yaml.safe_load((Path(__file__).parent / "bad_input.yaml").read_text(encoding="utf-8"))


def named(kind):
    """Cases of a kind; files that unfold to gigabytes take a minute."""
    marks = {n: pytest.mark.long for n, case in enumerate(CASES[kind]) if "bomb" in case}
    return [pytest.param(case, id=f"{n}: {_name(case)}", marks=marks.get(n, ())) for n, case in enumerate(CASES[kind])]


def _name(case):
    told = [case[key] for key in ("file", "make", "set", "text", "bomb") if case.get(key)]
    return " ".join(map(str, told))[:60].encode("ascii", "replace").decode()


def test_there_are_more_than_two_hundred_cases_none_of_them_twice():
    cases = [json.dumps(case, sort_keys=True) for cases in CASES.values() for case in cases]
    assert len(set(cases)) == len(cases) >= 250
    assert sum('"says"' in case for case in cases) >= 230


# --- the configuration ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return checkout.copy(tmp_path_factory.mktemp("bad input") / "checkout")


def run_snakemake(folder, *arguments):
    """(exit code, what was said) of the real command, in a fork of this process, which has Snakemake imported."""
    said = folder / "said.log"
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.chdir(folder)
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for number in (0, 1, 2):
                os.dup2(out if number else os.open(os.devnull, os.O_RDONLY), number)
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, "rw"[n > 0]) for n in (0, 1, 2))
            snakemake.cli.main(list(arguments))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            if isinstance(stop.code, str):
                os.write(2, stop.code.encode())
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text()


def bomb(kind):
    """Nine lists of nine lists of ... : 250 bytes of YAML that stand for 387 million words."""
    levels = ["&a [" + ", ".join("x" * 9) + "]"]
    levels += [
        f"&{name} [" + ", ".join([f"*{below}"] * 9) + "]" for below, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    if kind == "lists":  # inside a known key
        nested = "x"
        for level in levels:
            nested = level if nested == "x" else f"{nested}, {level}"
        return f"seeds: [{nested}]\n"
    return "".join(f"{name}: {level}\n" for name, level in zip("abcdefghi", levels, strict=True))


@pytest.mark.long
@pytest.mark.parametrize("case", named("config"))
def test_a_bad_config_is_one_line_before_any_job(folder, case):
    if "set" in case:
        study = {"study": "never-made"}
        for key, value in case["set"].items():
            *sections, last = key.split(".")
            section = study
            for name in sections:
                section = section.setdefault(name, {})
            section[last] = value
        text = yaml.safe_dump(study, allow_unicode=True)
    else:
        text = case.get("text") or bomb(case["bomb"])
    (folder / "bad.yaml").write_text(text, encoding="utf-8")
    before = everything(folder)
    code, said = run_snakemake(folder, "--configfile", "bad.yaml", "--cores", "1")
    assert code == 1, said
    lines = [line for line in said.splitlines() if case["says"] in line]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    assert "missing and not made again" not in said
    assert everything(folder) == before, "something was written"
    assert not (folder / "pwned").exists()


def everything(folder):
    return {path for path in folder.rglob("*") if not {".snakemake", "__pycache__"} & set(path.parts)} - {
        folder / "said.log"
    }


# --- images -----------------------------------------------------------------------------------------------------------


GREY = Image.new("RGB", (12, 12), (128, 128, 128))


def encoded(image, kind, **settings):
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def noise(size=64):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8))


def flipped_png():
    content = bytearray(encoded(noise(), "PNG"))
    content[len(content) // 2] ^= 4
    return bytes(content)


def huge_png():
    """20,000 x 20,000 px in a header, and nothing else."""
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + encoded(GREY, "PNG")[33:]


def rotated():
    """White above black, stored lying on its side with the EXIF note that says so."""
    upright = Image.new("RGB", (16, 16), "black")
    upright.paste("white", (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(upright.rotate(90), "JPEG", exif=exif, quality=95)


def array_png(values, kind):
    """PNG of 16 bits: kind 0 is grey, 2 colours."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)), (b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in [*parts, (b"IEND", b"")])


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def text_bomb():
    """A PNG with a note of a gigabyte, packed."""
    packer = zlib.compressobj(9)
    note = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()
    whole = encoded(GREY, "PNG")
    return whole[:33] + chunk(b"zTXt", b"note\0\0" + note) + whole[33:]


def tiff(values, **settings):
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric=settings.pop("photometric", "minisblack"), **settings)
    return file.getvalue()


def ramp(low, high, dtype=np.uint16, channels=()):
    """Values from low to high, 9 px square."""
    values = np.linspace(low, high, 81).reshape(9, 9).astype(dtype)
    return np.repeat(values[..., None], channels[0], axis=2) if channels else values


def hole(value):
    values = ramp(0, 1, np.float32)
    values[4, 4] = value
    return tiff(values)


def on_nothing(kind, **settings):
    """A black disk that alpha alone shows."""
    image = Image.new("RGBA", (12, 12), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (3, 3, 9, 9))
    return encoded(image, kind, **settings)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n0 0 8 8 rectfill\nshowpage\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'
HALF = np.full((9, 9), 32896, np.uint16)

IMAGES = {
    "opaque RGBA": ("odd.png", lambda: encoded(Image.new("RGBA", (12, 12), (128, 128, 128, 255)), "PNG")),
    "16-bit colours": ("odd.png", lambda: array_png(np.stack([HALF] * 3, axis=-1), 2)),
    "16-bit colours in TIFF": ("odd.tif", lambda: tiff(np.stack([HALF] * 3, axis=-1), photometric="rgb")),
    "grey of 12 bits that says so": (
        "odd.ppm",
        lambda: b"P5\n9 9\n4095\n" + np.full(81, 2056, ">u2").tobytes(),
    ),
    "photograph of a phone": ("odd.jpg", lambda: encoded(GREY, "MPO", save_all=True, append_images=[GREY])),
    "AVIF": ("odd.png", lambda: encoded(GREY, "AVIF", quality=95)),
    "black on transparent": ("odd.png", lambda: on_nothing("PNG")),
    "transparent GIF": ("odd.gif", lambda: on_nothing("GIF")),
    "transparent WebP": ("odd.webp", lambda: on_nothing("WEBP", lossless=True)),
    "12 bits of 16": ("odd.png", lambda: array_png(ramp(0, 3900), 0)),
    "12 bits of 16 in colours": ("odd.png", lambda: array_png(ramp(0, 3900, channels=(3,)), 2)),
    "12 bits of 16 in TIFF": ("odd.tif", lambda: tiff(ramp(0, 3900))),
    "float to 255": ("odd.tif", lambda: tiff(ramp(0, 255, np.float32))),
    "float to 1": ("odd.tif", lambda: tiff(ramp(0, 1, np.float32))),
    "float to 1000": ("odd.tif", lambda: tiff(ramp(0, 1000, np.float32))),
    "signed 16 bits": ("odd.tif", lambda: tiff(ramp(-300, 300, np.int16))),
    "NaN": ("odd.tif", lambda: hole(np.nan)),
    "infinity": ("odd.tif", lambda: hole(np.inf)),
    "signed bytes": ("odd.tif", lambda: tiff(ramp(-100, 100, np.int8))),
    "white at zero": ("odd.tif", lambda: tiff(ramp(0, 65535), photometric="miniswhite")),
    "colours as floats": ("odd.tif", lambda: tiff(ramp(0, 1, np.float32, (3,)), photometric="rgb")),
    "EPS called png": ("odd.png", lambda: EPS),
    "SVG called png": ("odd.png", lambda: SVG),
    "text of a gigabyte": ("odd.png", text_bomb),
    "no pixels": ("odd.png", lambda: encoded(GREY, "PNG")[:16] + bytes(8) + encoded(GREY, "PNG")[24:]),
    "truncated JPEG": ("odd.jpg", lambda: encoded(noise(), "JPEG")[:1500]),
    "zero bytes": ("odd.png", lambda: b""),
    "text called png": ("odd.png", lambda: b"no picture at all"),
    "PNG with a flipped bit": ("odd.png", flipped_png),
    "decompression bomb": ("odd.png", huge_png),
    "negative 32-bit grey": ("odd.tif", lambda: encoded(Image.fromarray(np.full((9, 9), -5, np.int32)), "TIFF")),
    "16-bit grey": ("odd.png", lambda: encoded(Image.fromarray(np.full((9, 9), 32896, np.uint16)), "PNG")),
    "CMYK JPEG": ("odd.jpg", lambda: encoded(Image.new("CMYK", (12, 12), (0, 0, 0, 127)), "JPEG", quality=100)),
    "RGBA": ("odd.png", lambda: encoded(Image.new("RGBA", (12, 12), (128, 128, 128, 0)), "PNG")),
    "greyscale": ("odd.png", lambda: encoded(GREY.convert("L"), "PNG")),
    "animated GIF": (
        "odd.gif",
        lambda: encoded(GREY, "GIF", save_all=True, append_images=[Image.new("RGB", (12, 12))]),
    ),
    "1x1": ("odd.png", lambda: encoded(GREY.resize((1, 1)), "PNG")),
    "20000 px wide": ("odd.png", lambda: encoded(GREY.resize((20_000, 12)), "PNG")),
    "EXIF-rotated": ("odd.jpg", rotated),
    "JPEG called png": ("odd.png", lambda: encoded(GREY, "JPEG")),
}


def extract(steps, out, root, name="image_folder", split="train", stop=4):
    """(exit code, what was said) of taking the inventory of a user's data set, and of the extraction that follows."""
    settings = {"dataset": name, "validation_images_per_class": 0, "test_share": 0.01, "seed": 0}
    content = images = ""
    with contextlib.suppress(ValueError, OSError):  # what the step says of it is looked at
        parts = own.Parts(inventory.take(name, root, ["cat"], out.parents[1]).images, own.Split(0, 0.01, 0, stop))
        content, images = parts.content(), parts.digest(split, ["cat"], 0, stop)
    listed = out.parents[1] / "inventory.csv"
    options = json.dumps({**settings, "classes": ["cat"], "content": content})
    code, said = steps.run("scripts.data_inventory", "--root", root, "--options", options, "--out", listed)
    if code:
        return code, said
    settings |= {"classes": {"cat": 0}, "split": split, "start": 0, "stop": stop}
    settings |= {
        "test_images_per_class": None,
        "keep_repeats": False,
        "near_repeat": 1,
        "image_size": 16,
        "images": images,
    }
    where = ("--root", root, "--inventory", listed, "--options", json.dumps(settings))
    return steps.run("scripts.data_extract_own", *where, "--out", out)


def one_line(code, said, expected, out):
    assert code == 1, said
    assert said.startswith("error: "), said
    assert expected in said, said
    assert len(said.splitlines()) == 1, said
    assert not out.parent.exists() or not list(out.parent.iterdir()), "something was written"


@pytest.mark.long
@pytest.mark.parametrize("case", named("images"))
def test_an_odd_image_is_read_as_it_looks_or_named(steps, tmp_path, case):
    name, make = IMAGES[case["make"]]
    for part, size in (("train", 64), ("test", 65)):
        (tmp_path / "data" / part / "cat").mkdir(parents=True)
        noise(size).save(tmp_path / "data" / part / "cat" / "good.png")
    (tmp_path / "data/train/cat" / name).write_bytes(make())
    out = tmp_path / "out" / "0.h5"
    code, said = extract(steps, out, tmp_path / "data", stop=2)
    if "says" in case:
        one_line(code, said, f"{tmp_path}/data/train/{case['says']}", out)
        return
    assert (code, said) == (0, "")
    images = shards.read(out, "images")["images"].astype(int)
    grey = [image for image in images if np.ptp(image) < 250 and abs(image.mean() - 128) < 2 and image.std() < 3]
    upright = [image for image in images if image[:6].mean() > 250 and image[-6:].mean() < 5]
    assert len(grey if case["accepted"] == "half grey" else upright) == 1


# --- data sets --------------------------------------------------------------------------------------------------------


def a_folder(root, cats=4, dogs=4, same=False):
    for class_name, count in (("cat", cats), ("dog", dogs)):
        if count is not None:
            (root / class_name).mkdir(parents=True)
            for n in range(count):
                image = GREY if same else noise(8 + n)
                image.save(root / class_name / f"{n}.png")


def nested(root):
    a_folder(root / "test")


def a_file(change=None, **arrays):
    def make(root):
        with h5py.File(root, "w") as file:
            file.attrs["class_names"] = ["cat", "dog"]
            file["train/images"] = arrays.get(
                "images", np.random.default_rng(0).integers(0, 256, (8, 9, 9, 3), np.uint8)
            )
            file["train/labels"] = arrays.get("labels", np.arange(8) % 2)
            if change:
                change(file, file["train"])

    return make


def replaced(make):
    def change(file, train):
        del train["images"]
        make(train)

    return change


GIGABYTES = np.broadcast_to(np.uint8(9), (8, 4096, 4096, 3))  # 384 MiB that a file holds in 400 kB

DATASETS = {
    "an empty class": lambda root: a_folder(root, cats=0),
    "one image": lambda root: a_folder(root, cats=1),
    "a class that is missing": lambda root: a_folder(root, cats=None),
    "no class at all": lambda root: root.mkdir(),
    "test without train": nested,
    "all identical": lambda root: a_folder(root, same=True),
    "as many to train on as there are": a_folder,
    "a label out of range": a_file(
        lambda file, train: train["labels"].__setitem__(0, 0) or train["labels"].__setitem__(1, 7)
    ),
    "a negative label": a_file(lambda file, train: train["labels"].__setitem__(0, -1)),
    "labels that are no integers": a_file(labels=np.arange(8) / 8),
    "fewer labels than images": a_file(labels=np.arange(7) % 2),
    "a text file called h5": lambda root: root.write_text("no HDF5"),
    "signed images": a_file(images=np.zeros((8, 9, 9, 3), np.int16)),
    "a group for images": a_file(replaced(lambda train: train.create_group("images"))),
    "a group for labels": a_file(lambda file, train: (train.pop("labels"), train.create_group("labels"))),
    "an array for train": a_file(lambda file, train: (file.pop("train"), file.create_dataset("train", data=[1, 2]))),
    "a group that holds itself": a_file(replaced(lambda train: train.__setitem__("images", train))),
    "labels that point elsewhere": a_file(
        lambda file, train: (
            train.pop("labels"),
            train.create_dataset("labels", data=[file.ref] * 8, dtype=h5py.ref_dtype),
        )
    ),
    "labels in two columns": a_file(labels=np.zeros((8, 2), int)),
    "images of one number": a_file(images=np.uint8(7)),
    "images with fields": a_file(images=np.zeros((8, 9, 9, 3), [("r", "u1"), ("g", "u1")])),
    "a class name in place of several": a_file(lambda file, train: file.attrs.__setitem__("class_names", "cat")),
    "class names that are numbers": a_file(lambda file, train: file.attrs.__setitem__("class_names", [0, 1])),
    "a class name twice": a_file(lambda file, train: file.attrs.__setitem__("class_names", ["cat", "cat"])),
    "gigabytes in a chunk": a_file(
        replaced(
            lambda train: train.create_dataset(
                "images", (8, 4096, 4096, 3), "u1", chunks=(8, 4096, 4096, 3), compression="gzip", data=GIGABYTES
            )
        )
    ),
    "gigabytes in a row": a_file(replaced(lambda train: gigabytes_in_a_row(train))),
    "a pipe called h5": os.mkfifo,
    "a file that gives errors": lambda root: root.symlink_to("/proc/self/mem"),
    "an external link": a_file(
        replaced(lambda train: train.__setitem__("images", h5py.ExternalLink("/etc/passwd", "/x")))
    ),
    "external storage": a_file(
        replaced(lambda train: train.create_dataset("images", (8, 9, 9, 3), "u1", external=[("/etc/passwd", 0, 1944)]))
    ),
    "a foreign filter": a_file(replaced(lambda train: foreign_filter(train))),
    "arrays that are not there": a_file(
        replaced(lambda train: train.create_dataset("images", (1 << 22, 1024, 1024, 3), "u1", chunks=(1, 64, 64, 3)))
    ),
}


def foreign_filter(train):
    """A filter that HDF5 would look for a plugin for."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((8, 9, 9, 3))
    settings.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1,))
    space = h5py.h5s.create_simple((8, 9, 9, 3))
    h5py.h5d.create(train.id, b"images", h5py.h5t.STD_U8LE, space, settings)


def gigabytes_in_a_row(train):
    """A row of 19.7 GiB in small chunks, each stored as the same 50 kB: 20 MB in all."""
    shape, side = (1, 21 * 4096, 20 * 4096, 3), 4096
    images = train.create_dataset("images", shape, "u1", chunks=(1, side, side, 3), compression="gzip")
    packed = zlib.compress(bytes(side * side * 3))
    for top in range(0, shape[1], side):
        for left in range(0, shape[2], side):
            images.id.write_direct_chunk((0, top, left, 0), packed)


@pytest.mark.parametrize("case", named("datasets"))
def test_a_data_set_that_will_not_do_is_one_line(steps, tmp_path, case):
    make = DATASETS[case["make"]]
    kind = "image_folder" if list(DATASETS).index(case["make"]) < 7 else "hdf5"
    root = tmp_path / ("data" if kind == "image_folder" else "data.h5")
    make(root)
    out = tmp_path / "out" / "0.h5"
    code, said = extract(steps, out, root, kind)
    one_line(code, said, case["says"], out)


# --- configs of base models -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", named("configs"))
def test_an_absurd_config_of_a_base_model_is_one_line_before_any_job(tmp_path, base_model, case):
    model = tmp_path / "model"
    shutil.copytree(base_model, model)
    path = model / case["file"]
    if case["set"] is None:
        path.unlink()
        os.mkfifo(path)
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **case["set"]}))
    with pytest.raises(ValueError, match=re.escape(case["says"])) as caught:
        base_model_check.check(model, 16)
    said = str(caught.value)
    assert str(model) in said
    assert said.isprintable()
    assert len(said) < 500


# --- base models ------------------------------------------------------------------------------------------------------


def without_part(name):
    return lambda model: shutil.rmtree(model / name)


def emptied(name):
    def make(model):
        shutil.rmtree(model / name)
        (model / name).mkdir()

    return make


def reconfigured(part, **changes):
    def make(model):
        path = model / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
        config = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))

    return make


def poisoned(part):
    def make(model):
        [path] = (model / part).glob("*.safetensors")
        state = load_file(path)
        name = sorted(name for name, value in state.items() if value.is_floating_point())[0]
        state[name] = torch.full_like(state[name], torch.nan)
        save_file(state, path, metadata={"format": "pt"})

    return make


def pickled(model):
    [path] = (model / "vae").glob("*.safetensors")
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()


def truncated(model):
    [path] = (model / "unet").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:5000])


def wider_unet(model):
    from realgap.pretraining import miniature

    shutil.rmtree(model / "unet")
    unet = miniature.make_unet(8, (8, 8), width=8, seed=0)
    config = {**unet.config, "in_channels": 5, "_use_default_values": []}
    type(unet).from_config(config).save_pretrained(model / "unet")


def wider_text(model):
    from realgap.pretraining import miniature

    shutil.rmtree(model / "text_encoder")
    tokenizer = miniature.make_tokenizer(["one", "two"], max_tokens=8)
    miniature.make_text_encoder(tokenizer, width=16, layers=1, seed=0).save_pretrained(model / "text_encoder")


MODELS = {
    **{f"no {part}": without_part(part) for part in ("vae", "unet", "tokenizer", "text_encoder", "scheduler")},
    "an empty vae": emptied("vae"),
    "an empty scheduler": emptied("scheduler"),
    "a config that is no JSON": lambda model: (model / "unet" / "config.json").write_text("{"),
    "wrong latent channels": wider_unet,
    "another text encoder": wider_text,
    "pickle instead of safetensors": pickled,
    "truncated weights": truncated,
    "NaN in the vae": poisoned("vae"),
    "NaN in the unet": poisoned("unet"),
    "NaN in the text encoder": poisoned("text_encoder"),
    "a scheduler that predicts the sample": reconfigured("scheduler", prediction_type="sample"),
    "a scheduler of flow matching": reconfigured(
        "scheduler", _class_name="FlowMatchEulerDiscreteScheduler", beta_schedule=None, trained_betas=None
    ),
}


@pytest.mark.parametrize("case", named("models"))
def test_a_base_model_that_will_not_do_is_one_line(steps, tmp_path, base_model, invert_arguments, case):
    model = tmp_path / "model"
    shutil.copytree(base_model, model)
    MODELS[case["make"]](model)
    out = tmp_path / "out" / "0.h5"
    index = ["--base-model", model / "model_index.json"]
    compute = given.COMPUTE
    pixels = {"images": np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8), "labels": np.zeros(2, int)}
    pixels |= {"image_ids": np.array([4, 9]), "variants": np.zeros(2, np.int32)}
    shards.write(tmp_path / "real.h5", "images", pixels, {"source": "real"})
    if case["step"] == "encode":
        options = {"resolution": 16, **compute}
        command = [
            "scripts.inversion_encode",
            "--images",
            tmp_path / "real.h5",
            *index,
            "--options",
            json.dumps(options),
        ]
    elif case["step"] == "invert":
        line = invert_arguments(out)
        line[line.index("--base-model") + 1] = model / "model_index.json"
        command = ["scripts.inversion_invert", *line[:-2]]
    else:
        options = {
            "source": "stable_diffusion",
            "conditioning": "prompts",
            "class_name": "one",
            "images": None,
            "samples_per_image": 1,
            "strength": None,
            "inversion_steps": None,
            "fresh_noise": 0,
            "scheduler": "ddim",
        }
        options |= {
            "num_inference_steps": 2,
            "guidance_scale": 2.0,
            "guidance_interval": [0, 1],
            "unconditional": "prompt",
            "embedding_noise": 0,
        }
        options |= {
            "interpolation_strength": 0,
            "resolution": 16,
            "image_size": 16,
            "batch_size": 2,
            "seed": 0,
            **compute,
        }
        command = [
            "scripts.sampling_sample",
            "--images",
            tmp_path / "real.h5",
            *index,
            "--templates",
            tmp_path / "templates.txt",
        ]
        command += ["--embeddings", "--options", json.dumps(options)]
    code, said = steps.run(*command, "--out", out)
    said = "\n".join(line for line in said.replace("\r", "\n").splitlines() if not chatter(line)) + "\n"
    one_line(code, said, case["says"].format(model=model), out)


def chatter(line):
    """A progress bar, or what diffusers logs while it loads."""
    begins = ("Loading weights:", "sampling:", "inverting:", "There are modules in", "An error occurred while")
    return not line or line.startswith(begins)
