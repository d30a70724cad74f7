#include "planner/store/open_store.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "planner/store/memory/memory_store.h"
#include "planner/store/postgres/connection.h"
#include "planner/store/postgres/postgres_store.h"
#include "planner/store/sqlite/sqlite_store.h"

namespace greenplan {
namespace {

constexpr char kAllowed[] = "; allowed: sqlite:PATH, postgresql://USER:PASSWORD@HOST:PORT/DATABASE, memory:";

}  // namespace

absl::StatusOr<StoreUri> StoreUri::Parse(absl::string_view text) {
  if (text == "memory:") return StoreUri(Driver::kMemory, "", "memory");
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "sqlite:")) {
    if (!rest.empty()) return Sqlite(std::string(rest));
    return absl::InvalidArgumentError(absl::StrCat("names no file after sqlite:", kAllowed));
  }
  if (absl::StartsWith(text, "postgresql:") || absl::StartsWith(text, "postgres:")) {
    absl::StatusOr<std::string> name = postgres::WithoutSecrets(std::string(text));
    if (!name.ok()) return name.status();
    return StoreUri(Driver::kPostgres, std::string(text), *std::move(name));
  }
  return absl::InvalidArgumentError(absl::StrCat("has another scheme", kAllowed));
}

absl::StatusOr<std::unique_ptr<Store>> StoreUri::Open() const {
  switch (driver_) {
    case Driver::kSqlite:
      return OpenSqliteStore(target_);
    case Driver::kPostgres:
      return OpenPostgresStore({.uri = target_});
    case Driver::kMemory:
      break;
  }
  return NewMemoryStore();
}

}  // namespace greenplan
