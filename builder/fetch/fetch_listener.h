// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a helper says while it works: that it waits for a server, or asks another one.

#include <functional>
#include <string>

namespace imgbuild::builder {

/// Hears every note of every helper of this process as long as it lives and no younger one does. Its function is called
/// from any thread, one call at a time; the destructor waits for one that is under way.
class FetchListener {
  public:
    using Hear = std::function<void(const std::string& note)>;
    explicit FetchListener(Hear hear);
    ~FetchListener();
    FetchListener(const FetchListener&) = delete;
    FetchListener& operator=(const FetchListener&) = delete;

    /// Tells the youngest one, if there is any.
    static void tell(const std::string& note);

  private:
    Hear before_;
};

}  // namespace imgbuild::builder
