"""One picture for one request, without a queue or a database: what Ray Serve has replicas of.

drawing    a request drawn          drawing.py
app        its HTTP                 app.py
serving    its deployment on Ray    serving.py
"""
