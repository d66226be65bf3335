"""The network for inference beside the one that is trained: the same logits, faster."""

import zlib
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from original_params import FIXTURES, write_original

from mlsl_mx.network import MLSLNet, load_original, save_original
from mlsl_mx.network import inference_net as module
from mlsl_mx.network.inference_net import check_precision, inference_net
from mlsl_mx.stages.job import open_job
from mlsl_mx.system.errors import InputError
from mlsl_mx.system.processor import has_bfloat16

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "gta2city.yaml"

needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no avx512_bf16")


def images(*shape):
    return nd.array(np.random.RandomState(0).normal(size=shape).astype(np.float32))


def loaded(folder, weak_label_head=False, **settings):
    """The narrow network with the original program's statistics: gammas, variances in [0.5, 1.5), means not 0."""
    net = MLSLNet(19, 0.125, weak_label_head, **settings)
    load_original(net, write_original(folder / "narrow.params", weak_label_head))
    return net


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("weights"))


def test_images_of_changing_sizes_leave_nothing_behind(net):
    """Landscape, portrait, and the first again: bit for bit what a network that sees one size says."""
    sizes = ((48, 96), (96, 48), (8, 200), (48, 96), (96, 48), (104, 8))
    fast = inference_net(net)
    for height, width in sizes:
        alone = inference_net(net)(images(1, 3, height, width)).asnumpy()
        np.testing.assert_array_equal(fast(images(1, 3, height, width)).asnumpy(), alone)


@pytest.mark.parametrize("head_relu", ["every_layer", "released"])
@pytest.mark.parametrize("weak_label_head", [False, True])
def test_logits_are_those_of_the_trained_network(tmp_path, weak_label_head, head_relu):
    trained = loaded(tmp_path, weak_label_head, head_relu=head_relu)
    fast = inference_net(trained)
    for shape in ((1, 3, 104, 136), (3, 3, 72, 40), (1, 3, 264, 264), (1, 3, 104, 136)):
        outputs = trained(images(*shape))
        logits = (outputs[0] if weak_label_head else outputs).asnumpy()
        got = fast(images(*shape)).asnumpy()
        assert got.shape == (shape[0], 19, shape[2] // 8, shape[3] // 8) and got.dtype == np.float32
        assert np.abs(logits).max() > 1  # else the next line says little
        np.testing.assert_allclose(got, logits, atol=1e-4, rtol=0)


def test_probabilities_are_those_of_the_original_program(net):
    fast = inference_net(net)
    with np.load(FIXTURES / "forward_narrow.npz") as original:
        for size in ("104x136", "264x264"):
            softmax = fast(images(1, 3, *map(int, size.split("x")))).softmax(axis=1).asnumpy()
            np.testing.assert_allclose(softmax, original[f"softmax_{size}"], atol=1e-4, rtol=0)


def test_sizes_that_are_no_multiples_of_8_round_up(net):
    assert inference_net(net)(images(1, 3, 93, 141)).shape == net(images(1, 3, 93, 141)).shape == (1, 19, 12, 18)


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=needs_bfloat16)])
def test_an_image_has_the_same_logits_in_any_batch(net, precision):
    fast, batch = inference_net(net, precision), images(6, 3, 64, 96)
    alone = [fast(batch[i : i + 1]).asnumpy() for i in range(6)]
    for size in (2, 3, 6):
        together = [fast(batch[i : i + size]).asnumpy() for i in range(0, 6, size)]
        np.testing.assert_array_equal(np.concatenate(together), np.concatenate(alone))


def test_the_copy_is_on_the_networks_device(tmp_path):
    net = MLSLNet(19, 0.125, weak_label_head=False)
    load_original(net, write_original(tmp_path / "narrow.params", False), ctx=mx.cpu(1))
    x = images(1, 3, 64, 64)
    logits = inference_net(net)(x.as_in_context(mx.cpu(1)))
    assert logits.context == mx.cpu(1)
    np.testing.assert_allclose(logits.asnumpy(), net(x.as_in_context(mx.cpu(1))).asnumpy(), atol=1e-4, rtol=0)


def test_the_trained_network_stays_as_it_was(tmp_path):
    trained = loaded(tmp_path, weak_label_head=True)
    x = images(2, 3, 64, 64)
    logits, weak_logits = (output.asnumpy() for output in trained(x))
    before = {name: p.data().asnumpy() for name, p in trained.collect_params().items()}
    fast = inference_net(trained)
    copied = fast(x).asnumpy()
    for name, parameter in trained.collect_params().items():
        np.testing.assert_array_equal(parameter.data().asnumpy(), before[name])
    np.testing.assert_array_equal(trained(x)[0].asnumpy(), logits)
    np.testing.assert_array_equal(trained(x)[1].asnumpy(), weak_logits)
    trained.collect_params().setattr("lr_mult", 1.0)
    trained.trunk[0].weight.set_data(trained.trunk[0].weight.data() * 2)
    np.testing.assert_array_equal(fast(x).asnumpy(), copied)  # nor does the copy see what is changed later


def test_parameters_tell_weights_and_precisions_apart(net, tmp_path):
    def checksum(block):
        digest = 0
        for parameter in block.collect_params().values():
            digest = zlib.crc32(parameter.list_data()[0].asnumpy(), digest)
        return digest

    other = loaded(tmp_path)
    assert checksum(inference_net(other)) == checksum(inference_net(net))
    other.trunk[-1].beta.set_data(other.trunk[-1].beta.data() + 1)
    found = {checksum(inference_net(net)), checksum(inference_net(other))}
    assert len(found) == 2
    if has_bfloat16():
        assert checksum(inference_net(net, "bfloat16")) not in found


@needs_bfloat16
def test_bfloat16_is_near_float32(net):
    x = images(2, 3, 128, 128)
    full, reduced = inference_net(net)(x).asnumpy(), inference_net(net, "bfloat16")(x)
    assert reduced.dtype == np.float32
    difference = np.abs(reduced.asnumpy() - full)
    spread = full.std()
    assert 1e-4 * spread < difference.mean() < 2e-2 * spread  # 8 bits: neither float32 nor another network
    assert (reduced.asnumpy().argmax(axis=1) == full.argmax(axis=1)).mean() > 0.95  # random weights: near ties


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_types_of_a_reduced_graph(net, precision):
    symbol, _ = module.segmentation_symbol(net, precision)
    types = dict(zip(symbol.list_arguments(), symbol.infer_type(images=np.float32)[0], strict=True))
    reduced = module.DTYPES[precision]
    for name, dtype in types.items():
        ends = name == "images" or name.startswith(("conv1a", "linear19"))
        kept = ends or name.endswith(("gamma", "beta"))
        assert dtype == (np.float32 if kept else reduced), name
    assert symbol.infer_type(images=np.float32)[1] == [np.float32]


@pytest.mark.parametrize(
    ("precision", "ctx", "said"),
    [
        ("float16", mx.cpu(), "float16, which is for GPUs: on a CPU use bfloat16 or float32"),
        ("bfloat16", mx.gpu(1), r"bfloat16, which is for CPUs: on gpu\(1\) use float16 or float32"),
        ("int8", mx.cpu(), "'int8': use one of float32, bfloat16, float16"),
    ],
)
def test_a_precision_that_the_device_has_not_is_refused(precision, ctx, said):
    with pytest.raises(InputError, match=said) as problem:
        check_precision(precision, ctx)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("flags", ["flags : fpu avx512f avx512_vnni", None])
def test_a_cpu_without_bfloat16_is_refused(net, tmp_path, monkeypatch, flags):
    monkeypatch.setattr(module, "has_bfloat16", lambda: has_bfloat16(tmp_path / "cpuinfo"))
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(flags)
    with pytest.raises(InputError, match="no avx512_bf16"):
        inference_net(net, "bfloat16")
    check_precision("float32", mx.cpu())


def test_a_job_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match="network.precision is float16, which is for GPUs"):
        open_job(EXPERIMENT, None, ["network.precision=float16"], tmp_path, roots={}, seed=0, ctx="cpu")


@needs_bfloat16
def test_a_job_has_the_network_in_its_precision(net, tmp_path):
    path = tmp_path / "narrow.params"
    save_original(net, path)
    settings = ["network.width=0.125", "network.precision=bfloat16"]
    copy, _ = open_job(EXPERIMENT, None, settings, tmp_path, roots={}, seed=0, ctx="cpu").segmentation_network(path)
    x = images(1, 3, 64, 64)
    np.testing.assert_array_equal(copy(x).asnumpy(), inference_net(net, "bfloat16")(x).asnumpy())
