// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/mailbox.h"

#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

namespace imgbuild::builder {
namespace {

using namespace std::chrono_literals;

/// A box, full of output that nobody reads.
struct FullBox {
    static constexpr std::size_t pieces = 16;
    Mailbox box;
    std::vector<std::string> done;

    FullBox() {
        const std::string piece(Mailbox::max_output / pieces, 'x');
        for (std::size_t i = 0; i < pieces; ++i) box.post_output(piece, [](std::string_view) {});
    }

    std::future<void> print(const std::string& text) {
        return std::async(std::launch::async, [this, text] {
            box.post_output(text, [this](std::string_view bytes) { done.emplace_back(bytes); });
        });
    }
};

TEST_CASE("tasks are done in the order in which they came") {
    Mailbox box;
    std::string done;
    box.post([&] { done += "started "; });
    box.post_output("printed ", [&](std::string_view bytes) { done += bytes; });
    box.post([&] { done += "finished"; });
    for (int i = 0; i < 3; ++i) box.handle_one();
    CHECK(done == "started printed finished");
}

TEST_CASE("output waits while too much of it lies in the box, until some was handled") {
    FullBox full;
    const std::future<void> printing = full.print("more");
    CHECK(printing.wait_for(50ms) == std::future_status::timeout);
    full.box.handle_one();
    CHECK(printing.wait_for(10s) == std::future_status::ready);
    for (std::size_t i = 0; i < FullBox::pieces; ++i) full.box.handle_one();
    CHECK(full.done == std::vector<std::string>{"more"});
}

TEST_CASE("what ends a job does not wait behind a full box") {
    FullBox full;
    full.box.post([&] { full.done.emplace_back("finished"); });
    for (std::size_t i = 0; i <= FullBox::pieces; ++i) full.box.handle_one();
    CHECK(full.done == std::vector<std::string>{"finished"});
}

TEST_CASE("a command that prints single bytes fills the box by the number of its writes") {
    Mailbox box;
    const std::future<void> printing = std::async(std::launch::async, [&] {
        for (std::size_t i = 0; i < Mailbox::max_output / 64; ++i) box.post_output("x", [](std::string_view) {});
    });
    CHECK(printing.wait_for(200ms) == std::future_status::timeout);
    box.close();
}

TEST_CASE("who waits when the box is closed goes on, and the output is dropped") {
    FullBox full;
    const std::future<void> printing = full.print("more");
    CHECK(printing.wait_for(50ms) == std::future_status::timeout);
    full.box.close();
    CHECK(printing.wait_for(10s) == std::future_status::ready);
    const std::future<void> later = full.print("later");
    CHECK(later.wait_for(10s) == std::future_status::ready);
    for (std::size_t i = 0; i < FullBox::pieces; ++i) full.box.handle_one();
    CHECK(full.done.empty());
}

}  // namespace
}  // namespace imgbuild::builder
