// SPDX-License-Identifier: Apache-2.0
// imgbuild-fetch: one request from standard input, the body to standard output, the status to descriptor 3
// (docs/formats/helpers.md). It speaks to the network and alone does; SIGINT and SIGTERM end it as they end
// every program, since it leaves nothing behind.

#include <unistd.h>

#include <string>

#include "base/helper_status.h"
#include "base/json.h"
#include "base/stream.h"
#include "fetch/accounts/token_jar.h"
#include "fetch/refusal.h"
#include "fetch/request.h"

int main() {
    using namespace imgbuild;
    fetch::listen_to_notes([](const std::string& note) { tell_helper_note(note); });
    fetch::use_token_jar(helper_tokens_fd);
    return run_helper([] {
        FdReader request(STDIN_FILENO, "the request");
        FdWriter body(STDOUT_FILENO, "the body");
        return fetch::carry_out(read_all(request, fetch::max_request_bytes, "request"), body);
    });
}
