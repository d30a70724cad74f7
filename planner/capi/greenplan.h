/* The greenplan planner as a C library: which parts of backward to run under a budget, from any language.
 *
 * Every function takes a request as JSON and answers JSON, in UTF-8. The messages are those of greenplan's files and of
 * its command line: a ModelProfile, an ImportanceReport and PlanOptions as proto3 JSON (proto/greenplan/v1), a plan as
 * `greenplan plan --format json` prints it, byte for byte but for the line feed at its end.
 *
 *   const char request[] = "{\"profile\": ..., \"importance\": ..., \"options\": {\"budget\": {\"absolute\": 7}}}";
 *   greenplan_buffer plan;
 *   const int code = greenplan_plan(request, strlen(request), &plan);
 *   fwrite(plan.data, 1, plan.size, code == 0 ? stdout : stderr);
 *   greenplan_buffer_free(&plan);
 *
 * Return values: 0, or a google.rpc.Code such as 3, INVALID_ARGUMENT. The buffer then holds
 *   {"code": 3, "message": "budget.absolute is -1; allowed: an integer > 0", "field": "budget.absolute"}
 * The field is the path of what is wrong, empty if nothing single is. Fields within profile, importance and options are
 * named from there; those of the other keys begin with the key, such as "previous_plan.trainable". If there is no
 * memory left for the answer, the buffer is empty.
 *
 * Keys that a request does not know are refused. A key that is marked optional may also be null.
 *
 * Thread-safety: every function may be called from many threads at once, also with the same planner, except that no
 * other call may use a planner while it is freed. No function throws, prints, or ends the process.
 */
#ifndef GREENPLAN_GREENPLAN_H_
#define GREENPLAN_GREENPLAN_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An answer. `data` holds `size` bytes of JSON and a NUL behind them; NULL if there is no memory left. */
typedef struct greenplan_buffer {
  char* data;
  size_t size;
} greenplan_buffer;

/* Frees what an answer holds and empties it. Does nothing if it is empty, or `buffer` is NULL. */
void greenplan_buffer_free(greenplan_buffer* buffer);

/* The version of this library, such as "0.1.0". Static: not to be freed. */
const char* greenplan_version(void);

/* The functions below read `n` bytes of `request` and fill `out`, whatever it held before. `out` must not be NULL. */

/* Plans what to train within a budget.
 *   {"profile", "importance" (optional with method full), "options" (optional), "previous_plan" (optional)}
 * Answers the plan. `previous_plan` is the plan in force, which options.churn_threshold may keep. */
int greenplan_plan(const char* request, size_t n, greenplan_buffer* out);

/* Plans for each of a list of budgets, sharing work.
 *   {"profile", "importance", "options" (optional; its budget is ignored), "budgets": [Budget, ...]}
 * A budget is a Budget message, {"fraction_of_backward": 0.5}, or a number: a share of full. Answers an array of plans,
 * as long as `budgets`. */
int greenplan_curve(const char* request, size_t n, greenplan_buffer* out);

/* Counts what a step costs that trains exactly the given tensors, by another way than the solvers'.
 *   {"profile", "trainable": [names], "drop_rates": {block: rate} (optional)}
 * Answers {"forward_cost", "backward_cost", "full_backward_cost", "predicted_cost", "saved_bytes"}. */
int greenplan_cost(const char* request, size_t n, greenplan_buffer* out);

/* Tells for each tensor what training it costs beside the plan, and at which budget it enters.
 *   {"profile", "importance", "options" (optional), "plan" (optional: explained instead of the one that the options ask
 *    for), "previous_plan" (optional), "budgets" (optional: where to look for the entry)}
 * Answers an array of {"tensor", "trainable", "importance", "marginal_cost", "marginal_saved_bytes", "entry_budget"},
 * the last of them null if no budget's plan trains the tensor. */
int greenplan_explain(const char* request, size_t n, greenplan_buffer* out);

/* Makes the profile of a Hugging Face model from its config.json, without weights.
 *   {"config": {...}, "batch_size" (default 1), "seq_len", "target_len", "attention" ("sdpa" or "eager"), "dtype"
 *    ("float32", ...), "lora_rank" (0), "head" ("causal-lm", "masked-lm", "classifier" or "none")}, all but config
 * optional. Answers the ModelProfile. */
int greenplan_profile_config(const char* request, size_t n, greenplan_buffer* out);

/* Draws the blocks that one step drops. Every rank that asks with the same plan and step gets the same.
 *   {"profile", "plan", "step": an integer >= 0}
 * Answers an array of block names in the order of the profile, empty if the plan drops nothing. */
int greenplan_draw_blocks(const char* request, size_t n, greenplan_buffer* out);

/* A profile that is read once, for many plans: it keeps what one plan computes for the next. */
typedef struct greenplan_planner greenplan_planner;

/* Reads {"profile"} into a new planner. Answers {"profile_digest": "..."}, which an ImportanceReport may carry. After
 * an error `*planner` is NULL. */
int greenplan_planner_new(const char* request, size_t n, greenplan_planner** planner, greenplan_buffer* out);

/* Frees a planner. Does nothing if it is NULL. */
void greenplan_planner_free(greenplan_planner* planner);

/* The functions above for the planner's profile: their requests have no "profile". */
int greenplan_planner_plan(const greenplan_planner* planner, const char* request, size_t n, greenplan_buffer* out);
int greenplan_planner_curve(const greenplan_planner* planner, const char* request, size_t n, greenplan_buffer* out);
int greenplan_planner_cost(const greenplan_planner* planner, const char* request, size_t n, greenplan_buffer* out);
int greenplan_planner_explain(const greenplan_planner* planner, const char* request, size_t n, greenplan_buffer* out);
int greenplan_planner_draw_blocks(const greenplan_planner* planner, const char* request, size_t n,
                                  greenplan_buffer* out);

#ifdef __cplusplus
}
#endif

#endif /* GREENPLAN_GREENPLAN_H_ */
