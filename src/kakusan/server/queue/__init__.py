"""Jobs that outlive the process: what was accepted is drawn once, or says why not.

`job.py` says what a job is, `store.py` what can be done with jobs, `files.py` where pictures lie.
"""
