#include "planner/convert/number_text.h"

#include <charconv>

namespace greenplan {

std::string NumberText(double value) {
  char text[32];  // The longest takes 24.
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

}  // namespace greenplan
