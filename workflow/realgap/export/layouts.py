"""How pictures lie in the files of an export: write(folder, shard, pictures, encoding, class_names) of each layout.

shard: the number of the shard and how many there are. What a shard leaves is there whole or not at all, or, in a folder
of images, picture by picture.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from realgap.export import Picture
from realgap.store import files, naming

Write = Callable[[Path, tuple[int, int], Iterable[Picture], str, Sequence[str]], None]


def image_folder(
    folder: Path, shard: tuple[int, int], pictures: Iterable[Picture], encoding: str, class_names: Sequence[str]
) -> None:
    """<class>/<name>.png, as torchvision's ImageFolder reads it."""
    for picture in pictures:
        path = folder / naming.folder(picture.class_name) / f"{picture.name}.{encoding}"
        if not path.exists():
            files.write(path, picture.encoded)


def webdataset(
    folder: Path, shard: tuple[int, int], pictures: Iterable[Picture], encoding: str, class_names: Sequence[str]
) -> None:
    """train-000000.tar: <name>.png, <name>.cls with the label, <name>.json with the rest, for each picture."""
    path = folder / f"train-{shard[0]:06d}.tar"
    if path.exists():
        return
    with files.whole(path) as beside, tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as archive:
        for picture in pictures:
            about = {"class": picture.class_name, **_whose(picture)}
            members = {encoding: picture.encoded, "cls": str(picture.label).encode()}
            members["json"] = json.dumps(about, ensure_ascii=False).encode()
            for suffix, content in members.items():
                member = tarfile.TarInfo(f"{picture.name}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def huggingface(
    folder: Path, shard: tuple[int, int], pictures: Iterable[Picture], encoding: str, class_names: Sequence[str]
) -> None:
    """data/train-00000-of-00010.parquet with the columns image, label, source, image_id and variant."""
    path = folder / "data" / f"train-{shard[0]:05d}-of-{shard[1]:05d}.parquet"
    if path.exists():
        return
    import datasets

    columns = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(class_names))}
    columns |= {"source": datasets.Value("string"), "image_id": datasets.Value("int64")}
    columns |= {"variant": datasets.Value("int32")}
    rows = [
        {"image": {"bytes": one.encoded, "path": f"{one.name}.{encoding}"}, "label": one.label, **_whose(one)}
        for one in pictures
    ]
    with files.whole(path) as beside:
        datasets.Dataset.from_list(rows, features=datasets.Features(columns)).to_parquet(str(beside))


LAYOUTS: dict[str, Write] = {"image_folder": image_folder, "webdataset": webdataset, "huggingface": huggingface}


def _whose(picture: Picture) -> dict[str, str | int]:
    return {"source": picture.source, "image_id": picture.image_id, "variant": picture.variant}
