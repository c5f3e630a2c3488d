// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/single/credentials.h"

#include <doctest/doctest.h>

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

constexpr std::uint32_t same = unchanged_id;
constexpr std::uint64_t all = 0xff;
const TaskIds root;
const TaskIds user = TaskIds::all(1000);
const TaskIds set_uid{1000, 0, 0, 0};

}  // namespace

TEST_CASE("setuid of root changes all ids for good") {
    CHECK(root.with_one(1000, true) == user);
    CHECK_FALSE(user.with_one(0, false));
    CHECK(user.with_one(1000, false) == user);
}

TEST_CASE("a set-uid program that is not root's swaps its ids") {
    const TaskIds started{1000, 33, 33, 33};
    CHECK(started.with_one(1000, false) == TaskIds{1000, 1000, 33, 1000});
    CHECK(TaskIds{1000, 1000, 33, 1000}.with_one(33, false) == started);
    CHECK_FALSE(started.with_one(0, false));
}

TEST_CASE("setreuid saves the effective id when the real one is set or the effective one becomes another") {
    CHECK(root.with_two(1000, same, true) == TaskIds{1000, 0, 0, 0});
    CHECK(root.with_two(same, 1000, true) == TaskIds{0, 1000, 1000, 1000});
    CHECK(root.with_two(same, 0, true) == root);
    CHECK(TaskIds{1000, 0, 5, 0}.with_two(same, 1000, false) == TaskIds{1000, 1000, 5, 1000});
    CHECK(set_uid.with_two(0, 1000, false) == TaskIds{0, 1000, 1000, 1000});
    CHECK_FALSE(user.with_two(0, same, false));
}

TEST_CASE("setresuid takes any of the three ids, and any at all with privilege") {
    CHECK(root.with_three({1, 2, 3}, true) == TaskIds{1, 2, 3, 2});
    CHECK(TaskIds{1, 2, 3, 2}.with_three({3, 1, 2}, false) == TaskIds{3, 1, 2, 1});
    CHECK_FALSE(TaskIds{1, 2, 3, 2}.with_three({same, 0, same}, false));
    CHECK(user.with_three({same, same, same}, false) == user);
}

TEST_CASE("setfsuid changes nothing where it is not permitted") {
    CHECK(root.with_files(7, true) == TaskIds{0, 0, 0, 7});
    CHECK(user.with_files(7, false) == user);
    CHECK(set_uid.with_files(1000, false) == TaskIds{1000, 0, 0, 1000});
    CHECK(root.with_files(same, true) == root);
}

TEST_CASE("executing a set-uid file gives its owner's id, and saves it") {
    CHECK(user.after_execution(0) == TaskIds{1000, 0, 0, 0});
    CHECK(TaskIds{1000, 0, 5, 1}.after_execution(std::nullopt) == TaskIds{1000, 0, 0, 0});
}

TEST_CASE("root gives files away, others only to groups of theirs") {
    const TaskCredentials somebody{user, TaskIds::all(100), {50, 60}, {}};
    CHECK(TaskCredentials::of({}, all).may_give({5, 5}, {6, 7}));
    CHECK(somebody.may_give({1000, 100}, {same, 60}));
    CHECK(somebody.may_give({1000, 100}, {1000, 100}));
    CHECK_FALSE(somebody.may_give({1000, 100}, {same, 61}));
    CHECK_FALSE(somebody.may_give({1000, 100}, {0, same}));
    CHECK_FALSE(somebody.may_give({0, 0}, {same, 50}));
    CHECK(somebody.may_give({0, 0}, {same, same}));
}

TEST_CASE("capabilities go with root's ids, but those that are kept wait to be raised") {
    TaskCredentials gone = TaskCredentials::of({}, all);
    gone.set_user(user);
    CHECK(gone.rights == TaskRights{});
    CHECK_FALSE(gone.set_rights(1, 1));
    TaskCredentials kept = TaskCredentials::of({}, all);
    kept.rights.kept = true;
    kept.set_user(user);
    CHECK(kept.rights == TaskRights{all, 0, true});
    CHECK(kept.set_rights(0xf0, 0x80));
    CHECK(kept.may(7));
    CHECK_FALSE(kept.may(6));
    CHECK_FALSE(kept.set_rights(all, 0));
    kept.execute(std::nullopt, std::nullopt, all);
    CHECK(kept.rights == TaskRights{});
    kept.execute(0, std::nullopt, all);
    CHECK(kept.rights == TaskRights{all, all, false});
}

TEST_CASE("who leaves root's effective id for a time has the capabilities again when back") {
    TaskCredentials credentials = TaskCredentials::of({}, all);
    credentials.set_user({0, 1000, 0, 1000});
    CHECK(credentials.rights == TaskRights{all, 0, false});
    credentials.set_user({0, 0, 0, 0});
    CHECK(credentials.rights == TaskRights{all, all, false});
}

TEST_CASE("a command starts with the ids of its USER") {
    const TaskCredentials start = TaskCredentials::of({1000, 100, {7}}, all);
    CHECK(start.user == user);
    CHECK(start.group == TaskIds::all(100));
    CHECK(start.is_in_group(7));
    CHECK_FALSE(start.is_in_group(0));
    CHECK(start.rights == TaskRights{});
}
