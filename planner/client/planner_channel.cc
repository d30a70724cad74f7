#include "planner/client/planner_channel.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "planner/client/retry_schedule.h"
#include "planner/core/invalid_argument.h"
#include "planner/rpc/grpc_status.h"
#include "planner/rpc/host_port.h"
#include "planner/rpc/limits.h"
#include "planner/rpc/service_config.h"

namespace greenplan {
namespace {

using google::protobuf::Message;
using Channels = std::vector<std::shared_ptr<grpc::Channel>>;

grpc::ChannelArguments ArgumentsOfChannels() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxResponseBytes);
  arguments.SetServiceConfigJSON(ServiceConfigJson());
  // PlannerChannel tries again by itself, at other addresses too. gRPC's retries would use up the deadline and then
  // report that instead of the reason.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A planner stands in the cluster; proxies of the environment lead out of it.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // An attempt to connect gets 2 s, so that an address that swallows packets is reported like one that refuses.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // A call may wait for other ranks for minutes. Pings tell meanwhile whether the daemon's machine is still there.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  return arguments;
}

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const std::optional<TlsFiles>& files) {
  if (!files.has_value()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = files->authorities;
  options.pem_cert_chain = files->certificate_chain;
  options.pem_private_key = files->private_key;
  return grpc::SslCredentials(options);
}

// Has gRPC look names up as all other programs of this machine do. Its own resolver waits for a DNS server even for
// names that /etc/hosts has, so on a network without DNS it finds no planner. gRPC reads this when it starts; a choice
// of the user's stands.
void ResolveNamesAsTheSystemDoes() { setenv("GRPC_DNS_RESOLVER", "native", /*overwrite=*/0); }

std::vector<std::string> SplitAddresses(absl::string_view addresses) { return absl::StrSplit(addresses, ','); }

// A channel for each address rather than one for all: gRPC's "ipv4:a,b" takes no names, and would check every daemon's
// certificate against the list.
Channels ConnectTo(const std::string& addresses, const std::optional<TlsFiles>& files) {
  ResolveNamesAsTheSystemDoes();
  const std::shared_ptr<grpc::ChannelCredentials> credentials = CredentialsOf(files);
  const grpc::ChannelArguments arguments = ArgumentsOfChannels();
  Channels channels;
  for (const std::string& address : SplitAddresses(addresses)) {
    channels.push_back(grpc::CreateCustomChannel("dns:///" + address, credentials, arguments));
  }
  return channels;
}

// A token over plain text off loopback may be read by anyone on the way.
absl::Status CheckTokenIsProtected(const std::string& addresses, const ServerSecurity& security) {
  if (security.token_file.empty() || !security.tls_ca.empty() || security.insecure) return absl::OkStatus();
  for (const std::string& address : SplitAddresses(addresses)) {
    const std::optional<HostPort> host_port = ParseHostPort(address);
    if (host_port.has_value() && IsLoopback(host_port->host)) continue;
    return InvalidArgument("--token-file", " would be sent to ", address,
                           " in clear text; add --tls-ca, or --insecure if that network is protected otherwise");
  }
  return absl::OkStatus();
}

class GrpcPlannerChannel : public PlannerChannel {
 public:
  GrpcPlannerChannel(std::string addresses, ServerSecurity security, std::optional<TlsFiles> files, std::string token)
      : addresses_(std::move(addresses)),
        security_(std::move(security)),
        tls_files_(std::move(files)),
        channels_(ConnectTo(addresses_, tls_files_)),
        token_(std::move(token)) {}

  absl::Status Call(absl::string_view method, const Message& request, Message& response,
                    absl::Duration timeout) override {
    const absl::Time deadline = absl::Now() + timeout;
    for (RetrySchedule schedule;;) {
      const absl::Status status = AttemptInTurn(method, request, deadline, response);
      if (status.ok()) return status;
      const std::optional<absl::Duration> pause = schedule.PauseAfter(status);
      if (!pause.has_value()) return status;
      if (absl::Now() + *pause >= deadline) {
        const absl::string_view what = absl::IsUnavailable(status) ? " did not answer within " : " refused for ";
        return absl::Status(status.code(), absl::StrCat("planner ", addresses_, what, absl::FormatDuration(timeout),
                                                        ": ", status.message()));
      }
      if (absl::IsUnavailable(status)) ReloadTlsFiles();
      absl::SleepFor(*pause);
    }
  }

 private:
  // One attempt at each address until one of them answers; those that are ready come first.
  absl::Status AttemptInTurn(absl::string_view method, const Message& request, absl::Time deadline, Message& response) {
    absl::Status status;
    for (const std::shared_ptr<grpc::Channel>& channel : InOrderOfTrial()) {
      status = Attempt(channel, method, request, deadline, response);
      if (!absl::IsUnavailable(status)) return status;
    }
    return status;
  }

  Channels InOrderOfTrial() {
    Channels channels;
    {
      absl::MutexLock lock(&mutex_);
      channels = channels_;
    }
    std::rotate(channels.begin(), channels.begin() + static_cast<int64_t>(turn_++ % channels.size()), channels.end());
    std::stable_partition(channels.begin(), channels.end(), [](const std::shared_ptr<grpc::Channel>& channel) {
      return channel->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_READY;
    });
    return channels;
  }

  // The generated stub would bring the generated service with it.
  absl::Status Attempt(const std::shared_ptr<grpc::Channel>& channel, absl::string_view method, const Message& request,
                       absl::Time deadline, Message& response) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    if (!security_.token_file.empty()) context.AddMetadata("authorization", "Bearer " + CurrentToken());
    grpc::TemplatedGenericStub<Message, Message> stub(channel);
    absl::Notification done;
    grpc::Status status;
    stub.UnaryCall(&context, absl::StrCat("/greenplan.v1.PlannerService/", method), /*options=*/{}, &request, &response,
                   [&](grpc::Status result) {
                     status = std::move(result);
                     done.Notify();
                   });
    done.WaitForNotification();
    // A call that waited for its connection all the time has not reached the planner.
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
        channel->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_READY) {
      return absl::UnavailableError("no connection");
    }
    return FromGrpcStatus(status);
  }

  // The token in the file, or the last one that was there while the file is being replaced.
  std::string CurrentToken() {
    absl::StatusOr<std::string> token = ReadTokenFile(security_.token_file);
    absl::MutexLock lock(&mutex_);
    if (token.ok()) token_ = *std::move(token);
    return token_;
  }

  // Connects anew if the files have changed. While they do not fit together, what was read last stays.
  void ReloadTlsFiles() {
    absl::StatusOr<std::optional<TlsFiles>> files = ReadTlsFiles(security_);
    absl::MutexLock lock(&mutex_);
    if (!files.ok() || *files == tls_files_) return;
    tls_files_ = *std::move(files);
    channels_ = ConnectTo(addresses_, tls_files_);
  }

  const std::string addresses_;
  const ServerSecurity security_;
  std::atomic<uint64_t> turn_ = 0;
  absl::Mutex mutex_;
  std::optional<TlsFiles> tls_files_ ABSL_GUARDED_BY(mutex_);
  Channels channels_ ABSL_GUARDED_BY(mutex_);
  std::string token_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<PlannerChannel>> PlannerChannel::Create(const std::string& addresses,
                                                                       const ServerSecurity& security) {
  if (absl::Status status = CheckTokenIsProtected(addresses, security); !status.ok()) return status;
  absl::StatusOr<std::optional<TlsFiles>> files = ReadTlsFiles(security);
  if (!files.ok()) return files.status();
  absl::StatusOr<std::string> token = std::string();
  if (!security.token_file.empty()) token = ReadTokenFile(security.token_file);
  if (!token.ok()) return token.status();
  return std::make_unique<GrpcPlannerChannel>(addresses, security, *std::move(files), *std::move(token));
}

bool IsServerList(absl::string_view addresses) {
  const std::vector<std::string> list = SplitAddresses(addresses);
  return std::all_of(list.begin(), list.end(), [](const std::string& address) {
    const std::optional<HostPort> host_port = ParseHostPort(address);
    return host_port.has_value() && host_port->port > 0;
  });
}

}  // namespace greenplan
