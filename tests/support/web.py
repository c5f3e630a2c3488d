# SPDX-License-Identifier: Apache-2.0
"""A web server on loopback for the length of one case: the files of a folder, and what it was asked."""

import functools
import http.server
import threading


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers)))
        super().do_GET()

    def send_header(self, keyword, value):
        if keyword != "Last-Modified" or self.server.dated:
            super().send_header(keyword, value)

    def log_message(self, *arguments):
        """Says nothing: the case looks at requests."""


def serve_folder(case, folder, dated=True):
    """Serves a folder until the case ends; gives (address, requests): "http://127.0.0.1:PORT" and a growing list of
    (path, headers). It knows If-Modified-Since; only if `dated` does it say Last-Modified."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=folder))
    server.daemon_threads = True
    server.requests = []
    server.dated = dated
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    case.addCleanup(thread.join, 10)
    case.addCleanup(server.server_close)
    case.addCleanup(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}", server.requests
