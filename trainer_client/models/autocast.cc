#include "trainer_client/models/autocast.h"

#include "ATen/autocast_mode.h"

namespace greenplan::trainer {
namespace {

void Set(const Autocast& autocast) {
  at::autocast::set_autocast_enabled(autocast.device, autocast.dtype.has_value());
  if (autocast.dtype.has_value()) at::autocast::set_autocast_dtype(autocast.device, *autocast.dtype);
}

}  // namespace

Autocast Autocast::Current(c10::DeviceType device) {
  Autocast current{.device = device};
  if (at::autocast::is_autocast_enabled(device)) current.dtype = at::autocast::get_autocast_dtype(device);
  return current;
}

AutocastScope::AutocastScope(const Autocast& autocast) : before_(Autocast::Current(autocast.device)) {
  Set(autocast);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  Set(before_);
}

}  // namespace greenplan::trainer
