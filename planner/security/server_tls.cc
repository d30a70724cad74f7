#include "planner/security/server_tls.h"

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/memory/memory.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "grpc/grpc.h"
#include "grpc/grpc_security.h"
#include "planner/core/invalid_argument.h"
#include "planner/security/key_pair.h"

namespace greenplan {
namespace {

struct Material {
  KeyPair pair;
  std::string client_authorities;

  friend bool operator==(const Material&, const Material&) = default;
};

absl::StatusOr<Material> ReadMaterial(const ServerTls::Files& files) {
  absl::StatusOr<KeyPair> pair = ReadKeyPair(files.certificate, files.key);
  if (!pair.ok()) return pair.status();
  Material material{*std::move(pair), ""};
  if (files.client_ca.empty()) return material;
  absl::StatusOr<std::string> authorities = ReadAuthorities("--tls-client-ca", files.client_ca);
  if (!authorities.ok()) return authorities.status();
  material.client_authorities = *std::move(authorities);
  return material;
}

// Whether clients would take the certificate now.
absl::Status CheckDates(const KeyPair& pair, const std::string& file) {
  const auto refuse = [&](absl::string_view what, absl::Time date) {
    return InvalidArgument("--tls-cert", " is ", file, ", which ", what, " ",
                           absl::FormatTime("%Y-%m-%d %H:%M UTC", date, absl::UTCTimeZone()));
  };
  const absl::Time now = absl::Now();
  if (pair.not_after <= now) return refuse("expired on", pair.not_after);
  if (pair.not_before > now) return refuse("is not valid before", pair.not_before);
  return absl::OkStatus();
}

}  // namespace

// What was read last, with a number that tells whether a port has it already.
class ServerTls::State {
 public:
  explicit State(Material material) : material_(std::move(material)) {}

  void Replace(Material material) {
    absl::MutexLock lock(&mutex_);
    if (material == material_) return;
    material_ = std::move(material);
    ++version_;
  }

  absl::Time not_after() const {
    absl::MutexLock lock(&mutex_);
    return material_.pair.not_after;
  }

  // One port's view of the state, for gRPC to hold on to.
  struct Port {
    const State* state;
    int version = 0;  // Of what gRPC has. gRPC fetches under a lock of the port, so fetches do not overlap.
  };
  Port* NewPort() {
    absl::MutexLock lock(&mutex_);
    ports_.push_back(std::make_unique<Port>(Port{this}));
    return ports_.back().get();
  }

  bool wants_client_certificates() const {
    absl::MutexLock lock(&mutex_);
    return !material_.client_authorities.empty();
  }

  // Makes gRPC's copy if it is newer than `version`, which is then set to its version. Null if it is not.
  grpc_ssl_server_certificate_config* CopyIfNewer(int& version) const {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(version, version_) == version_) return nullptr;
    const grpc_ssl_pem_key_cert_pair pair = {material_.pair.private_key.c_str(),
                                             material_.pair.certificate_chain.c_str()};
    // gRPC wants authorities here even where it asks no client for a certificate. The daemon's own chain then stands
    // in.
    const std::string& authorities =
        material_.client_authorities.empty() ? material_.pair.certificate_chain : material_.client_authorities;
    return grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
  }

 private:
  mutable absl::Mutex mutex_;
  Material material_ ABSL_GUARDED_BY(mutex_);
  int version_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<std::unique_ptr<Port>> ports_ ABSL_GUARDED_BY(mutex_);
};

namespace {

// gRPC's credentials in the shape that its C++ interface wants. The server builder drops them once the server stands.
class WrappedCredentials final : public grpc::ServerCredentials {
 public:
  explicit WrappedCredentials(grpc_server_credentials* credentials) : credentials_(credentials) {}
  ~WrappedCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ServerTls>> ServerTls::Create(const Files& files) {
  absl::StatusOr<Material> material = ReadMaterial(files);
  if (!material.ok()) return material.status();
  return absl::WrapUnique(new ServerTls(files, std::make_unique<State>(*std::move(material))));
}

ServerTls::ServerTls(const Files& files, std::unique_ptr<State> state) : files_(files), state_(std::move(state)) {}

ServerTls::~ServerTls() = default;

absl::Status ServerTls::Reload() {
  absl::StatusOr<Material> material = ReadMaterial(files_);
  if (!material.ok()) return material.status();
  if (absl::Status status = CheckDates(material->pair, files_.certificate); !status.ok()) return status;
  state_->Replace(*std::move(material));
  return absl::OkStatus();
}

absl::Time ServerTls::not_after() const { return state_->not_after(); }

// gRPC's C interface can ask for the certificate at every new connection, and had this long before its file watcher,
// which reads key and certificate one after the other and serves pairs that do not fit together. The C++ interface has
// not wrapped it.
std::shared_ptr<grpc::ServerCredentials> ServerTls::NewCredentials() const {
  const auto fetch = [](void* data, grpc_ssl_server_certificate_config** config) {
    auto& port = *static_cast<State::Port*>(data);
    *config = port.state->CopyIfNewer(port.version);
    return *config == nullptr ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  };
  const auto request = state_->wants_client_certificates() ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                                           : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
  return std::make_shared<WrappedCredentials>(grpc_ssl_server_credentials_create_with_options(
      grpc_ssl_server_credentials_create_options_using_config_fetcher(request, fetch, state_->NewPort())));
}

}  // namespace greenplan
