"""What a caller hands in ready-made beside the request, and its checks."""

from kakusan.inputs.asked_controls import asked_controls as asked_controls
from kakusan.inputs.controls import ControlInput as ControlInput
from kakusan.inputs.controls import ControlPictures as ControlPictures
from kakusan.inputs.controls import control_pictures as control_pictures
from kakusan.inputs.image_prompts import SeenPictures as SeenPictures
from kakusan.inputs.image_prompts import ThroughAdapter as ThroughAdapter
from kakusan.inputs.image_prompts import one_adapters as one_adapters
from kakusan.inputs.image_prompts import seen_pictures as seen_pictures
from kakusan.inputs.inputs import EMBEDS as EMBEDS
from kakusan.inputs.inputs import POOLED as POOLED
from kakusan.inputs.inputs import Inputs as Inputs
from kakusan.inputs.masks import Masks as Masks
from kakusan.inputs.masks import as_tensor as as_tensor
from kakusan.inputs.masks import check_masks_again as check_masks_again
from kakusan.inputs.masks import given_masks as given_masks
from kakusan.inputs.masks import masks_again as masks_again
from kakusan.inputs.pictures import Given as Given
from kakusan.inputs.pictures import check_again as check_again
from kakusan.inputs.pictures import given_pictures as given_pictures
from kakusan.inputs.pictures import inputs_again as inputs_again
from kakusan.inputs.pictures import joined as joined
from kakusan.inputs.pictures import told as told
from kakusan.inputs.recorded import recorded_inputs as recorded_inputs
from kakusan.inputs.recorded import tells_of as tells_of
from kakusan.inputs.tensors import check_shape as check_shape
from kakusan.inputs.tensors import check_tensor as check_tensor
