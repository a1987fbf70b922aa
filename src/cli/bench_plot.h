// cli: line charts as SVG, without help from outside.
#pragma once

#include <string>
#include <vector>

namespace octavo::cli {

struct Point {
  double x = 0, y = 0;
  double low = 0, high = 0;  // of y
};

struct Series {
  std::string name;
  std::vector<Point> points;
};

struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
};

/// The charts below each other under a title. Both axes begin at 0; the horizontal one is
/// logarithmic beyond its smallest positive value and has its marks at the values measured.
std::string svg_of(const std::string& title, const std::string& subtitle,
                   const std::vector<Chart>& charts);

/// A round distance between the marks of an axis from 0 to `top`: 4 to 10 of them.
double tick_step(double top);

}  // namespace octavo::cli
