"""Convolutions and pooling of the network: SAME padding with the extra row and column at the end, as TensorFlow has it.

SAME padding of a map with even sides; the network takes inputs whose sides are multiples of 128, and meets no other.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, pad

BN_EPS = 1e-3


class SameConv2d(nn.Conv2d):
    """A convolution of stride 1 or 2 whose output has ceil(side / stride) rows and columns, for even sides at stride 2."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        centred = (rows // 2, columns // 2) if stride == 1 else 0
        super().__init__(inputs, outputs, (rows, columns), stride, centred, groups=groups, bias=bias)
        # Stride 2, even side: kernel - 2 rows are missing, the odd one at the end.
        self.before, self.after = (rows - 2) // 2, (rows - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride)."""
        if self.stride[0] == 2:
            x = pad(x, (self.before, self.after, self.before, self.after))
        return super().forward(x)


def batch_norm(channels: int, momentum: float) -> nn.BatchNorm2d:
    """BN with EfficientNet's eps; momentum: the share of a batch in the running statistics."""
    return nn.BatchNorm2d(channels, eps=BN_EPS, momentum=momentum)


def halved(x: Tensor) -> Tensor:
    """maxpool3s2: 3 x 3, stride 2, SAME, padded with -inf. (N, C, H, W) to (N, C, H / 2, W / 2), sides even."""
    return max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)


def doubled(x: Tensor) -> Tensor:
    """up2: nearest neighbour. (N, C, H, W) to (N, C, 2 H, 2 W)."""
    return interpolate(x, scale_factor=2.0, mode="nearest")


class SeparableConv(nn.Sequential):
    """dw3x3 without bias, then pw1x1 with bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = SameConv2d(inputs, inputs, 3, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, kernel_size=1)


def draw(module: nn.Module) -> None:
    """Initial weights outside the trunk: convolutions and linear layers normal with variance 1 / fan_in, biases 0, BN 1 and 0."""
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(part.weight, std=part.weight[0].numel() ** -0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
