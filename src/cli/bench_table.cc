#include "cli/bench_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace octavo::cli {
namespace {

constexpr size_t kNarrowest = 8;

std::string html_row(const std::vector<std::string>& cells, const char* tag) {
  std::string row = "<tr>";
  for (const std::string& cell : cells) row += fmt::format("<{0}>{1}</{0}>", tag, escaped(cell));
  return row + "</tr>\n";
}

}  // namespace

std::string Table::line(const std::vector<std::string>& row) const {
  std::string text;
  for (size_t i = 0; i < row.size(); ++i) {
    const size_t width = std::max(columns[i].size(), kNarrowest);
    text += fmt::format("{}{:>{}}", i == 0 ? "" : "  ", row[i], width);
  }
  return text + "\n";
}

std::string Table::head() const {
  return "\n" + title + "\n" + line(columns);
}

std::string Table::html() const {
  std::string text = "<h2>" + escaped(title) + "</h2>\n<table>\n" + html_row(columns, "th");
  for (const auto& row : rows) text += html_row(row, "td");
  return text + "</table>\n";
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace octavo::cli
