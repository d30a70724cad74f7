#include "planner/store/postgres/testing/postgres_server.h"

#include <postgresql/libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>

#include "planner/store/postgres/testing/unprivileged_process.h"

namespace greenplan {
namespace {

namespace fs = std::filesystem;

// Debian's folder of the server's programs, which are not on the PATH.
constexpr char kPrograms[] = "/usr/lib/postgresql/15/bin/";
constexpr std::chrono::seconds kPatience(60);

// Under /tmp, not under TEST_TMPDIR: that may be in a folder that the user nobody cannot enter.
std::string NewFolder() {
  std::string folder = "/tmp/greenplan_postgres_XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) abort();
  return folder;
}

[[noreturn]] void Fail(const std::string& what, const std::string& log) {
  std::ostringstream text;
  text << std::ifstream(log).rdbuf();
  std::cerr << "PostgresServer: " << what << "\n" << text.str() << std::flush;
  abort();
}

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

Connection Connect(const std::string& uri) { return Connection(PQconnectdb(uri.c_str()), &PQfinish); }

}  // namespace

PostgresServer::PostgresServer() : folder_(NewFolder()), host_("@" + folder_.substr(5)) {
  const std::string log = folder_ + "/log";
  const pid_t initdb =
      StartUnprivileged({std::string(kPrograms) + "initdb", "--pgdata=" + folder_ + "/data", "--username=greenplan",
                         "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"},
                        folder_, log);
  int status = 0;
  if (initdb < 0 || waitpid(initdb, &status, 0) != initdb || status != 0) {
    Fail("initdb failed; is postgresql-15 installed?", log);
  }
  Start();
}

PostgresServer::~PostgresServer() {
  Kill();
  std::error_code error;
  fs::remove_all(folder_, error);
}

std::string PostgresServer::Uri(const std::string& database) const {
  return "postgresql://greenplan@/" + database + "?host=%40" + host_.substr(1);
}

std::string PostgresServer::socket_name() const { return std::string(1, '\0') + host_.substr(1) + "/.s.PGSQL.5432"; }

std::string PostgresServer::NewDatabase() {
  const std::string name = "test" + std::to_string(++num_databases_);
  if (!Execute(Uri("postgres"), "CREATE DATABASE " + name)) Fail("no database can be created", folder_ + "/log");
  return Uri(name);
}

bool PostgresServer::Execute(const std::string& uri, const std::string& sql) {
  const Connection connection = Connect(uri);
  PGresult* result = PQexec(connection.get(), sql.c_str());
  const bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
  if (!ok) std::cerr << "PostgresServer: " << PQerrorMessage(connection.get()) << std::flush;
  PQclear(result);
  return ok;
}

void PostgresServer::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void PostgresServer::Stop() {
  kill(pid_, SIGINT);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

// Outside a PID namespace, processes of a killed server live for a moment, and a new one refuses to start meanwhile.
void PostgresServer::Start() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (pid_ < 0 || waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = StartUnprivileged({std::string(kPrograms) + "postgres", "-D", folder_ + "/data", "-c",
                                "listen_addresses=", "-c", "unix_socket_directories=" + host_, "-c", "fsync=off", "-c",
                                "shared_buffers=16MB", "-c", "max_connections=200"},
                               folder_, folder_ + "/log");
    }
    if (PQping(Uri("postgres").c_str()) == PQPING_OK) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Fail("the server does not answer", folder_ + "/log");
}

}  // namespace greenplan
