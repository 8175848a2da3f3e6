// What the processors of a level have: the one file that asks the compiler.  All code but bindings/module.cpp lives in
// a namespace of its level's name, so that the same sources, compiled for several levels, link into one module.
#pragma once

#ifndef FACEINPAINT_LEVEL
#define FACEINPAINT_LEVEL native
#endif

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// of a register
#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
#elif defined(__AVX__)
constexpr int VECTOR_BYTES = 32;
#else
constexpr int VECTOR_BYTES = 16;
#endif

// whether there are instructions for numbers of half precision
#if defined(__F16C__)
constexpr bool HALVES = true;
#else
constexpr bool HALVES = false;
#endif

// whether there are those for matrix tiles of bfloat16, and a system that lets a process use them
#if defined(__AMX_BF16__) && defined(__linux__)
constexpr bool TILES = true;
#else
constexpr bool TILES = false;
#endif

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
