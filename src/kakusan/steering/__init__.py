"""Ways to steer pictures by what a caller hands in, one a file; the plain run knows none of them.

A `Way` completes a request before any network runs, and prepares what steers its trajectories; see
`kakusan.steering.way`. `WAYS` has all of them, in the order in which they act.
"""

from kakusan.steering.controlnet import ControlNets
from kakusan.steering.controlnet import check_net as check_net
from kakusan.steering.freeu import WeighedWayUp
from kakusan.steering.hints import hints as hints
from kakusan.steering.img2img import ImageToImage
from kakusan.steering.inpaint import Inpainting
from kakusan.steering.ip_adapter import AttendedPictures
from kakusan.steering.ip_adapter import features_of as features_of
from kakusan.steering.masked import repaints as repaints
from kakusan.steering.repainting import Repainting
from kakusan.steering.t2i_adapter import T2IAdapters
from kakusan.steering.t2i_adapter import check_adapter as check_adapter
from kakusan.steering.way import Call as Call
from kakusan.steering.way import Prepared as Prepared
from kakusan.steering.way import Way as Way

WAYS: tuple[Way, ...] = (
    *(Inpainting(), ImageToImage(), T2IAdapters(), ControlNets()),
    *(AttendedPictures(), WeighedWayUp()),
    Repainting(),  # last, as it alone shows the UNet more channels
)
