"""realgap.code.version: a step's digest changes with the definitions it can reach, and with nothing else."""

import ast
import importlib
import json
import re
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from realgap.code import meaning, version
from realgap.code.units import Source, is_text
from realgap.store import provenance
from tests import given

ROOT = provenance.ROOT
TREE = version.Tree(ROOT)
STEPS = sorted(f"scripts.{path.stem}" for path in (ROOT / "scripts").glob("[!_]*.py"))
# the costly ones, with the tables' keys of the default study, as their rules give them
STARTS, LOADERS = (
    "scripts.inversion_invert.STARTS",
    next(
        f"{module}.LOADERS" for module in TREE.modules if "LOADERS" in TREE.source(module).bound and "realgap" in module
    ),
)
COSTLY = {
    "scripts.inversion_invert": {STARTS: "prompt"},
    "scripts.inversion_encode": {},
    "scripts.data_extract": {LOADERS: "digits"},
}


def digests(tree):
    return {step: version.digest(tree.definitions(step, keys)) for step, keys in COSTLY.items()}


def with_text(module, text):
    """The tree with another text of one module."""
    tree = version.Tree(ROOT)
    is_package = TREE.source(module).is_package
    tree._sources = {**TREE._sources, module: Source(module, text, TREE.packages, is_package)}
    digests(TREE)
    tree._links = {one: links for one, links in TREE._links.items() if not _concerned(module, one, links)}
    return tree


def _concerned(module, definition, links):
    """Whether a definition is of a module or uses it: what is known of others is taken over, for the test's speed."""
    used = {one.module for one in (definition, *links.definitions, *links.tables)}
    return module in used | links.modules | links.whole


def text_of(module):
    path = ROOT.joinpath(*module.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()


def edited(old, new):
    """The tree with `old`, which stands once in all of it, replaced."""
    holding = [module for module in TREE.modules if old in text_of(module)]
    assert len(holding) == 1, (old, holding)
    text = text_of(holding[0])
    assert text.count(old) == 1
    return with_text(holding[0], text.replace(old, new))


# --- the table of what means nothing to the costly steps ----------------------------------------------------------

HARMLESS = {
    "a scheduler": ('"unipc": Sampler("UniPCMultistepScheduler"),', '"heun": Sampler("HeunDiscreteScheduler"),'),
    "an analysis's shards": ('LAYOUT: dict[str, dict[str, tuple[str, int]]] = {', '"depth": {"maps": ("float32", 3)},'),
    "a data set's loader": ('    "hdf5": hdf5,', '"mnist": hdf5,'),
    "a data set's classes": ('    "rendered": RENDERED,\n', '"mnist": DIGITS,'),
    "a data set's test images": ('"imagenette": 3_925', ', "mnist": 10_000'),
    "a source": ('DEFECTS = ("bent_lines", "second_light", "broken_camera"', ', "no_shadow"'),
    "a colour": ('"purple": (110, 75, 130),', '"violet": (130, 60, 200),'),
    "a package in the job log": ('PACKAGES = ("diffusers", "numpy"', ', "scipy"'),
    "a column of the job log": ('    host: str\n    processor: str\n', '    rack: str\n'),
    "a word of the job log": ('MARK = "realgap job: "', ' + "done "'),
    "a column of the benchmarks": ('"cpu_time": f"{cpu_s:.2f}",', '"threads": "1",'),
    "a word of a progress bar": ('state.losses.shape[1] * batches, "inverting', ' embeddings'),
    "a log word": ('out of memory with {batch_size} {what} at once, going on', ' now'),
    "a warning": ('failed: NaN or infinity arose; left out', ' of the shard'),
    "a hint about damage": ('return "delete it and run snakemake again: ', 'please '),
    "a hint in an error": ('Copy the model\'s folder there from a machine with internet ', 'or by hand '),
    "why a step failed": ('a lower inversion.lr or compute.precision fp32 may help', ' (or not)'),
    "a classifier": ("def stages(model: nn.Module", ", deep: bool = False"),
}  # fmt: skip


@pytest.mark.parametrize("what", HARMLESS)
def test_the_costly_steps_do_not_run_again_for(what):
    anchor, added = HARMLESS[what]
    tree = edited(anchor, anchor + added)
    assert digests(tree) == digests(TREE)


def test_a_colour_word_counts_where_embeddings_start_from_looks():
    keys = {STARTS: "looks"}
    tree = edited('"purple": (110, 75, 130),', '"purple": (110, 75, 131),')
    assert tree.definitions("scripts.inversion_invert", keys) != TREE.definitions("scripts.inversion_invert", keys)


@pytest.mark.long
def test_the_sampling_steps_schedulers_count_for_sampling():
    tree = edited('"algorithm_type": "dpmsolver++"', '"algorithm_type": "sde-dpmsolver++"')
    changed = {step for step in STEPS if tree.definitions(step) != TREE.definitions(step)}
    assert {"scripts.sampling_sample", "scripts.inversion_invert", "scripts.inversion_encode"} & changed == {
        "scripts.sampling_sample"
    }


@pytest.mark.long
def test_comments_docstrings_and_formatting_do_not_count():
    """Every file at once, written anew from its syntax tree without its docstrings."""
    tree = version.Tree(ROOT)
    for module in TREE.modules:
        parsed = ast.parse(text_of(module))
        for node in ast.walk(parsed):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                node.body = [one for one in node.body if not is_text(one)] or [ast.Expr(ast.Constant("other words"))]
        text = ast.unparse(parsed).replace("\n\n", "\n# a comment\n\n")
        tree._sources[module] = Source(module, text, TREE.packages, TREE.source(module).is_package)
    assert {step: tree.definitions(step) for step in STEPS} == {step: TREE.definitions(step) for step in STEPS}


# --- every definition: those that are reached count, the others do not --------------------------------------------


def place_of(node):
    """First and last line of a definition, its decorators included."""
    return min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]), node.end_lineno


def changed_constant(node):
    """Changes a constant of a definition, a counted one: no docstring, no words of an error."""
    said = [one for one in ast.walk(node) if isinstance(one, ast.Raise | ast.JoinedStr | ast.Expr)]
    said += [one for one in ast.walk(node) if isinstance(one, ast.Call) and "progress" in ast.dump(one.func)]
    passed = {id(inner) for one in said for inner in ast.walk(one)}
    constants = [one for one in ast.walk(node) if isinstance(one, ast.Constant) and id(one) not in passed]
    if not constants:
        return False
    value = constants[-1].value
    constants[-1].value = f"{value}x" if isinstance(value, str) else 12345
    return True


def new_default(node):
    if not isinstance(node, ast.FunctionDef):
        return False
    if not node.args.defaults and not any(node.args.kw_defaults):
        node.args.kwonlyargs.append(ast.arg("_more"))
        node.args.kw_defaults.append(ast.Constant(1))
    else:
        defaults = node.args.defaults or node.args.kw_defaults
        at = next(i for i, default in enumerate(defaults) if default is not None)
        defaults[at] = ast.Constant("another")
    return True


def new_decorator(node):
    if not hasattr(node, "decorator_list"):
        return False
    node.decorator_list.append(ast.Name("print", ast.Load()))
    return True


def new_base(node):
    if not isinstance(node, ast.ClassDef):
        return False
    node.bases.append(ast.Name("Exception", ast.Load()))
    return True


def changed_inside(node):
    """A method of a class, or a helper nested in a function."""
    inner = [one for one in ast.walk(node) if isinstance(one, ast.FunctionDef) and one is not node]
    for one in inner:
        one.body.append(ast.Pass())
    return bool(inner)


def changed_field(node):
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign)] if isinstance(node, ast.ClassDef) else []
    for one in fields:
        one.annotation = ast.Name("object", ast.Load())
    return bool(fields)


MUTATIONS = (changed_constant, new_default, new_decorator, new_base, changed_inside, changed_field)
# what runs when a module is imported counts wherever it is
ANYWHERE = (new_decorator, new_base)


def mutant(definition, mutate):
    """The tree with a change of a definition, or None where there is nothing to change so."""
    node = ast.parse(ast.unparse(definition.node)).body[0]
    if not mutate(node):
        return None
    lines = text_of(definition.module).splitlines()
    first, last = place_of(definition.node)
    lines[first - 1 : last] = [ast.unparse(ast.fix_missing_locations(node))]
    return with_text(definition.module, "\n".join(lines))


@pytest.mark.long
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_change_of_a_definition_changes_the_digests_of_the_steps_that_reach_it_alone(mutate):
    reached = {step: set(TREE.definitions(step, keys)) for step, keys in COSTLY.items()}
    # a table of which entries count: it is another test's
    parts = {name.split("[")[0] for names in reached.values() for name in names if "[" in name}
    modules = sorted({name.split("[")[0].rpartition(".")[0] for names in reached.values() for name in names})
    before, wrong, tried = digests(TREE), [], Counter()
    for definition in (one for module in modules if TREE.source(module) for one in TREE.source(module).definitions):
        expected = {step for step, names in reached.items() if definition.full_name in names}
        if definition.full_name in parts or (not expected and mutate in ANYWHERE):
            continue
        if (tree := mutant(definition, mutate)) is not None:
            tried[bool(expected)] += 1
            changed = {step for step, digest in digests(tree).items() if digest != before[step]}
            if not (expected <= changed if mutate in ANYWHERE else expected == changed):
                wrong.append(definition.full_name)
    assert not wrong
    assert tried[True] > 5


# --- is what is reached all that runs? ----------------------------------------------------------------------------


def about_saying():
    """The full names of all that the functions of meaning.SAYS reach."""
    seen, todo = set(), [TREE._table(name) or _definition(name) for name in meaning.SAYS]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += TREE.links(one).definitions
    return {one.full_name for one in seen}


def _definition(full_name):
    module, _, name = full_name.rpartition(".")
    return TREE.source(module).bound[name][0]


class Calls:
    """The definitions of ours that are run while it is active, in any thread; importing modules apart."""

    def __init__(self):
        self.codes = set()

    def __enter__(self):
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)
        threading.setprofile(None)

    def _note(self, frame, event, argument):
        if event == "call" and frame.f_code not in self.codes and frame.f_code.co_filename.startswith(str(ROOT)):
            outer = frame
            while outer is not None:
                if outer.f_code.co_name == "<module>" and outer.f_code.co_filename.startswith(str(ROOT)):
                    return
                outer = outer.f_back
            self.codes.add(frame.f_code)

    def names(self):
        return {self._name(code) for code in self.codes}

    def _name(self, code):
        parts = Path(code.co_filename).relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        for definition in TREE.source(module).definitions:
            first, last = place_of(definition.node)
            if first <= code.co_firstlineno <= last:
                return definition.full_name
        raise AssertionError((module, code.co_qualname))


def small_steps(tmp_path, base_model, images_shard, invert_arguments):
    """Command lines of small real steps, and the keys of their tables."""
    extraction = {"dataset": "digits", "split": "train", "classes": {"one": 1}, "start": 0, "stop": 4}
    extraction |= {"validation_images_per_class": 0, "test_images_per_class": None, "image_size": 16, "seed": 0}
    encoding = {"resolution": 16, **given.COMPUTE}
    inverting = invert_arguments(tmp_path / "out.h5")
    at = inverting.index("--options") + 1
    early = {"start": "looks", "class_name": "one", "early_stopping_patience": 2}
    looks = [*inverting[:at], json.dumps({**json.loads(inverting[at]), **early}), *inverting[at + 1 :]]
    prompt = [*inverting[:at], json.dumps({**json.loads(inverting[at]), "start": "prompt"}), *inverting[at + 1 :]]
    model, out = ["--base-model", base_model / "model_index.json"], ["--out", tmp_path / "out.h5"]
    yield "scripts.data_extract", ["--options", json.dumps(extraction), *out], {LOADERS: "digits"}
    yield (
        "scripts.inversion_encode",
        ["--images", images_shard("a.h5", size=16), *model, "--options", json.dumps(encoding), *out],
        {},
    )
    yield "scripts.inversion_invert", inverting, {STARTS: "random"}
    yield "scripts.inversion_invert", looks, {STARTS: "looks"}
    yield "scripts.inversion_invert", prompt, {STARTS: "prompt"}


def run(monkeypatch, step, arguments):
    monkeypatch.setattr(sys, "argv", [step, *map(str, arguments)])
    main = importlib.import_module(step).main
    importlib.import_module("realgap.run.steps").run(main)


class Noting(dict):
    """A table that notes which of its entries are looked up."""

    def __init__(self, entries):
        super().__init__(entries)
        self.keys_used = set()

    def __getitem__(self, key):
        self.keys_used.add(key)
        return super().__getitem__(key)


@pytest.mark.long
def test_what_a_step_runs_and_looks_up_is_what_its_digest_covers(
    tmp_path, monkeypatch, base_model, images_shard, invert_arguments
):
    said = about_saying()
    assert len(said) < 50
    for step, arguments, keys in small_steps(tmp_path, base_model, images_shard, invert_arguments):
        tables = {name: Noting(_value(name)) for name in meaning.BY_TEXT}
        for name, table in tables.items():
            _put(monkeypatch, name, table)
        with Calls() as calls:
            run(monkeypatch, step, arguments)
        monkeypatch.undo()
        ran, covered = calls.names() - tables.keys(), set(TREE.definitions(step, keys))
        looked_up = {f"{name}[{key!r}]" for name, table in tables.items() for key in table.keys_used}
        assert looked_up
        assert looked_up <= covered
        assert len(ran) > 10
        assert not ran - covered - said, (step, keys)
        (tmp_path / "out.h5").unlink()


def _value(full_name):
    module, _, name = full_name.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _put(monkeypatch, full_name, value):
    module, _, name = full_name.rpartition(".")
    monkeypatch.setattr(importlib.import_module(module), name, value)


def other_words(name):
    """What stands in for a function that says: it says something else, or nothing."""
    if name.endswith(".progress"):
        return lambda items, total, what: items
    return lambda *arguments: "other words"


@pytest.mark.long
def test_functions_that_say_have_no_part_in_the_bytes(
    tmp_path, monkeypatch, base_model, images_shard, invert_arguments
):
    made = {}
    for silent in (False, True):
        for name in meaning.SAYS if silent else ():
            _put(monkeypatch, name, other_words(name))
        for step, arguments, keys in small_steps(tmp_path, base_model, images_shard, invert_arguments):
            run(monkeypatch, step, [*arguments, "--benchmark", tmp_path / "benchmark.tsv"])
            made.setdefault((step, *keys.values()), []).append((tmp_path / "out.h5").read_bytes())
            (tmp_path / "out.h5").unlink()
    assert len(made) == 5
    assert all(first == second for first, second in made.values())


def test_every_function_that_says_is_there():
    for name in (*meaning.SAYS, *meaning.DESCRIBED, *meaning.BY_TEXT):
        assert _definition(name).full_name == name


# --- small trees: how names are followed --------------------------------------------------------------------------

OTHER = "from realgap.library import helper\ndef again():\n    helper()\n"
LIBRARY = "LIMIT = 3\ndef helper():\n    return LIMIT\ndef other():\n    pass\n"
L, T = "from realgap import library\n", "T = {'a': library.helper, 'b': library.other}\n"
HELPER, ALL = {"helper", "LIMIT"}, {"helper", "LIMIT", "other"}
SMALL = {
    "imports at the top": (f"{L}library.helper()", HELPER),
    "an alias": ("from realgap import library as l\nl.helper()", HELPER),
    "an import with dots": ("import realgap.library\nrealgap.library.helper()", HELPER),
    "an import with dots and an alias": ("import realgap.library as l\nl.helper()", HELPER),
    "a name imported": ("from realgap.library import helper as h\nh()", HELPER),
    "a relative import": ("from .other import again\nagain()", HELPER),
    "a name handed on": ("from scripts.other import helper\nhelper()", HELPER),
    "an import inside a function": ("def f():\n    from realgap.library import helper\n    helper()\nf()", HELPER),
    "a module imported inside a function": ("def f():\n    import realgap.library as l\n    l.LIMIT\nf()", {"LIMIT"}),
    "a function that is not called": (f"{L}def f():\n    library.helper()", set()),
    "a function as a value": (f"{L}X = [library.other]\nprint(X)", {"other"}),
    "a default argument": (f"{L}def f(x=library.LIMIT):\n    pass\nf()", {"LIMIT"}),
    "a decorator of ours runs at once": (f"{L}@library.helper\ndef f():\n    pass", HELPER),
    "a local variable is no module": (f"{L}def f(library):\n    return library\nf(1)", set()),
    "a variable of a loop is no module": (f"{L}print([library for library in range(3)])", set()),
    "a module as a value": (f"{L}getattr(library, 'hel' + 'per')()", ALL),
    "a name that is not there": (f"{L}library.nothing()", ALL),
    "everything imported": ("from realgap.library import *\nhelper()", ALL),
    "a computed import": ("import importlib\nimportlib.import_module('realgap.' + 'x').f()", ALL),
    "an import by name": ("import importlib\nimportlib.import_module('realgap.library')", ALL),
    "an import by a beginning": ("import importlib\nimportlib.import_module(f'realgap.lib{1}')", ALL),
    "an import of another library by name": ("import importlib\nimportlib.import_module('numpy')", set()),
    "an import that may fail": (
        "try:\n    from realgap.library import helper\nexcept ImportError:\n    helper = None\nhelper()",
        HELPER,
    ),
    "a global that a function sets": (f"{L}X = 0\ndef f():\n    global X\n    X = library.LIMIT\nf()", {"LIMIT"}),
    "a class by its method": (f"{L}class A:\n    def m(self):\n        library.other()\nA()", {"other"}),
    "an entry of a table": (f"{L}{T}T['b']()", {"other"}),
    "a table by a variable": (f"import sys\n{L}{T}T[sys.argv[1]]()", ALL),
    "a table as a value": (f"{L}{T}print(T, T['b'])", ALL),
    "a table that is added to": (f"{L}T = {{'a': library.other}}\nT['b'] = library.helper\nT['a']()", ALL),
}


def small(tmp_path, **files):
    for name, text in {"realgap/__init__.py": "", "scripts/__init__.py": "", **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return version.Tree(tmp_path)


@pytest.mark.parametrize("what", SMALL)
def test_names_are_followed_through(tmp_path, what):
    script, expected = SMALL[what]
    tree = small(tmp_path, **{"realgap/library.py": LIBRARY, "scripts/other.py": OTHER, "scripts/step.py": script})
    reached = {name for name in tree.definitions("scripts.step") if name.startswith("realgap.library.")}
    assert reached == {f"realgap.library.{name}" for name in expected}


def test_globals_and_exec_reach_all_of_their_module(tmp_path):
    for text in ("globals()['f']()", "exec('f()')", "eval('f()')"):
        tree = small(tmp_path, **{"scripts/step.py": f"def f():\n    pass\n{text}\n"})
        assert "scripts.step.f" in tree.definitions("scripts.step"), text


@pytest.mark.parametrize(
    "effect",
    [
        "import matplotlib\nmatplotlib.rcParams['axes.grid'] = True",
        "LIST.append(1)",
        "X, LIST[:] = 1, [2]",
        "X = register(1)",
        "@register\ndef f():\n    pass",
        "class A(Base):\n    pass",
        "class A(metaclass=type):\n    pass",
        "def f(x=register(2)):\n    pass",
        "class A:\n    register(3)",
        "import sideways",
        "if LIST:\n    Y = 1",
        "LIST = [4]",
    ],
)
def test_what_runs_when_a_module_is_imported_counts(tmp_path, effect):
    library = (
        "LIST = []\nclass Base:\n    pass\ndef register(x):\n    LIST.append(x)\n    return x\ndef used():\n    pass\n"
    )
    script = {"scripts/step.py": "from realgap import library\nlibrary.used()"}
    before = small(tmp_path, **{"realgap/library.py": library}, **script).definitions("scripts.step")
    after = small(tmp_path, **{"realgap/library.py": library + effect}, **script).definitions("scripts.step")
    assert set(after) - set(before)
    added = library + "class Another:\n    x: int = 1\ndef another(x=(1, 2)):\n    pass\nC = tuple([1])\n"
    assert small(tmp_path, **{"realgap/library.py": added}, **script).definitions("scripts.step") == before


def test_another_meaning_of_the_same_name_changes_the_digest(tmp_path):
    library, script = {"realgap/library.py": LIBRARY}, "def g():\n    return path(1)\ng()\n"
    seen = set()
    for line in (
        "from os import path",
        "from sys import path",
        "import posixpath as path",
        "from realgap.library import other as path",
    ):
        tree = small(tmp_path, **library, **{"scripts/step.py": f"{line}\n{script}"})
        seen.add(tree.definitions("scripts.step")["scripts.step.g"])
    assert len(seen) == 4


def test_the_words_of_an_error_do_not_count_but_what_is_called_for_them_does(tmp_path):
    text = "def f(x):\n    raise ValueError(f'{x}: wrong {g(x, 2)}')\ndef g(x, y):\n    return y\nf(1)\n"
    before = small(tmp_path, **{"scripts/step.py": text}).definitions("scripts.step")
    other = small(tmp_path, **{"scripts/step.py": text.replace("wrong", "must be right:")}).definitions("scripts.step")
    assert other == before
    for old, new in (
        ("g(x, 2)", "g(x, 3)"),
        ("return y", "return x"),
        ("ValueError", "OSError"),
        ("g(x, 2)", "g(x, [])"),
    ):
        changed = small(tmp_path, **{"scripts/step.py": text.replace(old, new)}).definitions("scripts.step")
        assert changed != before, new


def test_texts_inside_what_a_progress_bar_shows_the_progress_of_do_count(tmp_path):
    text = (
        "from realgap.run import steps\nfor x in steps.progress((r['a'] for r in f('b')), 3, 'doing'):\n    print(x)\n"
    )
    library = {
        "realgap/run/__init__.py": "",
        "realgap/run/steps.py": "def progress(items, total, what):\n    return items\n",
    }
    before = small(tmp_path, **library, **{"scripts/step.py": text}).definitions("scripts.step")
    for old, new, same in (("'a'", "'c'", False), ("'b'", "'c'", False), ("'doing'", "'at it'", True)):
        tree = small(tmp_path, **library, **{"scripts/step.py": text.replace(old, new)})
        assert (tree.definitions("scripts.step") == before) is same, old


def test_a_table_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"scripts\.inversion_invert\.NOTHING: must be a table"):
        TREE.definitions("scripts.inversion_invert", {"scripts.inversion_invert.NOTHING": "a"})


def test_every_step_has_a_digest_and_no_heavy_import_is_needed():
    assert all(len(version.digest(TREE.definitions(step))) == 16 for step in STEPS)
    heavy = {"torch", "numpy", "h5py", "diffusers"}
    for module in ("version", "units", "reading", "meaning"):
        names = set(re.findall(r"^(?:import|from) (\w+)", text_of(f"realgap.code.{module}"), re.MULTILINE))
        assert not names & heavy
