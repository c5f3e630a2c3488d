// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/status_record.h"

#include <doctest/doctest.h>

using namespace imgbuild;
using namespace imgbuild::layerstore;

TEST_CASE("a record says owner, group and device as text") {
    CHECK(record_text({1000, 4294967295, std::nullopt}) == "1000:4294967295");
    CHECK(record_text({0, 5, DeviceRecord{EntryKind::character_device, 5, 1}}) == "0:5:c:5:1");
    CHECK(record_text({0, 6, DeviceRecord{EntryKind::block_device, 7, 255}}) == "0:6:b:7:255");
}

TEST_CASE("a record is read back as it was written, and nothing else is one") {
    for (const char* text : {"1000:4294967295", "0:5:c:5:1", "0:6:b:7:255"}) {
        const auto record = parse_record(text);
        REQUIRE_MESSAGE(record, text);
        CHECK(record_text(*record) == text);
    }
    for (const char* text : {"", ":", "1", "1:", "1:2:", "1:2:c:3", "1:2:c:3:4:5", "1:2:d:3:4", "-1:2", "1:4294967296",
                             "1:2:c::4", " 1:2"})
        CHECK_MESSAGE(!parse_record(text), text);
}

TEST_CASE("root's ordinary files need no record") {
    CHECK_FALSE(StatusRecord{}.is_needed());
    CHECK(StatusRecord{0, 1, std::nullopt}.is_needed());
    CHECK(StatusRecord{0, 0, DeviceRecord{}}.is_needed());
}
