"""Tables of requests to pictures: any number of rows, begun again wherever it was ended.

table      rows as they stand          tables/
columns    names to fields             columns.py, cells.py
keys       what a row is called        keys.py, model_hash.py, shard.py
engine     rows to finished rows       engine.py, made.py, local.py, supervised.py
machines   the same, elsewhere         on_queue/, on_ray/
storage    where files go              storage/
run        manifest, sinks, resume     run.py, manifest.py, sinks/, merge.py
"""
