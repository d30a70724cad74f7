#include "planner/service/job_engine.h"

namespace greenplan {

JobEngine::JobEngine(Store* store, const Options& options)
    : store_(*store),
      options_(options),
      jobs_(store, {.now = options.now,
                    .on_store_error = options.on_store_error,
                    .max_cached_bytes = options.max_cached_bytes,
                    .admit_usage = options.admit_usage}),
      plans_(store, &jobs_, {.on_store_error = options.on_store_error, .observer = options.observer}),
      what_if_(store, &jobs_, options.on_store_error),
      searches_(std::make_unique<WorkQueue>(options.searches)),
      changes_(std::make_unique<WorkQueue>(options.changes)),
      calls_(std::make_unique<WorkQueue>(options.calls)),
      rounds_(store, &jobs_, calls_.get(), searches_.get(),
              {.now = options.now,
               .on_store_error = options.on_store_error,
               .quorum_timeout = options.quorum_timeout,
               .observer = options.observer,
               .tick = options.tick,
               .processor_time = options.processor_time}) {}

JobEngine::~JobEngine() {
  rounds_.Stop();
  calls_.reset();
  changes_.reset();
  searches_.reset();
}

}  // namespace greenplan
