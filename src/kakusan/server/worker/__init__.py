"""Draws what the queue holds: many jobs at once, which share the steps of one loaded model.

`catalog.py` knows what there is to draw with, `watching.py` what happens now: without torch.
"""
