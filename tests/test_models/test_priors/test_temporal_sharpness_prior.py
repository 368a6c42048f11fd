import math

import pytest
import torch

from cdvd_mm.models.priors import TemporalSharpnessPrior


def by_definition(aligned, masks, form, size):
    """Pixel by pixel, as method and paper write it."""
    n, _, c, h, w = aligned.shape
    margin = size // 2
    padded = torch.nn.functional.pad(aligned, (margin, ) * 4)
    out = aligned.new_zeros(n, 1, h, w)
    for y in range(h):
        for x in range(w):
            patch = padded[..., y:y + size, x:x + size]  # (n, 3, c, size, size)
            before, middle, after = patch.unbind(1)
            if form == 'paper':
                total = sum(((f - middle)**2).sum((1, 2, 3)) for f in (before, after))
                out[:, 0, y, x] = torch.exp(-0.5 * total)
            else:
                before, middle, after = (f.sum((2, 3)) / size**2 for f in (before, middle, after))
                total = sum(((f - middle)**2).sum(1) for f in (before, after))
                valid = masks[:, :, 0, y, x].prod(1)
                out[:, 0, y, x] = torch.exp(-torch.sqrt(total / 2)) * valid
    return out


@pytest.mark.parametrize('form', ['released', 'paper'])
@pytest.mark.parametrize('size', [1, 3, 5])
def test_definition(form, size, device):
    aligned = torch.rand(2, 3, 3, 6, 7, device=device)
    masks = (torch.rand(2, 2, 1, 6, 7, device=device) > 0.2).float()
    sharpness = TemporalSharpnessPrior(form, size)(aligned, masks)
    assert sharpness.shape == (2, 1, 6, 7)
    torch.testing.assert_close(sharpness, by_definition(aligned, masks, form, size))


@pytest.mark.parametrize('form', ['released', 'paper'])
def test_equal_frames_are_sharp(form):
    frame = torch.rand(1, 1, 3, 8, 8).expand(1, 3, 3, 8, 8)
    assert torch.equal(TemporalSharpnessPrior(form)(frame), torch.ones(1, 1, 8, 8))


def test_known_value():
    """Grey 0.5 against 0.6 and 0.3, all over: D = 3 (0.01 + 0.04) / 2."""
    aligned = torch.tensor([0.6, 0.5, 0.3]).view(1, 3, 1, 1, 1).expand(1, 3, 3, 9, 9)
    sharpness = TemporalSharpnessPrior()(aligned)
    assert sharpness[0, 0, 4, 4].item() == pytest.approx(math.exp(-math.sqrt(0.075)), abs=1e-6)


def test_masks_of_two_or_three_frames():
    aligned = torch.rand(1, 3, 3, 8, 8)
    masks = (torch.rand(1, 2, 1, 8, 8) > 0.5).float()
    three = torch.stack((masks[:, 0], torch.ones(1, 1, 8, 8), masks[:, 1]), dim=1)
    prior = TemporalSharpnessPrior()
    assert torch.equal(prior(aligned, masks), prior(aligned, three))
    assert not prior(aligned, masks)[masks.prod(1) == 0].any()


def test_gradient_in_the_paper_form_alone():
    aligned = torch.rand(1, 3, 3, 8, 8, requires_grad=True)
    assert not TemporalSharpnessPrior('released')(aligned).requires_grad
    TemporalSharpnessPrior('paper')(aligned).sum().backward()
    assert aligned.grad.abs().sum() > 0


def test_gradcheck():
    aligned = torch.rand(1, 3, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(TemporalSharpnessPrior('paper', 3), (aligned, ))


def test_full_precision_under_autocast(device):
    with torch.autocast(device, dtype=torch.bfloat16):
        aligned = torch.rand(1, 3, 3, 8, 8, device=device).bfloat16()
        assert TemporalSharpnessPrior()(aligned).dtype == torch.float32


def test_errors():
    with pytest.raises(ValueError, match="'variance'.*released.*paper"):
        TemporalSharpnessPrior('variance')
    with pytest.raises(ValueError, match='odd'):
        TemporalSharpnessPrior(patch_size=4)
    with pytest.raises(ValueError, match='three aligned frames'):
        TemporalSharpnessPrior()(torch.rand(1, 2, 3, 8, 8))
    with pytest.raises(ValueError, match='masks'):
        TemporalSharpnessPrior()(torch.rand(1, 3, 3, 8, 8), torch.ones(1, 2, 8, 8))
