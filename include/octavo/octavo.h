// Everything of Octavo's public interface.
#pragma once

#include "octavo/content.h"
#include "octavo/error.h"
#include "octavo/generation.h"
#include "octavo/model.h"
#include "octavo/session.h"
#include "octavo/version.h"
