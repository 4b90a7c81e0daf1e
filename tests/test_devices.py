"""realgap.devices: where tensors live and in which precision networks run."""

import weakref

import pytest
import torch

from realgap import devices


def test_auto_is_a_gpu_where_there_is_one():
    assert devices.pick("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert devices.pick("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_an_absent_gpu_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"compute\.device: must be .*; got 'cuda', and torch sees no GPU"):
        devices.pick("cuda")


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


def test_a_last_batch_that_is_small_by_itself_says_nothing(capfd):
    work, sizes = small_device(8)
    assert [len(made) for made in devices.in_batches(work, 20, 8)] == [8, 8, 4]
    assert capfd.readouterr().err == ""


def test_a_device_too_small_for_one_image_is_one_line():
    with pytest.raises(ValueError, match="out of memory with a batch of one image"):
        list(devices.in_batches(small_device(0)[0], 5, 4))
