"""What the autoencoder minimises. (The UNet: the mean squared error of the velocity.)"""

from torch import Tensor


def reconstruction_loss(picture: Tensor, target: Tensor) -> Tensor:
    """Return how far decoded pictures are from the originals, both `(n, 3, h, w)` in [-1, 1].

    The mean absolute and squared errors of the values, and the absolute errors of the differences
    between neighbours at distances 1 and 2, which keep edges sharp where the plain error would
    accept a blur.
    """
    error = picture - target
    loss = error.abs().mean() + error.square().mean()
    for distance in (1, 2):
        across = error[..., distance:] - error[..., :-distance]
        down = error[..., distance:, :] - error[..., :-distance, :]
        loss = loss + 0.5 * (across.abs().mean() + down.abs().mean())
    return loss


def kl_loss(mean: Tensor, logvar: Tensor) -> Tensor:
    """Return the mean KL divergence of the latents' values from a standard normal, in nats."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
