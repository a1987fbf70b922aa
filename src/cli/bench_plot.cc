#include "cli/bench_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string_view>

#include "cli/bench_table.h"

namespace octavo::cli {
namespace {

constexpr double kWidth = 760, kHeight = 360;          // of one chart
constexpr double kLeft = 70, kRight = 140;             // margins; the legend is at the right
constexpr double kTop = 40, kBottom = 50, kHead = 60;  // the head is the title's, once
constexpr double kLabelRoom = 34;                      // least distance of two marks with labels
// Told apart by the colour-blind too.
constexpr std::string_view kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                         "#e69f00", "#56b4e9", "#000000"};

std::string label(double x, double y, const char* anchor, const std::string& text,
                  const std::string& more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, escaped(text));
}

std::string line(double x1, double y1, double x2, double y2, std::string_view colour) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2,
      y2, colour);
}

class ChartDrawing {
 public:
  ChartDrawing(const Chart& chart, double offset) : chart_(chart), offset_(offset) {
    double top = 0;
    smallest_ = std::numeric_limits<double>::infinity();
    for (const Series& series : chart.series) {
      for (const Point& point : series.points) {
        xs_.insert(point.x);
        if (point.x > 0) smallest_ = std::min(smallest_, point.x);
        top = std::max(top, point.high);
      }
    }
    step_ = tick_step(top);
    top_ = std::max(1.0, std::ceil(top / step_)) * step_;
  }

  std::string draw() const {
    std::string svg = label(kLeft, offset_ + 22, "start", chart_.title, " font-weight=\"bold\"");
    svg += axes();
    for (size_t i = 0; i < chart_.series.size(); ++i) {
      svg += curve(chart_.series[i], kColours[i % std::size(kColours)],
                   offset_ + kTop + 14 + 18 * static_cast<double>(i));
    }
    return svg;
  }

 private:
  double bottom() const { return offset_ + kHeight - kBottom; }
  double scaled(double value) const {
    return std::isinf(smallest_) ? 0 : std::log2(1 + value / smallest_);
  }
  double x_of(double value) const {
    const double most = xs_.empty() ? 0 : scaled(*xs_.rbegin());
    return kLeft + (most > 0 ? scaled(value) / most : 0) * (kWidth - kLeft - kRight);
  }
  double y_of(double value) const { return bottom() - value / top_ * (kHeight - kTop - kBottom); }

  std::string axes() const {
    std::string svg;
    const double right = kWidth - kRight;
    for (int i = 0; i * step_ < top_ + step_ / 2; ++i) {
      const double value = i * step_;
      svg += line(kLeft, y_of(value), right, y_of(value), i == 0 ? "#333" : "#ddd");
      svg += label(kLeft - 8, y_of(value) + 4, "end", fmt::format("{:g}", value));
    }
    double last = -kLabelRoom;
    for (const double x : xs_) {
      svg += line(x_of(x), bottom(), x_of(x), bottom() + 5, "#333");
      if (x_of(x) - last < kLabelRoom) continue;
      svg += label(x_of(x), bottom() + 19, "middle", fmt::format("{:.0f}", x));
      last = x_of(x);
    }
    svg += line(kLeft, y_of(top_), kLeft, bottom(), "#333");
    svg += label((kLeft + right) / 2, bottom() + 40, "middle", chart_.x_label);
    const double middle = (y_of(top_) + bottom()) / 2;
    svg += label(18, middle, "middle", chart_.y_label,
                 fmt::format(" transform=\"rotate(-90 18 {:.1f})\"", middle));
    return svg;
  }

  std::string curve(const Series& series, std::string_view colour, double legend_y) const {
    std::string path, marks;
    for (const Point& point : series.points) {
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", x_of(point.x), y_of(point.y));
      marks += line(x_of(point.x), y_of(point.low), x_of(point.x), y_of(point.high), colour);
      marks += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" fill=\"{}\"><title>{}, {:.0f}: "
          "{:.2f} ({:.2f} to {:.2f})</title></circle>\n",
          x_of(point.x), y_of(point.y), colour, escaped(series.name), point.x, point.y, point.low,
          point.high);
    }
    const double x = kWidth - kRight + 16;
    return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n",
                       path, colour) +
           marks + line(x, legend_y - 4, x + 18, legend_y - 4, colour) +
           label(x + 24, legend_y, "start", series.name);
  }

  const Chart& chart_;
  double offset_;
  std::set<double> xs_;
  double smallest_, top_, step_;
};

}  // namespace

double tick_step(double top) {
  if (!(top > 0) || std::isinf(top)) return 1;
  const double power = std::pow(10, std::floor(std::log10(top)));
  const double first = top / power;  // 1 to 10
  return power * (first < 2 ? 0.25 : first < 5 ? 0.5 : 1);
}

std::string svg_of(const std::string& title, const std::string& subtitle,
                   const std::vector<Chart>& charts) {
  const double height = kHead + kHeight * static_cast<double>(charts.size());
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kWidth, height);
  svg += label(20, 26, "start", title, " font-size=\"17\" font-weight=\"bold\"");
  svg += label(20, 46, "start", subtitle, " fill=\"#666\"");
  for (size_t i = 0; i < charts.size(); ++i) {
    svg += ChartDrawing(charts[i], kHead + kHeight * static_cast<double>(i)).draw();
  }
  return svg + "</svg>\n";
}

}  // namespace octavo::cli
