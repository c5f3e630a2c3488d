// SPDX-License-Identifier: Apache-2.0
#pragma once

// A socket of our own that stands for one of the host: what connects to it speaks with the other. So a command can be
// given an agent under an owner and a mode of its own, which the host's socket must not get.

#include <poll.h>

#include <array>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/temporary_directory.h"

namespace imgbuild::builder {

class SocketRelay {
  public:
    /// Listens in a folder of its own below `parent`, which is on a disk of ours, and relays to `host_path` until it is
    /// destroyed. A host's socket that nobody answers only ends the connections to ours. Error{not_found} where
    /// there is nothing, Error{usage} where there is no socket.
    SocketRelay(const Directory& parent, std::string host_path);
    ~SocketRelay();
    SocketRelay(const SocketRelay&) = delete;
    SocketRelay& operator=(const SocketRelay&) = delete;

    /// The absolute path of our socket.
    std::string path() const;

  private:
    /// One direction of a connection.
    struct Pump {
        int from = -1;
        int to = -1;
        std::string waiting;  ///< read and not yet written
        bool is_done = false;

        pollfd watched() const;
        void move();
        void end();
    };
    struct Connection {
        Fd inside;
        Fd host;
        std::array<Pump, 2> pumps;
    };

    void serve();
    void accept_one();
    std::vector<pollfd> watched() const;

    std::string host_path_;
    TemporaryDirectory folder_;
    Fd listener_;
    Pipe stop_;
    std::list<Connection> connections_;
    std::thread thread_;
};

}  // namespace imgbuild::builder
