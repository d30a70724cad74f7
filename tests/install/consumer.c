/* A user's program in C: asks libgreenplan, as it was installed, what a GPT-2 costs. */
#include <greenplan/greenplan.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  const char request[] = "{\"config\": {\"model_type\": \"gpt2\"}, \"batch_size\": 8, \"seq_len\": 512}";
  greenplan_buffer profile;
  const int code = greenplan_profile_config(request, strlen(request), &profile);
  printf("libgreenplan %s: %s\n", greenplan_version(), code == 0 ? "ok" : profile.data);
  greenplan_buffer_free(&profile);
  return code;
}
