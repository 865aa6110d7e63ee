"""The two models: a camera network that finds boxes and a LiDAR network that marks beams; both small on purpose."""

import torch
from torch import Tensor, nn

from .rig import CELL, FARTHEST, HORIZON, PICTURE_HEIGHT, PICTURE_WIDTH

BOX_CHANNELS = 6
OBJECTNESS, YELLOW, X, Y, WIDTH, HEIGHT = range(BOX_CHANNELS)


class CameraNet(nn.Module):
    """Picture [batch, 3, 32, 128] to a grid of boxes [batch, 6, 8, 32], raw, before suppression of overlaps.

    Channels of a cell: objectness and yellow-rather-than-blue as logits; centre, relative to the middle of the cell, in
    cells; width and height as logarithms, in cells. `decoded` turns them into pixels.
    """

    rows: Tensor

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, channels // 2, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * channels, 2 * channels, 1),
            nn.ReLU(),
            nn.Conv2d(2 * channels, BOX_CHANNELS, 1),
        ).to(memory_format=torch.channels_last)  # a third faster on a CPU
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        with torch.no_grad():
            last.bias[OBJECTNESS] = -2.0  # few cells hold a cone
        # The row tells how large a cone has to be; a convolution cannot know it.
        rows = (torch.arange(PICTURE_HEIGHT) - HORIZON) / PICTURE_HEIGHT
        self.register_buffer("rows", rows[None, None, :, None].expand(1, 1, -1, PICTURE_WIDTH).clone())

    def forward(self, image: Tensor) -> Tensor:
        # Exposure and cast differ from frame to frame: the mean becomes grey ("grey world"), the contrast 1.
        centred = image - image.mean(dim=(2, 3), keepdim=True)
        spread = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()  # torch.std takes ten times as long
        grey_world = centred / (spread + 0.02)
        picture = torch.cat([grey_world, self.rows.expand(len(image), -1, -1, -1)], dim=1)
        boxes: Tensor = self.layers(picture.contiguous(memory_format=torch.channels_last))
        return boxes.contiguous()


class ScanNet(nn.Module):
    """Ranges [batch, beams] in metres to the logit of each beam having struck a cone [batch, beams]."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(3, channels, 7, padding=3),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 7, padding=3),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(channels, 1, 1),
        )

    def forward(self, scan: Tensor) -> Tensor:
        back = (scan > 0).to(scan.dtype)
        reach = torch.where(scan > 0, scan, 25.0)
        hits: Tensor = self.layers(torch.stack([reach / FARTHEST, 2 / reach, back], dim=1))
        return hits.squeeze(1)


def decoded(boxes: Tensor) -> Tensor:
    """Raw grid [batch, 6, rows, columns] to pixels: the centre's x and y, width, height, [batch, 4, rows, columns]."""
    rows = torch.arange(boxes.shape[2], dtype=boxes.dtype, device=boxes.device)[:, None]
    columns = torch.arange(boxes.shape[3], dtype=boxes.dtype, device=boxes.device)
    middle_x = CELL * (columns + 0.5 + boxes[:, X])
    middle_y = CELL * (rows + 0.5 + boxes[:, Y])
    size = CELL * boxes[:, WIDTH : HEIGHT + 1].clamp(-4, 3).exp()
    return torch.cat([middle_x[:, None], middle_y[:, None], size], dim=1)
