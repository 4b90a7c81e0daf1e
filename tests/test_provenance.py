"""realgap.provenance: a rule is run again when, and only when, the code that its step runs has changed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from realgap import provenance

STEPS = sorted(f"scripts.{path.stem}" for path in (provenance.ROOT / "scripts").glob("[!_]*.py"))

# In a process of its own, for each step: what Python itself has loaded after importing it and running the import
# statements inside its functions, found in the byte code (provenance reads the source).
LOADED = """
import dis, importlib, importlib.util, json, sys, types

def ours():
    return {name for name in sys.modules if name.split(".")[0] in ("realgap", "scripts")}

def imports_within(code):
    steps = list(dis.get_instructions(code))
    for at, step in enumerate(steps):
        if step.opname == "IMPORT_NAME":
            names = steps[at - 1].argval or ()
            yield step.argval, steps[at - 2].argval, names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from imports_within(constant)

def load(name):
    importlib.import_module(name)
    seen = set()
    while todo := ours() - seen:
        for module in todo:
            seen.add(module)
            loaded = sys.modules[module]
            code = loaded.__spec__.loader.get_code(module)
            for target, level, names in imports_within(code):
                full = importlib.util.resolve_name("." * level + target, loaded.__package__) if level else target
                if full.split(".")[0] in ("realgap", "scripts"):
                    importlib.import_module(full)
                    for child in names:
                        if importlib.util.find_spec(full).submodule_search_locations is not None:
                            try:
                                importlib.import_module(f"{full}.{child}")
                            except ModuleNotFoundError:
                                pass
    return sorted(ours())

found = {}
for step in sys.argv[1:]:
    for name in ours():
        del sys.modules[name]
    found[step] = load(step)
print(json.dumps(found))
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the code that a test may edit."""
    for name in provenance.PACKAGES:
        shutil.copytree(provenance.ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    provenance._imports.cache_clear()
    yield tmp_path
    provenance._imports.cache_clear()


def test_the_declared_sources_of_every_step_are_what_python_loads():
    run = subprocess.run([sys.executable, "-c", LOADED, *STEPS], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loaded = json.loads(run.stdout.splitlines()[-1])
    assert len(loaded) == len(STEPS) >= 11
    assert {step: provenance.sources(step) for step in STEPS} == loaded


def test_steps_load_only_what_they_need():
    assert "realgap.inversion" in provenance.sources("scripts.invert")
    assert "realgap.classifiers" not in provenance.sources("scripts.invert")
    assert "realgap.inversion" not in provenance.sources("scripts.sample")
    assert "realgap.models" not in provenance.sources("scripts.train")
    assert "realgap.sampling" not in provenance.sources("scripts.extract")
    assert "realgap.geometry.render" in provenance.sources("scripts.extract_rendered")
    assert not any("geometry" in module for module in provenance.sources("scripts.extract"))


def test_editing_a_module_changes_the_digest_of_exactly_the_steps_that_import_it(package):
    before = {step: provenance.code(step) for step in STEPS}
    for module in ("realgap.inversion", "realgap.classifiers", "realgap.images", "realgap.files", "scripts.plot"):
        path = package.joinpath(*module.split(".")).with_suffix(".py")
        text = path.read_text()
        path.write_text(text + "\n")
        changed = {step for step in STEPS if provenance.code(step) != before[step]}
        assert changed == {step for step in STEPS if module in provenance.sources(step)}
        assert changed
        path.write_text(text)
    assert {step: provenance.code(step) for step in STEPS} == before


def test_imports_inside_functions_relative_ones_and_packages_count(package):
    (package / "realgap" / "late.py").write_text("from . import files\n")
    (package / "realgap" / "odd").mkdir()
    (package / "realgap" / "odd" / "__init__.py").write_text("from .. import late\nimport json\n")
    (package / "realgap" / "odd" / "deep.py").write_text("def f():\n    from realgap.streams import stream\n")
    (package / "scripts" / "new.py").write_text("def main():\n    import realgap.odd.deep as d\n")
    assert provenance.sources("scripts.new") == [
        "realgap",
        "realgap.files",
        "realgap.late",
        "realgap.odd",
        "realgap.odd.deep",
        "realgap.streams",
        "scripts",
        "scripts.new",
    ]


def test_a_comment_is_an_edit_and_touching_a_file_is_none(package):
    before = provenance.code("scripts.train")
    path = package / "realgap" / "classifiers.py"
    path.touch()
    assert provenance.code("scripts.train") == before
    path.write_text(path.read_text() + "# why\n")
    assert provenance.code("scripts.train") != before


def test_a_copy_of_a_base_model_has_its_fingerprint(base_model, tmp_path):
    shutil.copytree(base_model, tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("another card")
    for path in (tmp_path / "copy").rglob("*"):
        path.touch()
    assert provenance.fingerprint(tmp_path / "copy") == provenance.fingerprint(base_model)


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder", "tokenizer", "scheduler"])
def test_any_other_part_makes_another_fingerprint(base_model, tmp_path, part):
    shutil.copytree(base_model, tmp_path / "copy")
    changed = max((tmp_path / "copy" / part).iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(changed.read_bytes())
    content[-3] ^= 1
    changed.write_bytes(content)
    assert provenance.fingerprint(tmp_path / "copy") != provenance.fingerprint(base_model)


def test_the_fingerprint_of_a_large_file_sees_its_size_and_both_ends(tmp_path):
    (tmp_path / "unet").mkdir()
    path = tmp_path / "unet" / "weights.safetensors"
    seen = set()
    content = bytearray(3 << 20)
    for position in (None, 0, 100, (1 << 20) - 1, (2 << 20) + 1, (3 << 20) - 1):
        altered = bytearray(content)
        if position is not None:
            altered[position] = 1
        path.write_bytes(altered)
        seen.add(provenance.fingerprint(tmp_path))
    path.write_bytes(bytes(3 << 20) + b"\0")
    assert len({*seen, provenance.fingerprint(tmp_path)}) == 7


def test_versions_are_those_installed():
    assert provenance.versions("torch", "numpy") == {"numpy": np.__version__, "torch": torch.__version__.split("+")[0]}


def test_every_step_is_named_by_a_rule():
    rules = "".join(path.read_text() for path in Path(provenance.ROOT, "rules").glob("*.smk"))
    # one of two extracts real images: the rules as they are with either
    either = re.findall(r'"(scripts\.\w+)"', re.search(r"^EXTRACT = .*$", rules, re.MULTILINE)[0])
    assert len(either) == 2
    rules = "".join(rules.replace("{params.step}", step).replace("(EXTRACT)", f'("{step}")') for step in either)
    for step in STEPS:
        assert f"python -m {step} " in rules
        # a download is what its checksum or revision says, whichever code fetched it
        assert f'provenance.code("{step}")' in rules or step.startswith(("scripts.fetch_", "scripts.convert_"))
