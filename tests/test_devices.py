"""realgap.devices: where tensors live and in which precision networks run."""

import threading
import weakref

import pytest
import torch

from realgap import devices
from realgap.cost import peaks


def test_auto_is_a_gpu_where_there_is_one():
    assert devices.pick(devices.Compute()).type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert devices.pick(devices.Compute(device="cpu")) == torch.device("cpu")


# what a machine has: what torch sees (None: no card), what nvidia-smi says, and words of the line that comes of it
MACHINES = {
    "a driver too old": (None, "NVIDIA A100, 8.0, 535.104", ("driver 535.104", "needs driver 580 or newer")),
    "a card too old": ((7, 0), "Tesla V100, 7.0, 580.65", ("Tesla V100 (compute capability 7.0)", "capability 7.5 or")),
    "no driver": (None, None, ("no driver of NVIDIA's (no nvidia-smi)", "compute.device: cpu")),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_gpu_that_torch_cannot_use_is_one_line_with_driver_card_and_remedy(tmp_path, monkeypatch, machine):
    seen, said, words = MACHINES[machine]
    monkeypatch.setenv("PATH", str(tmp_path))
    if said:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: seen)
    with pytest.raises(ValueError, match="a GPU was asked for, and torch has none that it can use: ") as raised:
        devices.pick(devices.Compute(device="cuda"))
    for word in (*words, "workflow/docs/cluster.md", torch.__version__):
        assert word in str(raised.value)


def test_a_build_of_torch_without_cuda_is_told_as_such(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(ValueError, match="is built without CUDA"):
        devices.require_gpu()


@pytest.mark.parametrize("capability", [(7, 5), (8, 9), (9, 0), (12, 0)])
def test_a_card_from_the_lowest_of_the_wheel_on_is_taken(monkeypatch, capability):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert devices.pick(devices.Compute(device="cuda")) == torch.device("cuda")


def test_cards_that_the_wheels_cannot_serve_are_no_devices_of_the_plan():
    """Compute capabilities by NVIDIA's list."""
    of = {"t4": 75, "a40": 86, "rtx4090": 89, "a100": 80, "l40s": 89, "h100": 90, "h200": 90, "v100": 70}
    lowest = min(int(arch.removeprefix("sm_")) for arch in devices._architectures())
    assert set(peaks.PEAK_TFLOPS) - {"cpu"} == {card for card, capability in of.items() if capability >= lowest}


@pytest.fixture
def flags():
    """torch's own flags, put back afterwards."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic
    yield
    cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = before
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("tf32", [False, True])
def test_fp32_is_fp32_unless_the_study_allows_tf32(flags, tf32):
    devices.pick(devices.Compute(device="cpu", tf32=tf32))
    assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == tf32


def test_determinism_takes_the_choice_of_algorithms_from_cudnn(flags, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    devices.pick(devices.Compute(device="cpu", deterministic=True, cudnn_benchmark=True))
    assert torch.are_deterministic_algorithms_enabled()
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (True, False)


def test_precision_is_what_was_asked_for_and_auto_is_what_the_hardware_multiplies():
    cpu = torch.device("cpu")
    assert devices.pick_dtype("fp32", cpu) == torch.float32
    assert devices.pick_dtype("bf16", cpu) == torch.bfloat16
    with open("/proc/cpuinfo") as file:
        native = {"avx512_bf16", "amx_bf16"} & set(file.read().split())
    assert devices.pick_dtype("auto", cpu) == (torch.bfloat16 if native else torch.float32)


def test_autocast_changes_matrix_work_in_half_precision_only():
    x = torch.ones(2, 2)
    for dtype in (torch.float32, torch.bfloat16):
        with devices.autocast(torch.device("cpu"), dtype):
            assert (x @ x).dtype == dtype
    assert (x @ x).dtype == torch.float32


def small_device(fits):
    """Work on a slice of rows that runs out of memory above so many; what each attempt held is dead at the next."""
    sizes, earlier = [], []

    class Held:
        pass

    def work(rows):
        assert all(one() is None for one in earlier), "a failed attempt still holds its memory"
        here = Held()
        earlier.append(weakref.ref(here))
        sizes.append(rows.stop - rows.start)
        if sizes[-1] > fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return list(range(rows.start, rows.stop))

    return work, sizes


def test_a_batch_that_does_not_fit_is_halved_and_those_after_it_are_as_small(capfd):
    work, sizes = small_device(3)
    assert sum(devices.in_batches(work, 20, 12), []) == list(range(20))
    assert sizes == [12, 6, *[3] * 6, 2]
    said = "".join(f"out of memory with {n} images at once, going on with {n // 2}\n" for n in (12, 6))
    assert capfd.readouterr().err == said


SAID = [
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
]


@pytest.mark.parametrize("error", SAID, ids=lambda error: str(error).split("\n")[0][:40])
def test_whoever_runs_out_of_memory_has_the_batch_halved(error, capfd):
    def work(rows):
        if rows.stop - rows.start > 2:
            raise error
        return rows.stop - rows.start

    assert list(devices.in_batches(work, 8, 8)) == [2] * 4
    assert "out of memory with 8 images at once, going on with 4" in capfd.readouterr().err


def test_another_error_of_the_device_is_no_lack_of_memory():
    def work(rows):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        list(devices.in_batches(work, 8, 8))


def test_a_last_batch_that_is_small_by_itself_says_nothing(capfd):
    work, sizes = small_device(8)
    assert [len(made) for made in devices.in_batches(work, 20, 8)] == [8, 8, 4]
    assert capfd.readouterr().err == ""


def test_a_device_too_small_for_one_image_is_one_line():
    with pytest.raises(ValueError, match="out of memory with a batch of one image"):
        list(devices.in_batches(small_device(0)[0], 5, 4))


def test_a_gpus_items_are_made_one_ahead_in_a_second_thread_and_a_cpus_in_turn():
    made = []

    def items():
        for i in range(4):
            made.append((i, threading.get_ident()))
            yield i

    taken = devices.ahead(items(), torch.device("cuda"))
    assert next(taken) == 0
    assert [i for i, _ in made] in ([0], [0, 1])  # the one that follows, and no more
    assert list(taken) == [1, 2, 3]
    assert threading.get_ident() not in {thread for _, thread in made}
    made.clear()
    taken = devices.ahead(items(), torch.device("cpu"))
    assert (next(taken), len(made), made[0][1]) == (0, 1, threading.get_ident())


def test_an_error_ahead_is_raised_in_its_turn_and_no_thread_is_left_behind():
    def items():
        yield 0
        raise ValueError("the second")

    before, taken = threading.active_count(), devices.ahead(items(), torch.device("cuda"))
    assert next(taken) == 0
    with pytest.raises(ValueError, match="the second"):
        next(taken)
    left = devices.ahead(iter(range(9)), torch.device("cuda"))
    next(left)
    left.close()
    assert threading.active_count() == before


def test_a_gpu_gets_the_base_model_compiled_and_laid_out_as_the_study_asks_and_a_cpu_never():
    def made(device="cuda", called=("",), **changes):
        network = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3), torch.nn.Conv2d(4, 4, 3))
        devices.arrange(network, devices.Compute(**changes), torch.device(device), called)
        laid_out = network[0].weight.is_contiguous(memory_format=torch.channels_last)
        compiled = [name for name, part in network.named_modules() if part._compiled_call_impl is not None]
        return laid_out, compiled

    assert made() == (False, [])
    assert made(channels_last=True) == (True, [])
    assert made(compile="auto") == (False, [""])
    assert made(compile="auto", called=["1"]) == (False, ["1"])
    assert made(device="cpu", compile="auto", channels_last=True) == (False, [])
