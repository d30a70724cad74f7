#include "planner/rpc/service_config.h"

namespace greenplan {

const char* ServiceConfigJson() {
  return
#include "planner/rpc/service_config_text.inc"
      ;
}

}  // namespace greenplan
