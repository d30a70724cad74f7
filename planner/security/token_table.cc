#include "planner/security/token_table.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "planner/files/tomlplusplus.h"
#include "planner/security/tenant_name.h"

namespace greenplan {
namespace {

constexpr size_t kHexDigits = 2 * SHA256_DIGEST_LENGTH;

absl::Status Error(toml::source_position where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", where.line, ": ", what));
}

}  // namespace

class TokenParser {
 public:
  absl::Status AddAll(const toml::table& root) {
    for (const auto& [key, node] : root) {
      const toml::array* tokens = node.as_array();
      if (key.str() != "token" || tokens == nullptr || !node.is_array_of_tables()) {
        return Error(key.source().begin,
                     absl::StrCat(ToView(key.str()), " is unknown here; allowed: [[token]] tables"));
      }
      for (const toml::node& token : *tokens) {
        if (absl::Status status = Add(*token.as_table()); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  TokenTable Finish() && { return std::move(table_); }

 private:
  static absl::string_view ToView(std::string_view text) { return {text.data(), text.size()}; }

  absl::Status Add(const toml::table& token) {
    TokenTable::Entry entry;
    bool has_tenant = false;
    bool has_role = false;
    bool has_hash = false;
    for (const auto& [key, node] : token) {
      const toml::source_position where = key.source().begin;
      const toml::value<std::string>* value = node.as_string();
      if (value == nullptr) return Error(where, absl::StrCat(ToView(key.str()), " is no text in quotes"));
      absl::Status status;
      if (key.str() == "tenant") {
        has_tenant = true;
        status = ReadTenant(where, value->get(), entry.caller);
      } else if (key.str() == "role") {
        has_role = true;
        status = ReadRole(where, value->get(), entry.caller);
      } else if (key.str() == "sha256") {
        has_hash = true;
        status = ReadHash(where, value->get(), entry);
      } else {
        status = Error(where, absl::StrCat(ToView(key.str()), " is unknown; allowed: tenant, role, sha256"));
      }
      if (!status.ok()) return status;
    }
    if (has_tenant && has_role && has_hash) {
      table_.entries_.push_back(std::move(entry));
      return absl::OkStatus();
    }
    return Error(token.source().begin, absl::StrCat("[[token]] has no ", !has_tenant ? "tenant"
                                                                         : !has_role ? "role"
                                                                                     : "sha256"));
  }

  static absl::Status ReadTenant(toml::source_position where, const std::string& tenant, Caller& caller) {
    if (!IsTenantName(tenant)) {
      return Error(where,
                   absl::StrCat("tenant is \"", absl::Utf8SafeCEscape(tenant), "\"; allowed: ", kTenantNameRule));
    }
    caller.tenant = tenant;
    return absl::OkStatus();
  }

  static absl::Status ReadRole(toml::source_position where, const std::string& name, Caller& caller) {
    const std::optional<Role> role = ParseRole(name);
    if (!role.has_value()) {
      return Error(where,
                   absl::StrCat("role is \"", absl::Utf8SafeCEscape(name), "\"; allowed: trainer, viewer, admin"));
    }
    caller.role = *role;
    return absl::OkStatus();
  }

  // The value is not repeated in the error: somebody may have put the token itself there.
  absl::Status ReadHash(toml::source_position where, const std::string& hex, TokenTable::Entry& entry) const {
    if (hex.size() != kHexDigits ||
        !std::all_of(hex.begin(), hex.end(), [](unsigned char c) { return absl::ascii_isxdigit(c); })) {
      return Error(where, absl::StrCat("sha256 has ", hex.size(), " characters; allowed: the ", kHexDigits,
                                       " hexadecimal digits of the token's SHA-256"));
    }
    const std::string bytes = absl::HexStringToBytes(hex);
    std::copy(bytes.begin(), bytes.end(), entry.sha256.begin());
    for (const TokenTable::Entry& other : table_.entries_) {
      if (other.sha256 == entry.sha256)
        return Error(where, "sha256 appears twice; allowed: one [[token]] for each token");
    }
    return absl::OkStatus();
  }

  TokenTable table_;
};

absl::StatusOr<TokenTable> TokenTable::Parse(absl::string_view text) {
  const toml::parse_result result = toml::parse(std::string_view(text.data(), text.size()));
  if (result.failed()) {
    const std::string_view reason = result.error().description();
    return Error(result.error().source().begin, {reason.data(), reason.size()});
  }
  TokenParser parser;
  if (absl::Status status = parser.AddAll(result.table()); !status.ok()) return status;
  return std::move(parser).Finish();
}

std::vector<std::string> TokenTable::Tenants() const {
  std::vector<std::string> tenants;
  for (const Entry& entry : entries_) tenants.push_back(entry.caller.tenant);
  std::sort(tenants.begin(), tenants.end());
  tenants.erase(std::unique(tenants.begin(), tenants.end()), tenants.end());
  return tenants;
}

std::optional<Caller> TokenTable::Find(absl::string_view token) const {
  Digest sha256;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), sha256.data());
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    // No early end: how long this takes must not tell how much of a hash was right.
    if (CRYPTO_memcmp(entry.sha256.data(), sha256.data(), sha256.size()) == 0) found = &entry;
  }
  if (found == nullptr) return std::nullopt;
  return found->caller;
}

}  // namespace greenplan
