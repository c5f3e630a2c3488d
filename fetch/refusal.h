// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an answer that is none says: which failures may pass, how long to wait, and which Error it is.

#include <cstdint>
#include <functional>
#include <string>

#include "fetch/http.h"

namespace imgbuild::fetch {

/// $IMGBUILD_PATIENCE, by which all times that servers are waited for are multiplied; 1 where it is not set.
double patience();

bool is_redirect(long status) noexcept;
/// True if the same request may succeed a moment later.
bool may_pass(const HttpReply& reply) noexcept;

/// Throws the Error of a reply that failed: not_found (404, 410), denied (401, 403), unavailable (everything else that
/// a server or the network does). `subject` begins the message, `elsewhere` ends it; the hint is what a registry says.
[[noreturn]] void refuse_reply(const HttpReply& reply, const std::string& subject, const std::string& elsewhere = {});

/// The pause before try `next_try` (2, 3, …) in milliseconds; `retry_after` is the header or empty.
std::int64_t pause_before(int next_try, const std::string& retry_after);
/// Waits for that long, times patience(), and tells so: `host` is who will be asked again.
void wait_before(int next_try, const HttpReply& reply, const std::string& host);

/// Who hears what is going on while a request takes its time, one line each, for people; nobody unless one is set. Set
/// it before the first request.
void listen_to_notes(std::function<void(const std::string&)> listener);
/// Tells that listener.
void tell_note(const std::string& note);

}  // namespace imgbuild::fetch
