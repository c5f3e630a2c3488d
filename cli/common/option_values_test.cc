// SPDX-License-Identifier: Apache-2.0
#include "cli/common/option_values.h"

#include <sys/resource.h>

#include <doctest/doctest.h>

#include "base/test_support.h"

namespace imgbuild::cli {
namespace {

using test::refusal;
using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST_CASE("sizes are bytes or have a unit") {
    CHECK(parse_size("4096", "--shm-size") == 4096);
    CHECK(parse_size("64m", "--shm-size") == 64 << 20);
    CHECK(refusal([] { parse_size("many", "--shm-size"); }) == "usage: --shm-size: many: no size");
}

TEST_CASE("durations have Go's units, and days") {
    CHECK(parse_seconds("90s", "--filter") == 90);
    CHECK(parse_seconds("1h30m", "--filter") == 5400);
    CHECK(parse_seconds("7d", "--filter") == 7 * 86400);
    CHECK(refusal([] { parse_seconds("-1h", "--filter"); }) == "usage: --filter: -1h: no duration");
    CHECK(refusal([] { parse_seconds("d", "--filter"); }) == "usage: --filter: d: no duration");
}

TEST_CASE("a pair has a name; its value may be empty and hold equals signs") {
    CHECK(parse_pair("a=b=c", "--label") == std::pair<std::string, std::string>("a", "b=c"));
    CHECK(parse_pair("a", "--label") == std::pair<std::string, std::string>("a", ""));
    CHECK(refusal([] { parse_pair("=b", "--label"); }) == "usage: --label: =b: a name is missing");
}

TEST_CASE("CSV fields are told apart, taken once, and none is left over silently") {
    CsvFields fields = parse_csv_fields("ID=x,\"src=a,b\",required", "--secret");
    CHECK(take(fields, "id") == "x");
    CHECK(take(fields, "src") == "a,b");
    CHECK_FALSE(take(fields, "src"));
    CHECK(take_bool(fields, "required", "--secret") == true);
    CHECK_FALSE(take_bool(fields, "required", "--secret"));
    refuse_others(fields, {}, "--secret");
    fields = parse_csv_fields("ids=x", "--secret");
    CHECK(refusal([&] { refuse_others(fields, {"id"}, "--secret"); }) == "usage: --secret: ids: no such key");
    CHECK(refusal([] { parse_csv_fields("a=1,a=2", "-o"); }) == "usage: -o: a=1,a=2: a stands there twice");
}

TEST_CASE("hosts come with either sign, IPv6 and several addresses") {
    CHECK(parse_added_host("a:1.2.3.4") == Pairs{{"a", "1.2.3.4"}});
    CHECK(parse_added_host("a=::1") == Pairs{{"a", "::1"}});
    CHECK(parse_added_host("a:[fe80::1]") == Pairs{{"a", "fe80::1"}});
    CHECK(parse_added_host("a=1.2.3.4,5.6.7.8") == Pairs{{"a", "1.2.3.4"}, {"a", "5.6.7.8"}});
    CHECK(refusal([] { parse_added_host("a=1.2.3"); }) == "usage: --add-host: 1.2.3: no address of IPv4 or IPv6");
    CHECK(refusal([] { parse_added_host("a"); }) == "usage: --add-host: a: no host and address");
}

TEST_CASE("limits are soft and hard, and minus one is none") {
    const builder::ResourceLimit both = parse_limit("nofile=10:20");
    CHECK(both.name == "nofile");
    CHECK(both.soft == 10);
    CHECK(both.hard == 20);
    CHECK(parse_limit("nproc=7").hard == 7);
    CHECK(parse_limit("core=-1").soft == RLIM_INFINITY);
    CHECK(refusal([] { parse_limit("nofile=20:10"); }) ==
          "usage: --ulimit: nofile=20:10: the soft limit is above the hard one");
    CHECK(refusal([] { parse_limit("nofiles=1"); }) == "usage: --ulimit: nofiles: no such limit");
    CHECK(refusal([] { parse_limit("nofile"); }) == "usage: --ulimit: nofile: no number");
}

}  // namespace
}  // namespace imgbuild::cli
