"""Rows drawn by actors of a Ray cluster, each of which has one device.

cluster   joined, or begun here; what it has     cluster.py, joining.py, sharing.py
actor     the far side: draws rows               actor.py
engine    the run's side: hands rows out         engine.py, pool.py
"""
