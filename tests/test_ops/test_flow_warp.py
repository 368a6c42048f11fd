import pytest
import torch
import torch.nn.functional as F

from cdvd_mm.ops import flow_warp, flow_warp_torch, validity_mask, warp_with_mask


def constant_flow(n, h, w, x, y, device='cpu'):
    return torch.tensor([x, y], device=device).view(1, 2, 1, 1).expand(n, 2, h, w)


def test_whole_pixels_are_fetched_exactly(device):
    frames = torch.rand(2, 3, 6, 8, device=device)
    warped = flow_warp(frames, constant_flow(2, 6, 8, 2., -1., device))
    torch.testing.assert_close(warped[:, :, 1:, :-2], frames[:, :, :-1, 2:])
    # border padding: what lies above and to the right repeats the edge
    torch.testing.assert_close(warped[:, :, 0, :-2], frames[:, :, 0, 2:])
    torch.testing.assert_close(warped[:, :, 1:, -1], frames[:, :, :-1, -1])


def test_half_a_pixel_is_the_mean_of_two(device):
    frames = torch.rand(1, 1, 5, 7, device=device)
    warped = flow_warp(frames, constant_flow(1, 5, 7, 0.5, 0., device))
    torch.testing.assert_close(warped[..., :-1], (frames[..., :-1] + frames[..., 1:]) / 2)


def test_zero_padding(device):
    frames = torch.ones(1, 1, 4, 4, device=device)
    warped = flow_warp(frames, constant_flow(1, 4, 4, 3.5, 0., device), padding_mode='zeros')
    expected = torch.tensor([0.5, 0., 0., 0.], device=device).expand(1, 1, 4, 4)
    torch.testing.assert_close(warped, expected)


def test_mask_is_an_image_of_ones_warped(device):
    flow = 4 * torch.randn(2, 2, 9, 11, device=device)
    ones = flow_warp(torch.ones(2, 1, 9, 11, device=device), flow, padding_mode='zeros')
    assert torch.equal(validity_mask(flow), (ones >= 0.999).float())
    assert 0.2 < validity_mask(flow).mean() < 0.9


def test_warp_with_mask(device):
    frames, flow = torch.rand(1, 3, 4, 6, device=device), constant_flow(1, 4, 6, 2., 0., device)
    warped, mask = warp_with_mask(frames, flow)
    assert mask.shape == (1, 1, 4, 6)
    assert mask[..., :4].all() and not mask[..., 4:].any()
    assert not warped[..., 4:].any()
    torch.testing.assert_close(warped[..., :4], frames[..., 2:])


def test_matches_grid_sample_by_hand():
    frames, flow = torch.rand(1, 2, 5, 6), torch.randn(1, 2, 5, 6)
    y, x = torch.meshgrid(torch.arange(5.), torch.arange(6.), indexing='ij')
    grid = torch.stack(((x + flow[0, 0]) / 2.5 - 1, (y + flow[0, 1]) / 2 - 1), dim=-1)[None]
    expected = F.grid_sample(frames, grid, padding_mode='border', align_corners=True)
    torch.testing.assert_close(flow_warp_torch(frames, flow), expected)


@pytest.mark.parametrize('padding_mode', ['border', 'zeros'])
def test_gradcheck(padding_mode, device):
    frames = torch.rand(1, 2, 4, 5, dtype=torch.float64, device=device, requires_grad=True)
    # inside of the frame and away from whole pixels, where the gradient jumps
    flow = torch.rand(1, 2, 4, 5, dtype=torch.float64, device=device) * 0.6 + 0.2
    flow.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: flow_warp(a, b, padding_mode=padding_mode), (frames, flow))


def test_half_precision_addresses_pixels_in_full(device):
    frames = torch.rand(1, 1, 2, 1024, device=device, dtype=torch.bfloat16)
    warped = flow_warp(frames, constant_flow(1, 2, 1024, 1., 0., device).bfloat16())
    assert warped.dtype == torch.bfloat16
    torch.testing.assert_close(warped[..., :-1], frames[..., 1:])


@pytest.mark.parametrize('frames, flow', [
    ((1, 3, 4, 4), (1, 3, 4, 4)), ((3, 4, 4), (1, 2, 4, 4)),
    ((2, 3, 4, 4), (1, 2, 4, 4)), ((1, 3, 4, 4), (1, 2, 4, 5))])
def test_wrong_shapes(frames, flow):
    with pytest.raises(ValueError, match='flow'):
        flow_warp(torch.zeros(frames), torch.zeros(flow))


def test_unknown_options_name_the_choices():
    frames, flow = torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4)
    with pytest.raises(ValueError, match="'mirror'.*border.*zeros"):
        flow_warp(frames, flow, padding_mode='mirror')
    with pytest.raises(ValueError, match="'abacus'.*torch"):
        flow_warp(frames, flow, backend='abacus')
