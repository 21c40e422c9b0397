"""`kakusan serve`: one durable queue, one worker that shares steps, and thin dialects on top.

`queue/` keeps jobs and knows neither networks nor HTTP. `worker/` draws them. `service.py` is what
every dialect calls: hand a job in, watch it, take its pictures. `access/` decides who may ask.
`api/` is our own strict API, `dialects/` are those of other tools, `page/` is what a browser shows.
"""
