#ifndef GREENPLAN_PROFILER_ANALYTIC_FAMILIES_ROTARY_H_
#define GREENPLAN_PROFILER_ANALYTIC_FAMILIES_ROTARY_H_

#include <cstdint>

#include "profiler/analytic/request.h"

namespace greenplan::profiler {

// Reports to the request if transformers cannot compute the config's rotary position embedding: a scaling that it does
// not know or that lacks its factor, or heads of an odd width. Rotation costs no FLOPs, so a profile needs nothing else
// of it.
void CheckRotary(Request& request, int64_t head_width);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FAMILIES_ROTARY_H_
