// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/detail/database.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sqlite3.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/file_lock.h"

namespace imgbuild::layerstore::detail {
namespace {

constexpr int schema_version = 3;
constexpr int busy_milliseconds = 60'000;
constexpr int checkpoint_frames = 4000;  // 16 MiB of log
constexpr int leave_frames = 256;        // 1 MiB: the next opening reads so much in a millisecond

// Every value but those of links and delta, whose digest is their key, begins with a check of its own.
constexpr const char* schema = R"(
    CREATE TABLE node(id BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE links(id BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE delta(id BLOB PRIMARY KEY, value BLOB NOT NULL);
    CREATE TABLE layer(blob BLOB PRIMARY KEY, delta BLOB NOT NULL, value BLOB NOT NULL, created INTEGER NOT NULL);
    CREATE INDEX layer_delta ON layer(delta);
    CREATE TABLE memo(kind INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, preimage BLOB NOT NULL,
                      created INTEGER NOT NULL, used INTEGER NOT NULL, sum BLOB NOT NULL, PRIMARY KEY(kind, key));
    CREATE INDEX memo_age ON memo(kind, created);
    CREATE TABLE chunk(id BLOB PRIMARY KEY, blob BLOB NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE packed(delta BLOB NOT NULL, packing BLOB NOT NULL, blob BLOB NOT NULL, value BLOB NOT NULL,
                        PRIMARY KEY(delta, packing)) WITHOUT ROWID;
    PRAGMA user_version = 3;
)";

// What a file of schema 1 lacks.
constexpr const char* schema_2 = R"(
    CREATE TABLE chunk(id BLOB PRIMARY KEY, blob BLOB NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
)";

// What one of schema 2 lacks, and what it has that is read no more: how deltas were packed is found with their steps, and
// chunks have another sum.
constexpr const char* schema_3 = R"(
    CREATE TABLE packed(delta BLOB NOT NULL, packing BLOB NOT NULL, blob BLOB NOT NULL, value BLOB NOT NULL,
                        PRIMARY KEY(delta, packing)) WITHOUT ROWID;
    DELETE FROM memo WHERE kind = 6;
    DELETE FROM chunk;
    PRAGMA user_version = 3;
)";

// The same for who may not write it there.
constexpr const char* reading_schema = R"(
    PRAGMA temp_store = MEMORY;
    CREATE TEMP TABLE packed(delta BLOB NOT NULL, packing BLOB NOT NULL, blob BLOB NOT NULL, value BLOB NOT NULL,
                             PRIMARY KEY(delta, packing)) WITHOUT ROWID;
)";

// With the log of a local disk, NORMAL may lose the last transactions and FULL none.
const char* pragma_of(StoreDurability durability) noexcept {
    switch (durability) {
        case StoreDurability::none: return "PRAGMA synchronous = OFF";
        case StoreDurability::images: return "PRAGMA synchronous = NORMAL";
        case StoreDurability::steps: return "PRAGMA synchronous = FULL";
    }
    return "PRAGMA synchronous = FULL";
}

// Shared memory between processes, which the write-ahead log needs, does not reach across machines.
bool is_on_network(const std::string& directory) {
    struct statfs info {};
    if (::statfs(directory.c_str(), &info) != 0) return false;
    switch (static_cast<std::uint32_t>(info.f_type)) {
        case NFS_SUPER_MAGIC:
        case SMB_SUPER_MAGIC:
        case CIFS_SUPER_MAGIC:
        case SMB2_SUPER_MAGIC:
        case V9FS_MAGIC:
        case FUSE_SUPER_MAGIC:
        case AFS_SUPER_MAGIC:
        case CEPH_SUPER_MAGIC:
        case CODA_SUPER_MAGIC: return true;
        default: return false;
    }
}

bool is_damage(int code) noexcept {
    const int primary = code & 0xff;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

int remember_frames(void* counter, sqlite3* handle, const char* name, int frames) {
    *static_cast<int*>(counter) = frames;
    if (frames >= checkpoint_frames)
        sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    return SQLITE_OK;
}

}  // namespace

Database::Database(std::string directory, Access access, StoreDurability durability)
    : directory_(std::move(directory)), path_(directory_ + "/store.db"), access_(access), durability_(durability) {
    try {
        open();
        set_up();
    } catch (const Error& error) {
        close();
        if (!is_damaged_ || !sets_aside() || !set_aside()) throw;
        is_damaged_ = false;
        damage_at_opening_ = error.message();
        open();
        set_up();
    }
}

Database::~Database() {
    close();
    if (is_damaged_ && sets_aside()) set_aside();
}

void Database::open() {
    std::string name = path_;
    if (!is_writable() && ::access(path_.c_str(), F_OK) != 0) {
        name = ":memory:";
        is_missing_ = true;
    } else if (!is_writable() && ::access((path_ + "-wal").c_str(), F_OK) != 0) {
        // immutable: without it SQLite wants to make files beside the database even for reading. What stands in
        // a log that was left would be overlooked, but then the files are there.
        name = "file:" + path_ + "?immutable=1";
    }
    const int flags = is_writable() || is_missing_ ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                                   : SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    const int code =
        sqlite3_open_v2(name.c_str(), &handle_, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
    if (code != SQLITE_OK) fail(code);
    sqlite3_busy_timeout(handle_, busy_milliseconds);
    sqlite3_wal_hook(handle_, remember_frames, &log_frames_);
}

void Database::close() noexcept {
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    statements_.clear();
    // Emptying the log costs two syncs; a short one is left to whoever writes more.
    if (handle_ && log_frames_ <= leave_frames)
        sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    sqlite3_close(handle_);
    handle_ = nullptr;
}

bool Database::set_aside() noexcept {
    const std::string aside = path_ + ".damaged";
    ::unlink(aside.c_str());
    if (::link(path_.c_str(), aside.c_str()) < 0) return false;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((path_ + suffix).c_str());
    return true;
}

void Database::set_up() {
    std::int64_t version = 0;
    {
        Query query(*this, "PRAGMA user_version");
        if (query.step()) version = query.number(0);
    }
    if (version > schema_version)
        throw Error(ErrorKind::unsupported,
                    fmt::format("open the store: {}: written by a newer imgbuild (schema {}, this one knows {})", path_,
                                version, schema_version),
                    "use that version, or another store with --store");
    if (is_missing_) execute(schema);
    if (!is_writable()) {
        if (!is_missing_ && version < schema_version) execute(reading_schema);
        return;
    }
    execute(pragma_of(durability_));
    if (is_on_network(directory_)) execute("PRAGMA journal_mode = TRUNCATE");
    if (version < schema_version) make_schema();
}

void Database::make_schema() {
    // SQLite does not wait where one process sets the mode of a file that another one is making.
    const FileLock lock = FileLock::acquire(Directory::open_host(directory_), "store.db.lock", LockMode::exclusive);
    // Before the first table: so that pruning can give pages back.
    execute("PRAGMA auto_vacuum = INCREMENTAL");
    if (!is_on_network(directory_)) execute("PRAGMA journal_mode = WAL");
    execute("BEGIN IMMEDIATE");
    std::int64_t version = 0;
    {
        Query query(*this, "PRAGMA user_version");
        if (query.step()) version = query.number(0);
    }
    // Another process may have been faster.
    if (version == 0) execute(schema);
    if (version == 1) execute(schema_2);
    if (version == 1 || version == 2) execute(schema_3);
    execute("COMMIT");
}

sqlite3_stmt* Database::prepare(const char* sql) {
    sqlite3_stmt*& statement = statements_[sql];
    if (statement) return statement;
    const int code = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) fail(code);
    return statement;
}

void Database::execute(const char* sql) {
    const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) fail(code);
}

bool Database::commit() noexcept {
    if (sqlite3_get_autocommit(handle_) != 0) return true;  // an error inside has rolled it back already
    if (sqlite3_exec(handle_, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK) return true;
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    return false;
}

void Database::fail(int code) {
    const std::string message =
        fmt::format("store: {}: {}", path_, handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code));
    if (is_damage(code)) {
        is_damaged_ = true;
        throw Error(ErrorKind::corrupt, message);
    }
    switch (code & 0xff) {
        case SQLITE_FULL: throw Error(ErrorKind::no_space, message, "free some space, or run `imgbuild prune`");
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            throw Error(ErrorKind::unavailable, message, "another imgbuild holds the store; try again when it is done");
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH: throw Error(ErrorKind::denied, message);
        default: break;
    }
    const int system = handle_ ? sqlite3_system_errno(handle_) : 0;
    throw Error(system != 0 ? kind_of_errno(system) : ErrorKind::internal, message);
}

ReadSnapshot::ReadSnapshot(Database& database) : database_(database) {
    if (sqlite3_get_autocommit(database.handle()) == 0) return;
    database.execute("BEGIN");
    began_ = true;
}

ReadSnapshot::~ReadSnapshot() {
    if (began_) database_.commit();
}

Query::~Query() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
}

Query& Query::bind(std::string_view bytes) {
    // A null pointer would bind NULL and not an empty value.
    const char* data = bytes.empty() ? "" : bytes.data();
    const int code = sqlite3_bind_blob64(statement_, ++bound_, data, bytes.size(), SQLITE_TRANSIENT);
    if (code != SQLITE_OK) database_.fail(code);
    return *this;
}

Query& Query::bind(std::int64_t number) {
    const int code = sqlite3_bind_int64(statement_, ++bound_, number);
    if (code != SQLITE_OK) database_.fail(code);
    return *this;
}

bool Query::step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    database_.fail(code);
}

std::string_view Query::view(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    const int size = sqlite3_column_bytes(statement_, column);
    return data ? std::string_view(data, static_cast<std::size_t>(size)) : std::string_view();
}

std::int64_t Query::number(int column) const { return sqlite3_column_int64(statement_, column); }

Digest Query::digest(int column) const { return Digest::from_bytes(view(column)).value_or(Digest()); }

}  // namespace imgbuild::layerstore::detail
