#include "planner/cli/curve_html.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "planner/cli/output.h"

namespace greenplan {
namespace {

using nlohmann::ordered_json;

// The drawing area inside the figure, in SVG units.
constexpr double kWidth = 760;
constexpr double kHeight = 380;
constexpr double kLeft = 70;
constexpr double kRight = 20;
constexpr double kTop = 20;
constexpr double kBottom = 50;

constexpr char kStyle[] = R"css(
  :root { color-scheme: light dark; --ink: #1b1f24; --quiet: #6a737d; --grid: #d8dee4; --curve: #1a7f37; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e6edf3; --quiet: #8b949e; --grid: #30363d; --curve: #3fb950; }
  }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  svg { width: 100%; height: auto; } svg text { fill: var(--quiet); font-size: 12px; }
  .grid { stroke: var(--grid); } .curve { fill: none; stroke: var(--curve); stroke-width: 2; }
  .bound { fill: none; stroke: var(--quiet); stroke-dasharray: 5 4; } .point { fill: var(--curve); }
  .scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
  th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
  .quiet { color: var(--quiet); }
)css";

std::string Escape(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

// A step of 1, 2 or 5 times a power of ten that divides `range` into about five.
double NiceStep(double range) {
  const double raw = range / 5;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1, 2, 5}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

double ShareOf(const ordered_json& row, const char* key) {
  const double full = row["full_cost"];
  return full > 0 ? row[key].get<double>() / full : 0;
}

// Where numbers lie in the figure: x is the budget as a share of the full step, y is the value of the plan.
class Axes {
 public:
  explicit Axes(const std::vector<ordered_json>& rows) {
    min_x_ = max_x_ = ShareOf(rows.front(), "budget_cost");
    for (const ordered_json& row : rows) {
      min_x_ = std::min(min_x_, ShareOf(row, "budget_cost"));
      max_x_ = std::max(max_x_, ShareOf(row, "budget_cost"));
      min_y_ = std::min(min_y_, row["value"].get<double>());
      max_y_ = std::max(max_y_, row["upper_bound"].get<double>());
    }
    if (max_x_ == min_x_) min_x_ = 0;
    if (max_x_ == min_x_) max_x_ = 1;
    if (max_y_ == min_y_) max_y_ = min_y_ + 1;
  }

  double X(double share) const { return kLeft + (share - min_x_) / (max_x_ - min_x_) * (kWidth - kLeft - kRight); }
  double Y(double value) const {
    return kHeight - kBottom - (value - min_y_) / (max_y_ - min_y_) * (kHeight - kTop - kBottom);
  }

  std::string Grid() const {
    std::string svg;
    const double step_y = NiceStep(max_y_ - min_y_);
    for (double value = std::ceil(min_y_ / step_y) * step_y; value <= max_y_ + step_y * 1e-6; value += step_y) {
      const double y = Y(value);
      absl::StrAppendFormat(&svg, "<line class=\"grid\" x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/>", kLeft,
                            kWidth - kRight, y, y);
      absl::StrAppendFormat(&svg, "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", kLeft - 8, y + 4,
                            std::abs(value) < step_y * 1e-6 ? 0 : value);
    }
    const double step_x = NiceStep(max_x_ - min_x_);
    for (double share = std::ceil(min_x_ / step_x) * step_x; share <= max_x_ + step_x * 1e-6; share += step_x) {
      absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%.4g%%</text>\n", X(share),
                            kHeight - kBottom + 20, 100 * share);
    }
    return svg;
  }

  std::string Line(const std::vector<ordered_json>& rows, const char* css_class, const char* key) const {
    std::string points;
    for (const ordered_json& row : rows) {
      absl::StrAppendFormat(&points, "%.1f,%.1f ", X(ShareOf(row, "budget_cost")), Y(row[key]));
    }
    return absl::StrCat("<polyline class=\"", css_class, "\" points=\"", points, "\"/>\n");
  }

 private:
  double min_x_ = 0;
  double max_x_ = 0;
  double min_y_ = 0;
  double max_y_ = 0;
};

std::string Figure(std::vector<ordered_json> rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const ordered_json& a, const ordered_json& b) {
    return a["budget_cost"].get<int64_t>() < b["budget_cost"].get<int64_t>();
  });
  const Axes axes(rows);
  std::string svg =
      absl::StrFormat("<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"Value over budget\">\n", kWidth, kHeight);
  absl::StrAppend(&svg, axes.Grid(), axes.Line(rows, "bound", "upper_bound"), axes.Line(rows, "curve", "value"));
  for (const ordered_json& row : rows) {
    absl::StrAppendFormat(&svg, "<circle class=\"point\" r=\"3\" cx=\"%.1f\" cy=\"%.1f\"><title>%s</title></circle>\n",
                          axes.X(ShareOf(row, "budget_cost")), axes.Y(row["value"]),
                          Escape(absl::StrCat("budget ", BudgetLabel(row["budget"]), ": value ", row["value"].dump(),
                                              ", ", row["trainable_count"].dump(), " tensors")));
  }
  absl::StrAppendFormat(&svg, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">budget, share of a full step</text>\n",
                        (kLeft + kWidth - kRight) / 2, kHeight - 8);
  return svg + "</svg>\n";
}

std::string Table(const std::vector<ordered_json>& rows, const ModelProfile& profile) {
  std::string html =
      "<div class=\"scroll\"><table><tr><th>budget</th><th>predicted cost</th><th>of full</th><th>value</th>"
      "<th>upper bound</th><th>value per cost</th><th>tensors</th><th>parameters</th><th>saved "
      "activations</th><th>status</th></tr>\n";
  for (const ordered_json& row : rows) {
    const int64_t cost = row["predicted_cost"];
    absl::StrAppendFormat(
        &html,
        "<tr><td>%s</td><td title=\"%d\">%s</td><td>%s</td><td>%.6g</td><td>%.6g</td><td>%.3f</td><td>%s</td>"
        "<td>%s</td><td>%s</td><td title=\"%s\">%s</td></tr>\n",
        BudgetLabel(row["budget"]), cost, HumanCost(cost, profile.cost_unit),
        Percent(static_cast<double>(cost), row["full_cost"]), row["value"].get<double>(),
        row["upper_bound"].get<double>(), row["value_per_cost"].get<double>(), row["trainable_count"].dump(),
        Percent(row["trainable_fraction_of_parameters"], 1), HumanBytes(row["saved_bytes"]), Escape(row["message"]),
        Escape(row["status"]));
  }
  return html + "</table></div>\n";
}

}  // namespace

std::string CurvePage(const std::vector<ordered_json>& rows, const ModelProfile& profile) {
  const std::string model = Escape(profile.model.empty() ? "a model" : profile.model);
  const int64_t full_cost = rows.front()["full_cost"];
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>What a budget buys: ",
      model, "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n<h1>What a budget buys: ", model, "</h1>\n",
      "<p>The value of the best plan within each budget (", "<span style=\"color:var(--curve)\">line</span>",
      ") and the proved upper bound (dashed, where it differs). A full step costs ",
      HumanCost(full_cost, profile.cost_unit), ", of it ", HumanCost(profile.forward_cost, profile.cost_unit),
      " forward. Value per cost is the plan's share of all positive importance over its share of a full step's cost: "
      "above 1, training less is worth more per cost than training everything.</p>\n",
      Figure(rows), Table(rows, profile), "</body>\n</html>\n");
}

}  // namespace greenplan
