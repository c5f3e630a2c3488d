// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/layer_pipe.h"

#include <atomic>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "layerstore/layer/layer_codec.h"

namespace imgbuild::builder {
namespace {

// The pulled end of a stream that a thread pushes. Where that thread failed the end is an Error and no end: the stream
// may break off between two entries, and what came until then would be taken for the whole.
class PushedReader final : public ByteReader {
  public:
    PushedReader(int fd, const std::atomic<bool>& has_failed) : reader_(fd, "layer"), has_failed_(has_failed) {}

    std::size_t read(std::span<std::byte> buffer) override {
        const std::size_t count = reader_.read(buffer);
        if (count == 0 && has_failed_) throw Error(ErrorKind::internal, "read: layer: broke off");
        return count;
    }

  private:
    FdReader reader_;
    const std::atomic<bool>& has_failed_;
};

}  // namespace

void pipe_layer(const layerstore::TreeDelta& delta, layerstore::ContentSources& contents,
                const std::function<void(ByteReader&)>& consume) {
    Pipe pipe = make_pipe();
    std::atomic<bool> has_failed = false;
    std::exception_ptr failure;
    auto fail = [&] {
        if (!has_failed.exchange(true)) failure = std::current_exception();
    };
    std::thread producer([&] {
        try {
            FdWriter writer(pipe.write_end.get(), "layer");
            layerstore::write_layer(delta, contents, writer);
        } catch (...) {
            fail();
        }
        pipe.write_end.reset();
    });
    try {
        PushedReader reader(pipe.read_end.get(), has_failed);
        consume(reader);
    } catch (...) {
        fail();
    }
    pipe.read_end.reset();
    producer.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace imgbuild::builder
