"""Data sets of real digits as others write them: torchvision's folders, `datasets`, `webdataset`, h5py, a CSV file."""

import csv
import io

import datasets
import h5py
import numpy as np
import webdataset
from PIL import Image
from sklearn.datasets import load_digits

DIGITS = load_digits()
NAMES = ("zero", "one", "two")
ROWS = {
    part: np.flatnonzero(DIGITS.target < 3)[span] for part, span in (("train", slice(0, 90)), ("test", slice(90, 120)))
}


def picture(row):
    return Image.fromarray((DIGITS.images[row] * 15).astype(np.uint8)).convert("RGB")


def encoded(row, kind="PNG"):
    file = io.BytesIO()
    picture(row).save(file, kind)
    return file.getvalue()


TRUTH = {np.asarray(picture(row)).tobytes(): NAMES[DIGITS.target[row]] for rows in ROWS.values() for row in rows}


def folder(tmp_path):
    for part, rows in ROWS.items():
        for row in rows:
            (tmp_path / part / NAMES[DIGITS.target[row]]).mkdir(parents=True, exist_ok=True)
            picture(row).save(tmp_path / part / NAMES[DIGITS.target[row]] / f"{row}.png")
    return "image_folder", tmp_path


def listing(tmp_path):
    with open(tmp_path / "all.csv", "w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["file", "label", "split"])
        for part, rows in ROWS.items():
            for row in rows:
                (tmp_path / "photographs").mkdir(exist_ok=True)
                picture(row).save(tmp_path / f"photographs/{row}.png")
                lines.writerow([f"photographs/{row}.png", NAMES[DIGITS.target[row]], part])
    return "csv", tmp_path / "all.csv"


def hugging_face(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))})
    for part, rows in ROWS.items():
        content = {"image": [picture(row) for row in rows], "label": DIGITS.target[rows].tolist()}
        made = datasets.Dataset.from_dict(content, features=features)
        (tmp_path / "data").mkdir(parents=True, exist_ok=True)
        for shard in range(2):
            name = f"{part}-{shard:05d}-of-00002.parquet"
            made.shard(2, shard).to_parquet(tmp_path / "data" / name, batch_size=7)
    return "parquet", tmp_path


def tars(tmp_path):
    (tmp_path / "classnames.txt").write_text("\n".join(NAMES) + "\n")
    for part, rows in ROWS.items():
        for shard, own in enumerate(np.array_split(rows, 2)):
            with webdataset.TarWriter(str(tmp_path / f"{part}-{shard:04d}.tar")) as file:
                for row in own:
                    file.write({"__key__": f"{row:06d}", "png": encoded(row), "cls": int(DIGITS.target[row])})
    return "webdataset", tmp_path


def hdf5(tmp_path, of=lambda row: np.asarray(picture(row)), labels=lambda rows: DIGITS.target[rows], **settings):
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file.attrs["class_names"] = list(NAMES)
        for part, rows in ROWS.items():
            file.create_dataset(f"{part}/images", data=np.stack([of(row) for row in rows]), **settings)
            file[f"{part}/labels"] = labels(rows)
    return "hdf5", tmp_path / "mine.h5"


def medmnist(tmp_path):
    """Zeros and ones as PneumoniaMNIST has its two classes."""
    content = {}
    for part, rows in (("train", ROWS["train"][:60]), ("val", ROWS["train"][60:]), ("test", ROWS["test"])):
        own = [row for row in rows if DIGITS.target[row] < 2]
        content[f"{part}_images"] = np.stack([np.asarray(picture(row))[..., 0] for row in own])
        content[f"{part}_labels"] = DIGITS.target[own].astype(np.uint8)[:, None]
    np.savez_compressed(tmp_path / "pneumoniamnist.npz", **content)
    return "pneumoniamnist", tmp_path / "pneumoniamnist.npz"


WRITERS = [folder, listing, hugging_face, tars, hdf5]
