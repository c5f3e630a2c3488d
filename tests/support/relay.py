# SPDX-License-Identifier: Apache-2.0
"""A stretch of wire on loopback that holds back what the client says, once, for a while."""

import contextlib
import socket
import threading
import time


class Relay:
    """Passes connections on to `target` ("HOST:PORT") until the case ends. Before the `nth` time that a client sends
    `mark`, it waits for `seconds`."""

    def __init__(self, case, target, mark, nth, seconds):
        host, _, port = target.rpartition(":")
        self.target, self.mark, self.seconds = (host, int(port)), mark, seconds
        self.left, self.lock = nth, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        case.addCleanup(self._close)

    def _close(self):
        # What waits in accept() wakes up from this and not from close().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            for source, sink, watched in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass, args=(source, sink, watched), daemon=True).start()

    def _pass(self, source, sink, watched):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if watched and self._is_time(data):
                    time.sleep(self.seconds)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _is_time(self, data):
        with self.lock:
            seen = data.count(self.mark)
            was, self.left = self.left, self.left - seen
            return was > 0 >= self.left and seen > 0
