// What Python calls first: it looks whether the processor has what the rest was compiled for.  This file alone is
// compiled for any processor, and takes nothing from headers that others compile, lest the linker keep theirs.
#include <Python.h>

extern "C" {

// of the level (level.hpp), data that module.cpp defines
extern const int FACEINPAINT_VECTOR_BYTES;
extern const bool FACEINPAINT_HAS_HALVES;

PyObject* PyInit__cpu_of_level(void);

PyMODINIT_FUNC PyInit__cpu(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    const char* missing = nullptr;
    __builtin_cpu_init();
    if (FACEINPAINT_VECTOR_BYTES >= 32 && !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")))
        missing = "AVX2 and FMA";
    if (FACEINPAINT_HAS_HALVES && !__builtin_cpu_supports("f16c")) missing = "F16C";
    if (FACEINPAINT_VECTOR_BYTES >= 64 && !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")))
        missing = "AVX-512";
    if (missing != nullptr)
        return PyErr_Format(PyExc_ImportError,
                            "faceinpaint_fast._cpu: expected a processor with %s, for which it was compiled, got one "
                            "without: build it on this machine, or for any with `python -m pip install . "
                            "-C cmake.define.FACEINPAINT_NATIVE=OFF`",
                            missing);
#endif
    return PyInit__cpu_of_level();
}
}
