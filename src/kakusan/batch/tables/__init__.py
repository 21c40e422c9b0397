"""Tables in files, read a row at a time however long they are."""

from kakusan.batch.tables.opening import STDIN as STDIN
from kakusan.batch.tables.opening import open_table as open_table
from kakusan.batch.tables.table import Broken as Broken
from kakusan.batch.tables.table import Survey as Survey
from kakusan.batch.tables.table import Table as Table

__all__ = ["STDIN", "Broken", "Survey", "Table", "open_table"]
