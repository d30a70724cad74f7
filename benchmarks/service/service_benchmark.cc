// Compares the daemon with a server that plans nothing and keeps nothing, and with durable commits alone. All servers
// are processes of their own, run at the same time, and take turns:
//
//   ./dev bench service [ROW...]     rows: latency throughput jobs barrier; default: all
//
// The files lie in the current folder while it runs: the disk is part of what is measured.

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/service/rows.h"

int main(int argc, char** argv) {
  const std::vector<std::pair<std::string, void (*)()>> rows = {{"latency", greenplan::PrintLatencyRows},
                                                                {"throughput", greenplan::PrintThroughputRows},
                                                                {"jobs", greenplan::PrintJobRows},
                                                                {"barrier", greenplan::PrintBarrierRows}};
  const std::vector<std::string> wanted(argv + 1, argv + argc);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("| case | measure | reached | aim | |\n| --- | --- | --- | --- | --- |\n");
  for (const auto& [name, print] : rows) {
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end()) print();
  }
}
