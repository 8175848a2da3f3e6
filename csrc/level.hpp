// What the processors of a level have: the one file that asks the compiler.  All code but bindings/module.cpp and what it
// asks processor.hpp lives in a namespace of its level's name, so that the same sources, compiled for several levels,
// link into one module.  A program of one's own has one level, by its compiler's options.
#pragma once

#ifndef FACEINPAINT_LEVEL
#define FACEINPAINT_LEVEL own
#endif

// as below, for what cannot be compiled elsewhere
#ifdef __F16C__
#define FACEINPAINT_HALVES 1
#else
#define FACEINPAINT_HALVES 0
#endif
#ifdef __AVX512BF16__
#define FACEINPAINT_PAIRS 1
#else
#define FACEINPAINT_PAIRS 0
#endif
#ifdef __AMX_BF16__
#define FACEINPAINT_TILES 1
#else
#define FACEINPAINT_TILES 0
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

// how many there are, at least: WebAssembly has those of whatever it runs on
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int REGISTERS = 32;
#else
constexpr int REGISTERS = 16;
#endif

// whether a product is bound by what it computes, not by what it reads: 16 small registers
constexpr bool NARROW = VECTOR_BYTES == 16 && REGISTERS == 16;

// whether there are instructions for numbers of half precision, those that multiply pairs of bfloat16, and those for matrix
// tiles of them
constexpr bool HALVES = FACEINPAINT_HALVES, PAIRS = FACEINPAINT_PAIRS, TILES = FACEINPAINT_TILES;

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
