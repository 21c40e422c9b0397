"""The name of the module that scripts import the safety checker from."""

from kakusan.models import StableDiffusionSafetyChecker as StableDiffusionSafetyChecker
