"""What is said of a job that failed."""

from kakusan.errors import reason
from kakusan.server.worker.memory import is_out_of_memory


def said_of(error: Exception) -> str:
    """One line on an error that is not kakusan's own."""
    if is_out_of_memory(error):
        return "there is not enough memory for this picture; ask for a smaller one"
    return f"the picture could not be drawn: {type(error).__name__}: {reason(error)}"
