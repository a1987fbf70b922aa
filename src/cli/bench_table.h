// cli: a table that can be printed row by row.
#pragma once

#include <string>
#include <vector>

namespace octavo::cli {

struct Table {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  /// Lines of text, right-aligned under the column names.
  std::string head() const;
  std::string line(const std::vector<std::string>& row) const;
  std::string html() const;
};

/// `text` with the characters that mean something in HTML and SVG replaced.
std::string escaped(const std::string& text);

}  // namespace octavo::cli
