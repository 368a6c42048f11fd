"""EDVR in its deblurring form: full-size frames in, a pre-deblur module in front.

Wang et al., "EDVR: Video Restoration with Enhanced Deformable Convolutional
Networks", CVPR Workshops 2019 (arXiv 1905.02716).
"""

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, kaiming_init
from torch import Tensor, nn

from cdvd_mm.registry import MODELS

from .blocks import NEGATIVE_SLOPE, ResidualBlock


class PreDeblur(nn.Module):
    """Pre-deblur module: a small pyramid that brings a frame to a quarter.

    Args:
        in_channels (int): Channels of a frame.
        mid_channels (int): Channels of the features.
    """

    def __init__(self, in_channels: int, mid_channels: int) -> None:
        super().__init__()

        def conv(stride: int, channels: int = mid_channels) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(channels, mid_channels, 3, stride, 1),
                nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True))

        self.to_level1 = nn.Sequential(conv(1, in_channels), conv(2), conv(2))
        self.to_level2 = conv(2)
        self.to_level3 = conv(2)
        self.level3 = ResidualBlock(mid_channels)
        self.level2 = nn.ModuleList(ResidualBlock(mid_channels) for _ in range(2))
        self.level1 = nn.ModuleList(ResidualBlock(mid_channels) for _ in range(5))
        self.upsample = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (n, c, h, w) to features (n, mid_channels, h / 4, w / 4)."""
        level1 = self.to_level1(frames)  # (n, m, h / 4, w / 4)
        level2 = self.to_level2(level1)  # (n, m, h / 8, w / 8)
        level3 = self.to_level3(level2)  # (n, m, h / 16, w / 16)

        level2 = self.level2[0](level2) + self.upsample(self.level3(level3))
        coarser = self.upsample(self.level2[1](level2))  # (n, m, h / 4, w / 4)
        for index, block in enumerate(self.level1):
            level1 = block(level1)
            if index == 1:
                level1 = level1 + coarser
        return level1


@MODELS.register_module()
class EDVRDeblurNet(BaseModule):
    """EDVR for deblurring, on the parts of MMagic's ``EDVRNet``.

    MMagic's network upscales by four. Here a pre-deblur module brings
    full-size frames to a quarter, EDVR's own x4 up-sampling brings the result
    back, and the base it is added to is the centre frame itself. Pyramid,
    alignment (PCD), fusion (TSA), reconstruction and up-sampling are MMagic's
    modules. The defaults are the form of the released deblurring checkpoints;
    128 channels and 40 blocks give the published one (23.6 M parameters).

    Args:
        in_channels (int): Channels of a frame. Default: 3.
        out_channels (int): Channels of the result. Default: 3.
        mid_channels (int): Channels of the features, a multiple of
            ``deform_groups``. Default: 64.
        num_frames (int): Frames of a window, odd. Default: 5.
        deform_groups (int): Groups of the deformable convolutions. Default: 8.
        num_blocks_extraction (int): Residual blocks before the alignment.
            Default: 5.
        num_blocks_reconstruction (int): Residual blocks after the fusion.
            Default: 10.
        with_tsa (bool): Fuse with temporal and spatial attention instead of
            one convolution. Default: True.
        init_cfg (dict, optional): Initialisation, see mmengine's BaseModule.
    """

    size_divisor = 16
    min_size = 1

    def __init__(self,
                 in_channels: int = 3,
                 out_channels: int = 3,
                 mid_channels: int = 64,
                 num_frames: int = 5,
                 deform_groups: int = 8,
                 num_blocks_extraction: int = 5,
                 num_blocks_reconstruction: int = 10,
                 with_tsa: bool = True,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        if num_frames % 2 == 0:
            raise ValueError(f'num_frames must be odd, found {num_frames}.')
        if mid_channels % deform_groups:
            raise ValueError(f'mid_channels must be a multiple of deform_groups, found '
                             f'{mid_channels} and {deform_groups}.')
        self.num_frames = num_frames
        self.with_tsa = with_tsa
        edvr = MODELS.build({
            'type': 'mmagic.EDVRNet',
            'in_channels': mid_channels,
            'out_channels': out_channels,
            'mid_channels': mid_channels,
            'num_frames': num_frames,
            'deform_groups': deform_groups,
            'num_blocks_extraction': num_blocks_extraction,
            'num_blocks_reconstruction': num_blocks_reconstruction,
            'center_frame_idx': num_frames // 2,
            'with_tsa': with_tsa,
        })
        self.pre_deblur = PreDeblur(in_channels, mid_channels)
        self.conv_first = nn.Conv2d(mid_channels, mid_channels, 1)
        for name in ('feature_extraction', 'feat_l2_conv1', 'feat_l2_conv2', 'feat_l3_conv1',
                     'feat_l3_conv2', 'pcd_alignment', 'fusion', 'reconstruction', 'upsample1',
                     'upsample2', 'conv_hr', 'conv_last'):
            setattr(self, name, getattr(edvr, name))
        self.activation = nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)

    def init_weights(self) -> None:
        """Initialise as MMagic's ``EDVRNet`` does: the fusion's convolutions by Kaiming's rule."""
        super().init_weights()
        if self.init_cfg is None or self.init_cfg.get('type') != 'Pretrained':
            for module in self.fusion.modules():
                if isinstance(module, ConvModule):
                    kaiming_init(module.conv, a=NEGATIVE_SLOPE, mode='fan_out',
                                 nonlinearity='leaky_relu', bias=0, distribution='uniform')

    def forward(self, frames: Tensor) -> Tensor:
        """Restore the centre frame of a window.

        Args:
            frames (Tensor): Blurred frames (n, t, c, h, w), RGB in [0, 1]; t
                is ``num_frames``, h and w are multiples of 16.

        Returns:
            Tensor: Restored centre frame (n, c, h, w), not clamped.

        Raises:
            ValueError: If the number of frames or their size does not fit.
        """
        if frames.dim() != 5 or frames.shape[1] != self.num_frames:
            raise ValueError(f'EDVRDeblurNet takes frames (n, {self.num_frames}, c, h, w), found a '
                             f'tensor of shape {tuple(frames.shape)}.')
        n, t, c, h, w = frames.shape
        if h % self.size_divisor or w % self.size_divisor:
            raise ValueError(f'EDVRDeblurNet takes heights and widths that are multiples of '
                             f'{self.size_divisor}, found {h}x{w}; pad the frames first.')
        centre = t // 2

        # (n, t, c, h, w) -> (n * t, m, h / 4, w / 4)
        level1 = self.conv_first(self.pre_deblur(frames.reshape(-1, c, h, w)))
        level1 = self.feature_extraction(level1)
        level2 = self.feat_l2_conv2(self.feat_l2_conv1(level1))  # (n * t, m, h / 8, w / 8)
        level3 = self.feat_l3_conv2(self.feat_l3_conv1(level2))  # (n * t, m, h / 16, w / 16)

        # the centre frame beside each of the frames, all aligned as one batch
        levels = [level1, level2, level3]
        references = []
        for level in levels:
            level = level.view(n, t, *level.shape[1:])
            references.append(level[:, centre:centre + 1].expand_as(level).flatten(0, 1))
        aligned = self.pcd_alignment(levels, references).view(n, t, *level1.shape[1:])

        # (n, t, m, h / 4, w / 4) -> (n, m, h / 4, w / 4)
        fused = self.fusion(aligned if self.with_tsa else aligned.flatten(1, 2))
        features = self.reconstruction(fused)
        features = self.activation(self.upsample1(features))  # (n, m, h / 2, w / 2)
        features = self.activation(self.upsample2(features))  # (n, 64, h, w)
        features = self.activation(self.conv_hr(features))
        return self.conv_last(features) + frames[:, centre]
