"""Rows drawn by workers on other machines, which take them from the server's queue in Postgres.

submission   a row to a job, and back           submission.py
parcel       what became of it, as bytes        parcel.py
engine       the run's side: hands rows in      engine.py
worker       the other side: draws them         drawer.py, worker.py
"""
