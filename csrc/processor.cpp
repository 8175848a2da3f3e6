#include "processor.hpp"

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace faceinpaint {
namespace {

#if defined(__x86_64__)
// The compiler's own question asks the system, too, whether it keeps the registers.
#define HAS(feature) (__builtin_cpu_supports(feature) != 0)

// Whether the system lets this process use matrix tiles; Linux does once it was asked.
bool may_use_tiles() {
#if defined(__linux__)
    constexpr int ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
#else
    return false;
#endif
}
#endif

}  // namespace

// the names are those of CMakeLists.txt, with the compiler's options beside them
std::string missing_for([[maybe_unused]] const std::string& level) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (level == "x86_64_v2") return HAS("ssse3") && HAS("sse4.2") && HAS("popcnt") ? "" : "SSE4.2";
    if (level == "avx2") return HAS("avx2") && HAS("fma") && HAS("f16c") && HAS("bmi") && HAS("bmi2") ? "" : "AVX2 and FMA";
    if (level == "avx512")
        return HAS("avx512f") && HAS("avx512bw") && HAS("avx512dq") && HAS("avx512vl") ? "" : "AVX-512";
    if (level == "avx512_bf16") return HAS("avx512bf16") ? "" : "AVX-512's bfloat16";
    if (level == "amx") return HAS("amx-tile") && HAS("amx-bf16") && may_use_tiles() ? "" : "AMX";
#endif
    return "";
}

}  // namespace faceinpaint
