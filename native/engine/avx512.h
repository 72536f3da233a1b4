#pragma once

#include "types.h"

#if defined(XENFERRY_X86)
#include <immintrin.h>

// GCC 12's own headers pass undefined vectors on purpose and are then warned about, wherever they
// are inlined (GCC bug 105593).
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif
