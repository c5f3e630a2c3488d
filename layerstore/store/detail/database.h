// SPDX-License-Identifier: Apache-2.0
#pragma once

// One SQLite connection to store.db and its prepared statements. Opening sets few pragmas and makes the schema
// only in a new file, because every build pays for it. Not thread-safe: Records guards it.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/digest.h"
#include "layerstore/store/durability.h"

struct sqlite3;
struct sqlite3_stmt;

namespace imgbuild::layerstore::detail {

enum class Access {
    read_write,
    read_only,
    examine,  ///< as read_write, but a damaged file stays where it is
};

class Database {
  public:
    /// Opens or makes `directory`/store.db. An unknown newer schema is Error{unsupported}; a file that is no
    /// database, or a broken one, is moved aside to store.db.damaged and begun anew; one that shows to be broken
    /// later is moved aside at the end. For reading only, a missing file is an empty database.
    Database(std::string directory, Access access, StoreDurability durability);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    bool is_writable() const noexcept { return access_ != Access::read_only; }
    const std::string& directory() const noexcept { return directory_; }
    StoreDurability durability() const noexcept { return durability_; }
    const std::string& path() const noexcept { return path_; }
    sqlite3* handle() const noexcept { return handle_; }
    /// The statement of a literal, prepared at its first use and kept.
    sqlite3_stmt* prepare(const char* sql);
    void execute(const char* sql);
    /// Ends a transaction: COMMIT, and where that fails ROLLBACK. False when nothing was kept.
    bool commit() noexcept;
    /// Throws the Error that the result code of the last call stands for.
    [[noreturn]] void fail(int code);
    /// What was wrong with the file that the constructor moved aside; empty where it found none.
    const std::string& damage_at_opening() const noexcept { return damage_at_opening_; }
    /// From now on the file counts as damaged, and is moved aside at the end.
    void condemn() noexcept { is_damaged_ = true; }

  private:
    void open();
    void close() noexcept;
    bool sets_aside() const noexcept { return access_ == Access::read_write; }
    bool set_aside() noexcept;
    void set_up();
    void make_schema();

    std::string directory_;
    std::string path_;
    Access access_;
    StoreDurability durability_;
    sqlite3* handle_ = nullptr;
    bool is_damaged_ = false;
    std::string damage_at_opening_;
    bool is_missing_ = false;  ///< opened for reading where there is no file
    int log_frames_ = 0;       ///< pages in the write-ahead log after the last commit
    std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

/// One run of a statement: parameters in order, then rows. Reset at its end, so that locks go.
class Query {
  public:
    Query(Database& database, const char* sql) : database_(database), statement_(database.prepare(sql)) {}
    ~Query();
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    Query& bind(std::string_view bytes);
    Query& bind(const Digest& digest) { return bind(digest.raw()); }
    Query& bind(std::int64_t number);
    /// True when there is a row.
    bool step();
    /// Runs a statement that has no rows.
    void run() { static_cast<void>(step()); }

    std::string bytes(int column) const { return std::string(view(column)); }
    /// Valid until the next step().
    std::string_view view(int column) const;
    std::int64_t number(int column) const;
    /// Zero where the column is not 32 bytes long.
    Digest digest(int column) const;

  private:
    Database& database_;
    sqlite3_stmt* statement_;
    int bound_ = 0;
};

/// While it lives, queries see the database as it is at the first of them, whatever other processes write. Inside a
/// transaction it does nothing: that sees one state anyway.
class ReadSnapshot {
  public:
    explicit ReadSnapshot(Database& database);
    ReadSnapshot(const ReadSnapshot&) = delete;
    ReadSnapshot& operator=(const ReadSnapshot&) = delete;
    ~ReadSnapshot();

  private:
    Database& database_;
    bool began_ = false;
};

}  // namespace imgbuild::layerstore::detail
