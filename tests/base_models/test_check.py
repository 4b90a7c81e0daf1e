"""realgap.base_model.check: what cannot be used is one line before any job is started, and what can passes."""

import json
import re
import shutil
import subprocess
import sys

import huggingface_hub
import pytest
import torch
import yaml
from safetensors.torch import save_file

from realgap.base_model import check, layout, prompting
from tests import checkout
from tests.base_models import published

CPU = torch.device("cpu")
PIPELINES = json.loads((published.HERE / "other_pipelines.json").read_text())


def changed(name, **keys):
    return lambda folder: published.change(folder, name, **keys)


def removed(*names):
    def remove(folder):
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return folder

    return remove


def written(name, content):
    def write(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(content)
        return folder

    return write


def numbered(number):
    """A vocabulary in which a word has another number."""

    def make(folder):
        known = json.loads((folder / "tokenizer/vocab.json").read_text())
        return written("tokenizer/vocab.json", json.dumps({**known, "cat</w>": number}).encode())(folder)

    return make


def lora(folder):
    """A folder as a LoRA's training leaves it."""
    shutil.rmtree(folder)
    folder.mkdir()
    save_file({"unet.down.weight": torch.zeros(2, 2)}, folder / "pytorch_lora_weights.safetensors")
    return folder


def one_file(suffix):
    """The path of a single-file checkpoint in place of a folder."""

    def make(folder):
        path = folder.with_suffix(suffix)
        path.write_bytes(b"\0" * 100)
        return path

    return make


def checkpoint_alone(name):
    """A folder that holds a single-file checkpoint and nothing that describes it."""

    def make(folder):
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / name).write_bytes(b"\0" * 100)
        return folder

    return make


def other_pipeline(name):
    def make(folder):
        published.write_json(folder / "model_index.json", PIPELINES[name])
        return folder

    return make


def inpainting(folder):
    """Nine channels in, in the config and in the weights, as in the published ones."""
    tensors = published.weights(folder, "unet")
    tensors["conv_in.weight"] = torch.zeros(32, 9, 3, 3)
    published.store(folder, "unet", tensors)
    published.change(folder, "model_index.json", _class_name="StableDiffusionInpaintPipeline")
    return published.change(folder, "unet/config.json", in_channels=9)


def shallow(folder):
    tensors = published.weights(folder, "text_encoder")
    kept = {name: values for name, values in tensors.items() if ".layers.1." not in name}
    published.store(folder, "text_encoder", kept)
    return folder


def cut(folder):
    path = folder / "unet" / published.WEIGHTS["unet"]
    return written(f"unet/{path.name}", path.read_bytes()[:-5])(folder)


def lost_shard(folder):
    published.shard(folder, "unet")
    (folder / "unet/diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    return folder


UNET, VAE, TEXT = "unet/config.json", "vae/config.json", "text_encoder/config.json"
SCHEDULER, TOKENIZER = "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3438167540\n"

REFUSED = {
    # another model
    "SDXL": (
        other_pipeline("StableDiffusionXLPipeline"),
        "StableDiffusionXLPipeline with text_encoder_2 of class CLIP",
    ),
    "SD 3": (
        other_pipeline("StableDiffusion3Pipeline"),
        "StableDiffusion3Pipeline with text_encoder of class CLIPTextM",
    ),
    "FLUX": (other_pipeline("FluxPipeline"), "FluxPipeline with text_encoder_2 of class T5EncoderModel"),
    "ONNX": (other_pipeline("OnnxStableDiffusionPipeline"), "with text_encoder of class OnnxRuntimeModel"),
    "DeepFloyd": (other_pipeline("IFPipeline"), "IFPipeline with text_encoder of class T5EncoderModel"),
    "inpainting": (inpainting, "unet/ takes 9 channels, an inpainting model, where vae/ makes 4"),
    "flax": (changed(VAE, _class_name="FlaxAutoencoderKL"), "vae/ is of class FlaxAutoencoderKL"),
    "T5": (changed(TEXT, architectures=["T5EncoderModel"]), "text_encoder/ is of class T5EncoderModel"),
    "a LoRA": (lora, "a LoRA; fuse it into its base model"),
    # another layout
    "one file": (one_file(".safetensors"), "one file; make a folder of it by `snakemake convert_base_model`"),
    "one pickle": (one_file(".ckpt"), "a pickle, which can run code and is never loaded"),
    "a folder with one file": (checkpoint_alone("v1-5.safetensors"), "only v1-5.safetensors; make a folder of it by"),
    "a folder with one pickle": (checkpoint_alone("sd-v1-4.ckpt"), "only sd-v1-4.ckpt, a pickle"),
    "pickles": (published.pickle, "got diffusion_pytorch_model.bin, a pickle, which can run code"),
    "no unet": (removed("unet"), "unet/ is missing"),
    "no scheduler": (removed("scheduler"), "scheduler/ is missing"),
    "no config": (removed(VAE), "vae/config.json: must be there, is missing"),
    "no weights": (removed("vae/" + published.WEIGHTS["vae"]), "vae: must hold weights as safetensors, got none"),
    "no vocabulary": (removed("tokenizer/merges.txt"), "tokenizer/ has neither vocab.json and merges.txt nor"),
    "no JSON": (written(UNET, b"{"), "unet/config.json: must be JSON, got"),
    "no object": (written("model_index.json", b"[]"), "model_index.json: must be a JSON object, got list"),
    "nested JSON": (written(VAE, b"[" * 100_000), "vae/config.json: must be JSON, got"),
    # damaged files
    "a pointer": (
        written("unet/" + published.WEIGHTS["unet"], POINTER),
        "got a pointer of git-lfs to them; run `git lfs",
    ),
    "cut weights": (cut, "fetch it again"),
    "no safetensors": (written("vae/" + published.WEIGHTS["vae"], b"\xff" * 99), "must be safetensors, got something"),
    "a lost shard": (lost_shard, "diffusion_pytorch_model-00002-of-00002.safetensors is none"),
    # parts that do not fit each other or their weights
    "channels out": (changed(UNET, out_channels=8), "unet/ gives 8 channels, where vae/ takes 4"),
    "latents": (changed(VAE, latent_channels=16), "unet/ takes 4 channels, where vae/ makes 16"),
    "grey": (changed(VAE, in_channels=1), "vae/ takes 1 and gives 3 channels, not 3 colours"),
    "width of text": (changed(UNET, cross_attention_dim=64), "text_encoder/ is 32 wide, where unet/ takes 64"),
    "other width": (
        changed(UNET, block_out_channels=[64, 64, 64, 64]),
        "by config.json conv_in.weight must be 64 x 4, is ",
    ),
    "fewer levels": (changed(VAE, block_out_channels=[32, 32]), "decoder.conv_in.weight must be 32 x 4, is 64 x 4"),
    "a layer less": (shallow, "encoder.layers.1.self_attn.q_proj.weight must be 32 x 32, is missing in the weights"),
    "more words": (changed(TEXT, vocab_size=100), "tokenizer/ has 49408 tokens, where text_encoder/ takes 100"),
    "a word beyond": (
        numbered(49408),
        "tokenizer/vocab.json has a token of number '49408', where text_encoder/ takes 0 to 49407",
    ),
    "a word before": (numbered(-1), "has a token of number '-1', where text_encoder/ takes"),
    "a word of no number": (numbered(True), "has a token of number 'True', where "),
    "a word more": (
        written("tokenizer/added_tokens.json", b'{"<new>": 49408}'),
        "tokenizer/added_tokens.json has a token of number '49408', where text_encoder/ takes 0 to 49407",
    ),
    "a word in one file": (
        written("tokenizer/tokenizer.json", b'{"model": {"vocab": {"a": 0, "b": 50000}}}'),
        "tokenizer/tokenizer.json has a token of number '50000'",
    ),
    "a word added there": (
        written("tokenizer/tokenizer.json", b'{"added_tokens": [{"id": 49408, "content": "<new>"}]}'),
        "tokenizer/tokenizer.json has a token of number '49408'",
    ),
    "a word of its config": (
        changed(TOKENIZER, added_tokens_decoder={"49408": {"content": "<new>"}}),
        "tokenizer/tokenizer_config.json has a token of number '49408'",
    ),
    "longer prompts": (changed(TOKENIZER, model_max_length=256), "model_max_length must be from 1 to 77, is 256"),
    # what the schedule says
    "its target": (changed(SCHEDULER, prediction_type="sample"), "must be epsilon or v_prediction, is sample"),
    "flow": (changed(SCHEDULER, beta_schedule=None, _class_name="FlowMatchEulerDiscreteScheduler"), "(flow matching?)"),
    "its betas": (changed(SCHEDULER, beta_end=1.2), "beta_start and beta_end must be between 0 and 1"),
    "some betas": (changed(SCHEDULER, trained_betas=[0.1]), "trained_betas must be as many as num_train_timesteps"),
    # absurd sizes
    "many layers": (changed(UNET, layers_per_block=10**9), "layers_per_block must be a whole number from 1 to 8"),
    "no layers": (changed(TEXT, num_hidden_layers=0), "num_hidden_layers must be a whole number from 1 to 100, is 0"),
    "half a layer": (changed(TEXT, num_hidden_layers=1.5), "num_hidden_layers must be a whole number from 1"),
    "many levels": (changed(UNET, block_out_channels=[32] * 99), "block_out_channels must list 1 to 8 widths"),
    "odd groups": (changed(UNET, norm_num_groups=7), "block_out_channels must be multiples of 7"),
    "no steps": (changed(SCHEDULER, num_train_timesteps=-1), "num_train_timesteps must be a whole number from 1"),
    "no scale": (changed(VAE, scaling_factor=0), "scaling_factor must be above 0, is 0"),
    "odd heads": (changed(UNET, attention_head_dim=[3, 3, 3, 3]), "attention_head_dim must divide the widths"),
    # what wants inputs or code of others
    "micro-conditioning": (changed(UNET, addition_embed_type="text_time"), "addition_embed_type must be null"),
    "LCM": (changed(UNET, time_cond_proj_dim=256), "time_cond_proj_dim must be null, is '256'"),
    "a shift": (changed(VAE, shift_factor=0.1), "shift_factor must be null"),
    "foreign kernels": (changed(TEXT, attn_implementation="a/b"), "attn_implementation must be null, is 'a/b'"),
    "foreign code": (changed(TOKENIZER, auto_map={"AutoTokenizer": "x"}), "auto_map must be null"),
    "other blocks": (
        changed(UNET, mid_block_type="UNetMidBlock2D"),
        "mid_block_type must be of UNetMidBlock2DCrossAttn",
    ),
}


@pytest.mark.parametrize("make", REFUSED)
def test_a_model_that_cannot_be_used_is_refused_in_one_line(copy_of, make):
    change, says = REFUSED[make]
    folder = change(copy_of())
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        check.check(folder, 128)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_word_that_the_tokenizer_adds_when_it_is_loaded_is_one_line_of_embed(base_model, tmp_path):
    """No JSON file says its number; looked up in the encoder's table it would read beside it."""
    folder = tmp_path / "model"
    shutil.copytree(base_model, folder)
    takes = layout.read_json(folder / TEXT)["vocab_size"]
    published.change(folder, TOKENIZER, pad_token="<none>")
    check.check(folder, 16)
    with pytest.raises(ValueError, match=rf"/tokenizer: must give 8 tokens below {takes}, got 8 up to {takes}$"):
        prompting.embed(folder, ["one"], torch.device("cpu"))


@pytest.mark.parametrize("family", published.FAMILIES)
def test_every_published_family_passes(model_of, family):
    check.check(model_of(family), 128)


def test_half_precision_and_shards_pass_and_are_counted_once(copy_of, model_of):
    full = model_of("stable-diffusion-v1-4")
    counts = {part: layout.parameters(full, part) for part in published.WEIGHTS}
    folder = published.add_fp16(copy_of(), instead=False)
    check.check(folder, 128)
    assert {part: layout.parameters(folder, part) for part in counts} == counts
    for part in counts:
        (folder / part / published.WEIGHTS[part]).unlink()
    check.check(folder, 128)
    assert {part: layout.parameters(folder, part) for part in counts} == counts
    for part in counts:
        published.store(folder, part, published.weights(full, part))
        published.shard(folder, part)
    check.check(folder, 128)
    assert {part: layout.parameters(folder, part) for part in counts} == counts


@pytest.mark.parametrize(("resolution", "fits"), [(64, True), (128, True), (96, False), (100, False)])
def test_a_resolution_fits_the_halvings_of_vae_and_unet(model_of, resolution, fits):
    folder = model_of("stable-diffusion-v1-4")
    if fits:
        check.check(folder, resolution)
        return
    with pytest.raises(ValueError, match=f"base_model.resolution: must be a multiple of 64 for .*; got {resolution}"):
        check.check(folder, resolution)


@pytest.mark.long
def test_the_sentence_about_pickles_converts_the_folder(copy_of, tmp_path, model_of):
    with pytest.raises(ValueError, match="convert the folder") as caught:
        check.check(published.pickle(copy_of()), 128)
    (code,) = re.findall(r'python -c "(.*)"$', str(caught.value))
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    check.check(tmp_path / "model-safetensors", 128)
    unet, full = (
        published.weights(at, "unet") for at in (tmp_path / "model-safetensors", model_of("stable-diffusion-v1-4"))
    )
    torch.testing.assert_close(unet, full, rtol=0, atol=0)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return checkout.copy(tmp_path_factory.mktemp("project") / "checkout")


@pytest.mark.long
@pytest.mark.parametrize("make", ["SDXL", "inpainting", "pickles", "one file", "its target"])
def test_a_dry_run_ends_in_that_line_without_torch(project, copy_of, make):
    change, says = REFUSED[make]
    study = {"study": "refused", "base_model": {"path": str(change(copy_of())), "resolution": 128}}
    (project / "refused.yaml").write_text(yaml.safe_dump(study))
    run = checkout.snakemake(project, "-n", study="refused.yaml")
    said = run.stdout + run.stderr
    assert run.returncode != 0
    assert [line for line in said.splitlines() if says in line], said
    assert "Traceback" not in said
    assert not (project / "results/refused").exists()


def test_what_was_fetched_is_checked_before_any_other_job(copy_of, tmp_path, monkeypatch, run_step):
    """The hub's client puts a folder there; what it is, is known only then."""
    published_there, folder = other_pipeline("FluxPipeline")(copy_of()), tmp_path / "fetched"

    def download(hub, *, local_dir, **settings):
        shutil.copytree(published_there, local_dir, dirs_exist_ok=True)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    options = {"path": str(folder), "hub": "somebody/flux", "revision": "0" * 40}
    with pytest.raises(ValueError, match="FluxPipeline with text_encoder_2 of class T5EncoderModel"):
        run_step("scripts.base_model_fetch", "--options", json.dumps(options))


def test_neither_the_check_nor_the_plan_imports_torch(model_of):
    code = (
        "import sys; from realgap.base_model import check; from realgap.cost import plan; "
        f"check.check({str(model_of('stable-diffusion-v1-4'))!r}, 128); "
        "print([name for name in ('torch', 'diffusers', 'transformers', 'safetensors') if name in sys.modules])"
    )
    env = checkout.environment() | {"PYTHONPATH": str(checkout.ROOT / "workflow")}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


ODD = [None, -1, 0, 1, 10**30, 1.5, float("nan"), True, "x", "", [], [None], [[1]], {}, {"a": [1]}]


@pytest.mark.long
def test_whatever_stands_in_a_config_is_right_or_one_line(base_model, tmp_path):
    """No value of any key ends in another error than ValueError, and none is quoted at length."""
    folder = shutil.copytree(base_model, tmp_path / "model")
    for path in [folder / "model_index.json", *folder.glob("*/*config.json")]:
        content = json.loads(path.read_text())
        for key in [*content, "trained_betas", "scaling_factor", "architectures", "prediction_type"]:
            for value in [*ODD, "y" * 10_000, [1] * 10_000]:
                path.write_text(json.dumps({**content, key: value}))
                said = refusal(folder)
                assert said is None or ("\n" not in said and len(said) < 500 + len(str(folder))), (path, key, said)
        path.write_text(json.dumps(content))
    assert refusal(folder) is None


def refusal(folder):
    """What the check says of a folder; None where it passes."""
    try:
        check.check(folder, 16)
    except ValueError as error:
        return str(error)
    return None


def test_whatever_stands_in_a_head_of_weights_is_right_or_one_line(base_model, tmp_path):
    folder = shutil.copytree(base_model, tmp_path / "model")
    path = folder / "vae" / published.WEIGHTS["vae"]
    whole = path.read_bytes()
    for head in (
        ODD + [{"a": value} for value in ODD] + [{"a": {"shape": value, "data_offsets": value}} for value in ODD]
    ):
        text = json.dumps(head).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        assert "\n" not in refusal(folder), head
    for length in (0, 1, 7, 8, 9, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "fetch it again" in refusal(folder), length
