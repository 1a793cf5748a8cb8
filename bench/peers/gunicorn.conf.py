"""gunicorn with uvicorn's workers, and no access log."""

import importlib.util
import os

bind = f"127.0.0.1:{os.environ['BENCH_PORT']}"
workers = int(os.environ["BENCH_WORKERS"])
# The class has a package of its own by now; where only uvicorn is installed, that one has it.
has_package = importlib.util.find_spec("uvicorn_worker") is not None
worker_class = "uvicorn_worker.UvicornWorker" if has_package else "uvicorn.workers.UvicornWorker"
accesslog = None
# As long as nginx does: the two seconds of its default can be over before a thousand connections are made.
keepalive = 75
