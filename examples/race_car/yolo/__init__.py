"""YOLOv5n, through the ultralytics package, as the camera of the race car: `build(camera=YoloCamera())`.

Licence: ultralytics and the networks it builds are under AGPL-3.0. Drivetrain does not contain the package, only asks
for it in the extra `yolo`, and this folder alone imports it. Private use and research at home ask nothing of you. Who
passes on a program that uses it, or lets others use such a program over a network, has to offer them that program's
whole source under AGPL-3.0 (its vendor counts trained weights in), or needs the vendor's commercial licence. This is a
summary and no legal advice. Nothing else of the race car needs it: `CameraNet` stands where this camera stands.
"""

from .camera import YoloCamera
from .recordings import read_pictures
from .training import BoxReport, Recipe, train_on_fs_cones
from .weights import load_camera, save_camera

__all__ = ["BoxReport", "Recipe", "YoloCamera", "load_camera", "read_pictures", "save_camera", "train_on_fs_cones"]
