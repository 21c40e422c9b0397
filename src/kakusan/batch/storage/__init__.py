"""Where a run's files go: a folder here, or one elsewhere that a URL names."""

from kakusan.batch.storage.local import LocalStorage as LocalStorage
from kakusan.batch.storage.opening import open_storage as open_storage
from kakusan.batch.storage.storage import STATE as STATE
from kakusan.batch.storage.storage import Storage as Storage

__all__ = ["STATE", "LocalStorage", "Storage", "open_storage"]
