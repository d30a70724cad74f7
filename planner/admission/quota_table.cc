#include "planner/admission/quota_table.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "planner/files/tomlplusplus.h"
#include "planner/security/tenant_name.h"

namespace greenplan {
namespace {

constexpr absl::string_view kLimits = "jobs, bytes, calls_per_second, solver_seconds_per_minute";

absl::string_view ToView(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Error(const toml::source_position& where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", where.line, ": ", what));
}

absl::Status ReadCount(const toml::key& key, const toml::node& node, int64_t& count) {
  const std::optional<int64_t> value = node.value_exact<int64_t>();
  if (!value.has_value() || *value < 0) {
    return Error(key.source().begin, absl::StrCat(ToView(key.str()), " is no integer >= 0"));
  }
  count = *value;
  return absl::OkStatus();
}

absl::Status ReadRate(const toml::key& key, const toml::node& node, double& rate) {
  const std::optional<double> value = node.is_number() ? node.value<double>() : std::nullopt;
  if (!value.has_value() || !std::isfinite(*value) || *value <= 0) {
    return Error(key.source().begin, absl::StrCat(ToView(key.str()), " is no finite number > 0"));
  }
  rate = *value;
  return absl::OkStatus();
}

// Reads one `key = value` of a quota. `also_allowed` says what else may stand there.
absl::Status ReadLimit(const toml::key& key, const toml::node& node, absl::string_view also_allowed, Quota& quota) {
  if (key.str() == "jobs") return ReadCount(key, node, quota.jobs);
  if (key.str() == "bytes") return ReadCount(key, node, quota.bytes);
  if (key.str() == "calls_per_second") return ReadRate(key, node, quota.calls_per_second);
  if (key.str() == "solver_seconds_per_minute") return ReadRate(key, node, quota.solver_seconds_per_minute);
  return Error(key.source().begin, absl::StrCat(ToView(key.str()), " is unknown; allowed: ", also_allowed, kLimits));
}

absl::StatusOr<Quota> ReadDefault(const toml::key& key, const toml::node& node) {
  if (!node.is_table()) return Error(key.source().begin, "default is no table; allowed: [default]");
  Quota quota;
  for (const auto& [limit, value] : *node.as_table()) {
    if (absl::Status status = ReadLimit(limit, value, "", quota); !status.ok()) return status;
  }
  return quota;
}

// `quota` is the default and becomes the tenant's.
absl::StatusOr<std::string> ReadQuota(const toml::table& table, Quota& quota) {
  std::optional<std::string> tenant;
  for (const auto& [key, node] : table) {
    if (key.str() != "tenant") {
      if (absl::Status status = ReadLimit(key, node, "tenant, ", quota); !status.ok()) return status;
      continue;
    }
    tenant = node.value_exact<std::string>();
    if (!tenant.has_value()) return Error(key.source().begin, "tenant is no text in quotes");
    if (!IsTenantName(*tenant)) {
      return Error(key.source().begin,
                   absl::StrCat("tenant is \"", absl::Utf8SafeCEscape(*tenant), "\"; allowed: ", kTenantNameRule));
    }
  }
  if (!tenant.has_value()) return Error(table.source().begin, "[[quota]] has no tenant");
  return *std::move(tenant);
}

}  // namespace

absl::StatusOr<QuotaTable> QuotaTable::Parse(absl::string_view text) {
  const toml::parse_result result = toml::parse(std::string_view(text.data(), text.size()));
  if (result.failed()) return Error(result.error().source().begin, ToView(result.error().description()));
  QuotaTable table;
  const toml::array* quotas = nullptr;
  for (const auto& [key, node] : result.table()) {
    if (key.str() == "default") {
      const absl::StatusOr<Quota> quota = ReadDefault(key, node);
      if (!quota.ok()) return quota.status();
      table.default_ = *quota;
    } else if (key.str() == "quota" && node.is_array_of_tables()) {
      quotas = node.as_array();
    } else {
      return Error(key.source().begin,
                   absl::StrCat(ToView(key.str()), " is unknown here; allowed: [default] and [[quota]] tables"));
    }
  }
  if (quotas == nullptr) return table;
  for (const toml::node& node : *quotas) {
    Quota quota = table.default_;
    absl::StatusOr<std::string> tenant = ReadQuota(*node.as_table(), quota);
    if (!tenant.ok()) return tenant.status();
    if (!table.quotas_.emplace(*tenant, quota).second) {
      return Error(node.source().begin,
                   absl::StrCat("tenant ", *tenant, " appears twice; allowed: one [[quota]] for each tenant"));
    }
  }
  return table;
}

const Quota& QuotaTable::Of(const std::string& tenant) const {
  const auto found = quotas_.find(tenant);
  return found == quotas_.end() ? default_ : found->second;
}

std::vector<std::string> QuotaTable::Tenants() const {
  std::vector<std::string> tenants;
  for (const auto& [tenant, quota] : quotas_) tenants.push_back(tenant);
  std::sort(tenants.begin(), tenants.end());
  return tenants;
}

}  // namespace greenplan
