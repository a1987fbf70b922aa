#include "cli/cli.h"

int main(int argc, char** argv) {
  return octavo::cli::run(argc, argv);
}
