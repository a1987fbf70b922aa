// cli: Ctrl-C as a flag that long work asks about.
#pragma once

namespace octavo::cli {

/// From now on SIGINT and SIGTERM set a flag; a second one ends the program as usual.
void catch_interrupts();

bool interrupted();

}  // namespace octavo::cli
