// Usage: write_api_reference DESCRIPTORS. Writes the reference of the service that the descriptors (api_reference.h)
// are of to standard output. `./dev reference` runs it.

#include <cstdio>
#include <fstream>
#include <string>

#include "google/protobuf/descriptor.pb.h"
#include "proto/reference/api_reference.h"

int main(int argc, char** argv) {
  google::protobuf::FileDescriptorSet files;
  std::ifstream input(argc == 2 ? argv[1] : "", std::ios::binary);
  const bool is_read = input.is_open() && files.ParseFromIstream(&input);
  const std::string page = is_read ? greenplan::ApiReference(files) : "";
  if (page.empty()) {
    std::fprintf(stderr, "write_api_reference: the argument names no descriptors of a service\n");
    return 2;
  }
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}
