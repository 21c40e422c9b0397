"""The machine: its devices, what each computes in, and why."""
