"""Every kind of change against its formula in float64, element by element where that is short."""

import itertools
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from kakusan.checkpoints.adapters.changes import Change
from kakusan.checkpoints.adapters.reading import adapter_of
from kakusan.errors import CheckpointError

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k"
SQUARE = "down_blocks.0.attentions.0.proj_in"
CONV = "down_blocks.0.resnets.0.conv1"
POINT = "down_blocks.0.resnets.0.conv_shortcut"
NORM = "down_blocks.0.resnets.0.norm1"
SHAPES = {
    "conv_in.weight": (8, 9, 3, 3),
    "conv_out.weight": (4, 8, 3, 3),
    f"{LINEAR}.weight": (12, 10),
    f"{SQUARE}.weight": (8, 8),
    f"{SQUARE}.bias": (8,),
    f"{CONV}.weight": (8, 6, 3, 3),
    f"{CONV}.bias": (8,),
    f"{POINT}.weight": (8, 6, 1, 1),
    f"{POINT}.bias": (8,),
    f"{NORM}.weight": (6,),
    f"{NORM}.bias": (6,),
}
LAYERS = (LINEAR, SQUARE, CONV, POINT)


class Drawn:
    """Random numbers of one seed, as a file holds them."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(shape, generator=self._generator, dtype=torch.float64).to(dtype)


def changes(
    layer: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> Mapping[str, Change]:
    stem = "lora_unet_" + layer.replace(".", "_")
    named = {f"{stem}.{key}": tensor for key, tensor in tensors.items()}
    adapter = adapter_of(named, metadata or {}, {"unet": SHAPES})
    assert adapter.unmatched == ()
    return adapter.parts["unet"]


def check(layer: str, tensors: Mapping[str, Tensor], truth: Tensor, weight: Tensor) -> Change:
    """Compare the whole change with the truth, on a weight in float32."""
    change = changes(layer, tensors)[f"{layer}.weight"]
    before = weight.float()
    kept = before.clone()
    delta = change.delta(before)
    assert torch.equal(before, kept)
    assert delta.dtype == torch.float32
    assert delta.shape == before.shape
    error = (delta.double() - truth.reshape(before.shape)).abs().max() / truth.abs().max()
    assert error < 1e-5
    delta.fill_(7)  # it is nobody else's
    again = change.delta(before)
    assert (again.double() - truth.reshape(before.shape)).abs().max() < 1e-5 * truth.abs().max()
    if not change.depends_on_weight:
        assert torch.equal(change.delta(torch.zeros_like(before)), again)
    return change


def weight_of(layer: str, drawn: Drawn) -> Tensor:
    return drawn(*SHAPES[f"{layer}.weight"]).double()


def kernel(layer: str) -> tuple[int, ...]:
    return SHAPES[f"{layer}.weight"][2:]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("alpha", [None, 1.0, 6.0])
@pytest.mark.parametrize("layer", LAYERS)
def test_lora(layer: str, alpha: float | None, dtype: torch.dtype) -> None:
    drawn = Drawn(1)
    out, ins, *sides = SHAPES[f"{layer}.weight"]
    down, up = drawn(3, ins, *sides, dtype=dtype), drawn(out, 3, *[1] * len(sides), dtype=dtype)
    tensors = {"lora_down.weight": down, "lora_up.weight": up}
    if alpha is not None:
        tensors["alpha"] = torch.tensor(alpha, dtype=dtype)
    a, b = down.double(), up.double().reshape(out, 3)
    truth = torch.einsum("or,r...->o...", b, a) * (1 if alpha is None else alpha / 3)
    change = check(layer, tensors, truth, weight_of(layer, drawn))
    factors = change.factors
    assert factors is not None
    assert factors.up.shape == (out, 3)
    assert factors.down.shape == (3, ins, *sides)
    x = drawn(2, ins, 5, 5).double() if sides else drawn(2, ins).double()
    low = factors.down.double()
    if sides:
        pad = sides[0] // 2
        through = torch.nn.functional.conv2d(x, low, padding=pad)
        beside = torch.einsum("or,brhw->bohw", factors.up.double(), through)
        whole = torch.nn.functional.conv2d(x, truth, padding=pad)
    else:
        beside = x @ low.T @ factors.up.double().T
        whole = x @ truth.T
    assert torch.allclose(beside * factors.scale, whole, atol=1e-9)
    assert change.rank == 3


@pytest.mark.parametrize(("layer", "shape"), [(SQUARE, (2, 8, 1, 1)), (POINT, (2, 6))])
def test_layers_of_one_pixel_come_in_both_shapes(layer: str, shape: tuple[int, ...]) -> None:
    """Version 1's outer projections are convolutions in files and linear layers here."""
    drawn = Drawn(2)
    down, up = drawn(*shape), drawn(8, 2, *[1] * (len(shape) - 2))
    truth = up.double().flatten(1) @ down.double().flatten(1)
    tensors = {"lora_down.weight": down, "lora_up.weight": up}
    change = check(layer, tensors, truth, weight_of(layer, drawn))
    assert change.factors is not None
    assert change.factors.down.shape == (2, *SHAPES[f"{layer}.weight"][1:])


def test_a_scale_counts_more_than_alpha() -> None:
    drawn = Drawn(3)
    down, up = drawn(2, 10), drawn(12, 2)
    tensors = {
        "lora_down.weight": down,
        "lora_up.weight": up,
        "alpha": torch.tensor(8.0),
        "scale": torch.tensor(0.25),
    }
    check(LINEAR, tensors, 0.25 * up.double() @ down.double(), weight_of(LINEAR, drawn))


def test_tucker() -> None:
    drawn = Drawn(4)
    down, up, mid = drawn(3, 6, 1, 1), drawn(8, 3, 1, 1), drawn(3, 3, 3, 3)
    tensors = {"lora_down.weight": down, "lora_up.weight": up, "lora_mid.weight": mid}
    tensors["alpha"] = torch.tensor(1.5)
    truth = torch.zeros(8, 6, 3, 3, dtype=torch.float64)
    for p, q in itertools.product(range(3), range(3)):
        outer = torch.outer(up[:, p, 0, 0].double(), down[q, :, 0, 0].double())
        truth += outer[:, :, None, None] * mid[p, q].double()
    change = check(CONV, tensors, truth * 0.5, weight_of(CONV, drawn))
    assert change.factors is not None
    assert change.factors.down.shape == (3, 6, 3, 3)


@pytest.mark.parametrize("layer", LAYERS)
def test_loha(layer: str) -> None:
    drawn = Drawn(5)
    out, *rest = SHAPES[f"{layer}.weight"]
    columns = torch.Size(rest).numel()
    parts = [drawn(out, 2), drawn(2, columns), drawn(out, 2), drawn(2, columns)]
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    tensors = dict(zip(names, parts, strict=True)) | {"alpha": torch.tensor(1.0)}
    a, b, c, d = (each.double() for each in parts)
    check(layer, tensors, (a @ b) * (c @ d) / 2, weight_of(layer, drawn))


def tucker(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """(rows, columns, k, k) of a core (rank, rank, k, k) and factors (rank, rows or columns)."""
    core, a, b = core.double(), a.double(), b.double()
    out = torch.zeros(a.shape[1], b.shape[1], *core.shape[2:], dtype=torch.float64)
    for i, j in itertools.product(range(len(a)), range(len(b))):
        out += torch.outer(a[i], b[j])[:, :, None, None] * core[i, j]
    return out


def test_loha_with_cores() -> None:
    drawn = Drawn(6)
    tensors = {
        "hada_t1": drawn(2, 2, 3, 3),
        "hada_w1_a": drawn(2, 8),
        "hada_w1_b": drawn(2, 6),
        "hada_t2": drawn(2, 2, 3, 3),
        "hada_w2_a": drawn(2, 8),
        "hada_w2_b": drawn(2, 6),
        "alpha": torch.tensor(4.0),
    }
    first = tucker(tensors["hada_t1"], tensors["hada_w1_a"], tensors["hada_w1_b"])
    second = tucker(tensors["hada_t2"], tensors["hada_w2_a"], tensors["hada_w2_b"])
    check(CONV, tensors, first * second * 2, weight_of(CONV, drawn))


def kron(first: Tensor, second: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Each entry of the first with a copy of the second in its place."""
    rows, columns = second.shape[:2]
    out = torch.zeros(shape, dtype=torch.float64)
    for i, j in itertools.product(range(first.shape[0]), range(first.shape[1])):
        block = first[i, j].double() * second.double()
        out[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] = block
    return out


@pytest.mark.parametrize("alpha", [None, 1.0])
@pytest.mark.parametrize("second", ["whole", "factored", "core"])
@pytest.mark.parametrize("first", ["whole", "factored"])
@pytest.mark.parametrize("layer", LAYERS)
def test_lokr(layer: str, first: str, second: str, alpha: float | None) -> None:
    drawn = Drawn(7)
    out, ins, *sides = SHAPES[f"{layer}.weight"]
    if second == "core" and layer != CONV:
        pytest.skip("only kernels have cores")
    rank, rows, columns = 3, 2, 2
    tensors: dict[str, Tensor] = {}
    if first == "whole":
        w1 = tensors["lokr_w1"] = drawn(rows, columns)
    else:
        a, b = drawn(rows, rank), drawn(rank, columns)
        tensors |= {"lokr_w1_a": a, "lokr_w1_b": b}
        w1 = a.double() @ b.double()
    inner = (out // rows, ins // columns, *sides)
    if second == "whole":
        w2 = tensors["lokr_w2"] = drawn(*inner)
    elif second == "factored":
        a, b = drawn(inner[0], rank), drawn(rank, torch.Size(inner[1:]).numel())
        tensors |= {"lokr_w2_a": a, "lokr_w2_b": b}
        w2 = (a.double() @ b.double()).reshape(inner)
    else:
        core, a, b = drawn(rank, rank, *sides), drawn(rank, inner[0]), drawn(rank, inner[1])
        tensors |= {"lokr_t2": core, "lokr_w2_a": a, "lokr_w2_b": b}
        w2 = tucker(core, a, b)
    scale = 1.0
    if alpha is not None:
        tensors["alpha"] = torch.tensor(alpha)
        scale = 1.0 if (first, second) == ("whole", "whole") else alpha / rank
    truth = kron(w1, w2, SHAPES[f"{layer}.weight"]) * scale
    check(layer, tensors, truth, weight_of(layer, drawn))


@pytest.mark.parametrize("on_input", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
def test_ia3(layer: str, on_input: bool) -> None:
    drawn = Drawn(8)
    out, ins, *sides = SHAPES[f"{layer}.weight"]
    count = ins if on_input else out
    factors = drawn(1, count, 1, 1) if sides else drawn(count)
    weight = weight_of(layer, drawn)
    by = factors.double().flatten()
    truth = torch.stack(
        [
            weight[:, n] * by[n] if on_input else weight[n] * by[n]
            for n in range(ins if on_input else out)
        ],
        dim=1 if on_input else 0,
    )
    tensors = {"weight": factors, "on_input": torch.tensor(int(on_input))}
    check(layer, tensors, truth, weight)


@pytest.mark.parametrize("layer", [*LAYERS, "conv_in"])
def test_full_differences(layer: str) -> None:
    drawn = Drawn(9)
    weight = weight_of(layer, drawn)
    value = drawn(*weight.shape)
    check(layer, {"diff": value}, value.double(), weight)
    check(layer, {"set_weight": value}, value.double() - weight, weight)


def test_biases_and_normalisations() -> None:
    drawn = Drawn(10)
    tensors = {"diff": drawn(8, 6, 3, 3), "diff_b": drawn(8)}
    found = changes(CONV, tensors)
    assert torch.equal(found[f"{CONV}.bias"].delta(torch.zeros(8)), tensors["diff_b"])
    norms = {"w_norm": drawn(6), "b_norm": drawn(6)}
    found = changes(NORM, norms)
    assert torch.equal(found[f"{NORM}.weight"].delta(torch.zeros(6)), norms["w_norm"])
    assert torch.equal(found[f"{NORM}.bias"].delta(torch.zeros(6)), norms["b_norm"])


def test_a_bias_of_peft_is_scaled_as_the_product() -> None:
    drawn = Drawn(11)
    tensors = {
        "lora_A.weight": drawn(2, 8),
        "lora_B.weight": drawn(8, 2),
        "lora_B.bias": drawn(8),
        "alpha": torch.tensor(6.0),
    }
    found = changes(SQUARE, tensors)
    assert torch.equal(found[f"{SQUARE}.bias"].delta(torch.zeros(8)), 3 * tensors["lora_B.bias"])


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
def test_glora(layer: str, old: bool) -> None:
    """Older files have the factors of each product in the other order."""
    drawn = Drawn(12)
    out, ins, *sides = SHAPES[f"{layer}.weight"]
    one = [1] * len(sides)
    up, down = drawn(out, 2, *one), drawn(2, ins, *sides)
    right, left = drawn(ins, 2, *one), drawn(2, ins, *one)
    weight = weight_of(layer, drawn)
    order = ("b2", "b1", "a2", "a1") if old else ("b1", "b2", "a1", "a2")
    named = zip(order, (up, down, right, left), strict=True)
    tensors = {f"{name}.weight": tensor for name, tensor in named}
    tensors["alpha"] = torch.tensor(1.0)
    truth = torch.zeros_like(weight)
    through = right.double().reshape(ins, 2) @ left.double().reshape(2, ins)
    for o in range(out):
        for r in range(2):
            truth[o] += up.double().reshape(out, 2)[o, r] * down.double()[r]
        for i, j in itertools.product(range(ins), range(ins)):
            truth[o, j] += weight[o, i] * through[i, j]
    check(layer, tensors, truth / 2, weight)


def test_glora_with_a_core() -> None:
    drawn = Drawn(13)
    up, mid, down = drawn(8, 3, 1, 1), drawn(3, 3, 3, 3), drawn(3, 6, 1, 1)
    right, left = drawn(6, 3, 1, 1), drawn(3, 6, 1, 1)
    weight = weight_of(CONV, drawn)
    tensors = {"a1.weight": right, "a2.weight": left, "b1.weight": up, "b2.weight": down}
    tensors |= {"bm.weight": mid, "alpha": torch.tensor(1.5)}
    truth = torch.einsum(
        "op, pqhw, qi -> oihw",
        *(each.double() for each in (up.flatten(1), mid, down.flatten(1))),
    ) + torch.einsum(
        "oihw, ir, rj -> ojhw", weight, right.double().flatten(1), left.double().flatten(1)
    )
    check(CONV, tensors, truth * (1.5 / 3), weight)


def sparse(rest: Tensor) -> dict[str, Tensor]:
    """As LyCORIS's extraction writes what a product lacks."""
    found = rest.flatten(1).to_sparse().coalesce()
    return {
        "bias_indices": found.indices().to(torch.int16),
        "bias_values": found.values(),
        "bias_size": torch.tensor(rest.flatten(1).shape).to(torch.int16),
    }


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dora", [False, True])
def test_a_sparse_rest(layer: str, dora: bool) -> None:
    drawn = Drawn(14)
    out, *ins = SHAPES[f"{layer}.weight"]
    down, up, rest = drawn(2, *ins), drawn(out, 2), drawn(out, *ins)
    rest[rest.abs() < 1.2] = 0
    weight = weight_of(layer, drawn)
    change = (up.double() @ down.double().flatten(1) + rest.double().flatten(1)) * 0.5
    truth = change.reshape(weight.shape)
    tensors = {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(1.0)}
    if dora:
        tensors["dora_scale"] = lengths = drawn(out, *[1] * len(ins)).abs()
        changed = weight.float().double() + truth
        norm = changed.flatten(1).norm(dim=1).reshape(lengths.shape)
        truth = changed * lengths.double() / norm - weight.float().double()
    check(layer, tensors | sparse(rest), truth, weight)


@pytest.mark.parametrize("slot", ["bias_indices", "bias_values", "bias_size"])
def test_a_sparse_rest_that_is_broken(slot: str) -> None:
    drawn = Drawn(15)
    tensors = {"lora_down.weight": drawn(2, 10), "lora_up.weight": drawn(12, 2)}
    rest = sparse(drawn(12, 10))
    with pytest.raises(CheckpointError, match=f"a sparse rest without {slot}"):
        changes(LINEAR, tensors | {key: each for key, each in rest.items() if key != slot})
    for broken in (rest[slot] + 1, rest[slot][:-1], rest[slot].double()):
        if slot != "bias_values" or len(broken) != len(rest[slot]):
            with pytest.raises(CheckpointError, match="its sparse rest has"):
                changes(LINEAR, tensors | rest | {slot: broken})


@pytest.mark.parametrize("on_input", [False, True])
def test_ia3_of_peft(on_input: bool) -> None:
    """Whole factors; where results are scaled, the bias is, too."""
    drawn = Drawn(16)
    factors, weight = drawn(1, 8, 1, 1) if not on_input else drawn(1, 6, 1, 1), drawn(8, 6, 1, 1)
    axis = 1 if on_input else 0
    shape = [-1 if each == axis else 1 for each in range(4)]
    truth = weight.double() * (factors.double().reshape(shape) - 1)
    check(POINT, {"ia3_l": factors}, truth, weight)
    found, bias = changes(POINT, {"ia3_l": factors}), drawn(8)
    assert (f"{POINT}.bias" in found) is not on_input
    if not on_input:
        wanted = bias * (factors.flatten() - 1)
        assert (found[f"{POINT}.bias"].delta(bias) - wanted).abs().max() < 1e-6


def cayley(blocks: Tensor, limit: float | None) -> Tensor:
    skew = blocks.double() - blocks.double().transpose(-1, -2)
    norm = skew.norm()
    if limit is not None and norm > limit:
        skew = skew * limit / norm
    eye = torch.eye(skew.shape[-1], dtype=torch.float64)
    return (eye + skew) @ torch.linalg.inv(eye - skew)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("alpha", [None, 0.0, 0.05, 100.0])
@pytest.mark.parametrize("layer", LAYERS)
def test_oft(layer: str, alpha: float | None, rescale: bool) -> None:
    """Blocks of rows are turned by the transpose of (I + Q)(I - Q)^-1, as the trainers have it."""
    drawn = Drawn(13)
    weight = weight_of(layer, drawn)
    out = len(weight)
    blocks = drawn(out // 4, 4, 4)
    tensors = {"oft_blocks": blocks}
    if alpha is not None:
        tensors["alpha"] = torch.tensor(alpha)
    turned = torch.zeros_like(weight)
    for n, rotation in enumerate(cayley(blocks, alpha * out if alpha else None)):
        assert torch.allclose(rotation @ rotation.T, torch.eye(4, dtype=torch.float64))
        for i, j in itertools.product(range(4), range(4)):
            turned[4 * n + j] += rotation[i, j] * weight[4 * n + i]
    if rescale:
        tensors["rescale"] = drawn(out, *[1] * (weight.ndim - 1))
        turned = turned * tensors["rescale"].double()
    check(layer, tensors, turned - weight, weight)


def test_oft_of_old_holds_the_rotations() -> None:
    drawn = Drawn(14)
    weight, rotations = weight_of(LINEAR, drawn), drawn(3, 4, 4)
    turned = torch.cat([r.double().T @ weight[4 * n : 4 * n + 4] for n, r in enumerate(rotations)])
    check(LINEAR, {"oft_diag": rotations}, turned - weight, weight)


@pytest.mark.parametrize("kind", ["columns", "rows", "rows of old", "peft"])
@pytest.mark.parametrize("layer", LAYERS)
def test_dora(layer: str, kind: str) -> None:
    drawn = Drawn(15)
    weight = weight_of(layer, drawn)
    out, ins, *sides = weight.shape
    one = [1] * len(sides)
    down, up = drawn(3, ins, *sides), drawn(out, 3, *one)
    tensors = {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(1.5)}
    changed = weight + 0.5 * torch.einsum(
        "or,r...->o...", up.double().reshape(out, 3), down.double()
    )
    if kind == "columns":
        lengths = tensors["dora_scale"] = drawn(1, ins, *one).abs()
        norms = torch.stack([changed[:, n].norm() for n in range(ins)]).reshape(1, ins, *one)
    else:
        shape = {"rows": (out, 1, *one), "rows of old": (out,), "peft": (out,)}[kind]
        lengths = drawn(*shape).abs()
        if kind == "peft" and sides:
            lengths = lengths.reshape(1, out, 1, 1)
        name = "lora_magnitude_vector" if kind == "peft" else "dora_scale"
        tensors[name] = lengths
        lengths = lengths.reshape(out, 1, *one)
        norms = torch.stack([row.norm() for row in changed]).reshape(out, 1, *one)
    truth = changed * lengths.double() / norms - weight
    change = check(layer, tensors, truth, weight)
    assert change.factors is None


@pytest.mark.parametrize("algorithm", ["loha", "lokr", "full", "glora"])
def test_dora_of_others(algorithm: str) -> None:
    drawn = Drawn(16)
    weight = weight_of(LINEAR, drawn)
    tensors = {
        "loha": {
            "hada_w1_a": drawn(12, 2),
            "hada_w1_b": drawn(2, 10),
            "hada_w2_a": drawn(12, 2),
            "hada_w2_b": drawn(2, 10),
        },
        "lokr": {"lokr_w1": drawn(3, 2), "lokr_w2": drawn(4, 5)},
        "full": {"diff": drawn(12, 10)},
        "glora": {
            "a1.weight": drawn(10, 2),
            "a2.weight": drawn(2, 10),
            "b1.weight": drawn(12, 2),
            "b2.weight": drawn(2, 10),
        },
    }[algorithm]
    plain = changes(LINEAR, tensors)[f"{LINEAR}.weight"].delta(weight.float()).double()
    tensors["dora_scale"] = drawn(12, 1).abs()
    changed = weight + plain
    norms = changed.norm(dim=1, keepdim=True)
    check(LINEAR, tensors, changed * tensors["dora_scale"].double() / norms - weight, weight)


def test_a_row_of_zeros_stays_one() -> None:
    tensors = {
        "lora_down.weight": torch.zeros(2, 10),
        "lora_up.weight": torch.zeros(12, 2),
        "dora_scale": torch.ones(12, 1),
    }
    change = changes(LINEAR, tensors)[f"{LINEAR}.weight"]
    assert torch.equal(change.delta(torch.zeros(12, 10)), torch.zeros(12, 10))


def test_the_first_convolution_of_an_inpainting_model() -> None:
    """It knows the latents alone; the mask and the masked picture stay as they were."""
    drawn = Drawn(17)
    weight = weight_of("conv_in", drawn)
    down, up = drawn(2, 4, 3, 3), drawn(8, 2, 1, 1)
    truth = torch.zeros_like(weight)
    truth[:, :4] = torch.einsum("or,r...->o...", up.double().flatten(1), down.double())
    check("conv_in", {"lora_down.weight": down, "lora_up.weight": up}, truth, weight)
    diff = drawn(8, 4, 3, 3)
    truth[:, :4] = diff.double()
    check("conv_in", {"diff": diff}, truth, weight)


def test_eight_bits() -> None:
    """With a scale beside them, and without."""
    drawn = Drawn(18)
    down, up = drawn(2, 10).to(torch.float8_e4m3fn), drawn(12, 2).to(torch.float8_e5m2)
    tensors = {"lora_down.weight": down, "lora_up.weight": up}
    truth = up.double() @ down.double()
    check(LINEAR, tensors, truth, weight_of(LINEAR, drawn))
