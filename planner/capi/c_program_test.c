/* Uses libgreenplan as any C program does: only its header is included, and nothing else of greenplan is linked. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planner/capi/greenplan.h"

/* Four layers on a chain: forward costs 7, full backward 14. Half of backward is spent best on the layers 1 and 2. */
#define PROFILE                                                                                                      \
  "{\"model\": \"chain\", \"cost_unit\": \"COST_UNIT_FLOPS\", \"forward_cost\": 7, \"ops\": ["                       \
  "{\"name\": \"op0\", \"inputs\": [{\"op\": 1}]}, {\"name\": \"op1\", \"cost\": \"2\", \"inputs\": [{\"op\": 2}]}," \
  "{\"name\": \"op2\", \"cost\": 1, \"inputs\": [{\"op\": 3}]}, {\"name\": \"op3\", \"block\": 0}],"                 \
  "\"tensors\": [{\"name\": \"layer0\", \"shape\": [8], \"op\": 3, \"weight_grad_cost\": 3},"                        \
  "{\"name\": \"layer1\", \"shape\": [8], \"op\": 2, \"weight_grad_cost\": 2},"                                      \
  "{\"name\": \"layer2\", \"shape\": [8], \"op\": 1, \"weight_grad_cost\": 2},"                                      \
  "{\"name\": \"layer3\", \"shape\": [8], \"op\": 0, \"weight_grad_cost\": 4}],"                                     \
  "\"blocks\": [{\"name\": \"bottom\"}]}"
#define IMPORTANCE "{\"importance\": [1, 4, 1, 4]}"
#define OPTIONS "{\"budget\": {\"fraction_of_backward\": 0.5}}"
#define PLAN "{\"profile\": " PROFILE ", \"importance\": " IMPORTANCE ", \"options\": " OPTIONS "}"

typedef int (*call)(const char*, size_t, greenplan_buffer*);

static int failures = 0;

static void check(int holds, const char* what, const greenplan_buffer* answer) {
  if (holds) return;
  ++failures;
  fprintf(stderr, "failed: %s; the answer is %s\n", what, answer != NULL && answer->data != NULL ? answer->data : "-");
}

/* Calls `function`, expects `code` and that the answer holds `text`. */
static void expect(call function, const char* request, int code, const char* text) {
  greenplan_buffer answer;
  const int got = function(request, strlen(request), &answer);
  check(got == code, text, &answer);
  check(answer.data != NULL && strlen(answer.data) == answer.size && strstr(answer.data, text) != NULL, text, &answer);
  greenplan_buffer_free(&answer);
  check(answer.data == NULL && answer.size == 0, "a freed buffer is empty", NULL);
}

static void answers_requests(void) {
  expect(greenplan_plan, PLAN, 0, "\"trainable\":[\"layer1\",\"layer2\"]");
  expect(greenplan_curve,
         "{\"profile\": " PROFILE ", \"importance\": " IMPORTANCE ", \"budgets\": [0.5, {\"absolute\": 21}]}", 0,
         "\"predicted_cost\":21");
  expect(greenplan_cost, "{\"profile\": " PROFILE ", \"trainable\": [\"layer3\"]}", 0, "\"backward_cost\":4");
  expect(greenplan_explain, "{\"profile\": " PROFILE ", \"importance\": " IMPORTANCE ", \"options\": " OPTIONS "}", 0,
         "\"tensor\":\"layer3\",\"trainable\":false");
  expect(greenplan_draw_blocks,
         "{\"profile\": " PROFILE
         ", \"step\": 3, \"plan\": {\"method\": \"drop\", \"trainable\": [], \"drop_rates\": "
         "{\"bottom\": 1}}}",
         0, "[\"bottom\"]");
  expect(greenplan_profile_config,
         "{\"config\": {\"model_type\": \"gpt2\", \"n_layer\": 1, \"n_embd\": 8, \"n_head\": 2}, \"seq_len\": 4}", 0,
         "transformer.h.0.attn.c_attn.weight");
  check(strchr(greenplan_version(), '.') != NULL, "the version has a dot", NULL);
}

static void refuses_what_is_wrong(void) {
  expect(greenplan_plan, "{}", 3, "\"field\":\"profile\"");
  expect(greenplan_plan, "nonsense", 3, "not a JSON object");
  expect(greenplan_plan,
         "{\"profile\": {\"cost_unit\": 1, \"ops\": [{\"cost\": -1}], \"tensors\": [{\"name\": \"a\"}]}}", 3,
         "\"field\":\"ops[0].cost\"");
  expect(greenplan_plan, "{\"profile\": " PROFILE ", \"options\": {\"budget\": {\"absolute\": -1}}}", 3,
         "\"field\":\"budget.absolute\"");
  expect(greenplan_plan, "{\"profile\": " PROFILE ", \"importance\": {\"profile_digest\": \"x\"}}", 9,
         "profile_digest");
  expect(greenplan_plan, "{\"profile\": {\"model\": \"\xff\"}}", 3, "profile");
  expect(greenplan_cost, "{\"profile\": " PROFILE ", \"trainable\": [\"x\"]}", 3, "\"field\":\"trainable\"");

  greenplan_buffer answer;
  check(greenplan_plan(NULL, 0, &answer) == 3, "NULL is no request", &answer);
  greenplan_buffer_free(&answer);
  check(greenplan_plan("{}", 2, NULL) == 3, "an answer needs a buffer", NULL);
  check(greenplan_planner_plan(NULL, "{}", 2, &answer) == 3, "NULL is no planner", &answer);
  greenplan_buffer_free(&answer);
  greenplan_buffer_free(NULL);
  greenplan_planner_free(NULL);

  greenplan_planner* planner = (greenplan_planner*)&answer;
  check(greenplan_planner_new("{\"profile\": {}}", 15, &planner, &answer) == 3, "an empty profile", &answer);
  check(planner == NULL, "no planner after an error", NULL);
  greenplan_buffer_free(&answer);
}

struct share {
  const greenplan_planner* planner;
  greenplan_buffer expected;
  int differ;
};

static void* plan_often(void* argument) {
  struct share* share = argument;
  const char request[] = "{\"importance\": " IMPORTANCE ", \"options\": " OPTIONS "}";
  for (int i = 0; i < 200; ++i) {
    greenplan_buffer answer;
    const int code = greenplan_planner_plan(share->planner, request, strlen(request), &answer);
    if (code != 0 || strcmp(answer.data, share->expected.data) != 0) share->differ = 1;
    greenplan_buffer_free(&answer);
  }
  return NULL;
}

static void keeps_a_profile_for_many_threads(void) {
  const char request[] = "{\"profile\": " PROFILE "}";
  greenplan_buffer answer;
  greenplan_planner* planner;
  check(greenplan_planner_new(request, strlen(request), &planner, &answer) == 0, "a planner", &answer);
  check(strstr(answer.data, "\"profile_digest\"") != NULL, "its digest", &answer);
  greenplan_buffer_free(&answer);
  expect(greenplan_plan, PLAN, 0, "\"digest\"");

  struct share shares[8];
  pthread_t threads[8];
  for (int i = 0; i < 8; ++i) {
    shares[i].planner = planner;
    shares[i].differ = 0;
    greenplan_plan(PLAN, strlen(PLAN), &shares[i].expected);
    pthread_create(&threads[i], NULL, plan_often, &shares[i]);
  }
  for (int i = 0; i < 8; ++i) {
    pthread_join(threads[i], NULL);
    check(!shares[i].differ, "every thread gets the plan of greenplan_plan", NULL);
    greenplan_buffer_free(&shares[i].expected);
  }
  greenplan_planner_free(planner);
}

int main(void) {
  answers_requests();
  refuses_what_is_wrong();
  keeps_a_profile_for_many_threads();
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
