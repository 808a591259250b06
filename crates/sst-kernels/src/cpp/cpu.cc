// Lowers the instruction sets of libtorch, oneDNN and MKL to the level that SST_CPU names (see cpu.rs).
#include "bridge.h"

namespace sst::cpu {

struct Cap {
  const char* level;
  const char* aten;
  const char* onednn;
  const char* mkl;
};

// `amx` limits nothing. Rust reports an error for an unknown name.
constexpr Cap kCaps[] = {
    {"portable", "default", "SSE41", "SSE4_2"},
    {"avx2", "avx2", "AVX2", "AVX2"},
    {"avx512", "avx512", "AVX512_CORE", "AVX512"},
    {"avx512bf16", "avx512", "AVX512_CORE_BF16", "AVX512"},
};

// Runs before main, as each of the three libraries reads its variable once, at its first use. Variables that the user
// has set are kept.
__attribute__((constructor)) void cap_libraries() {
  const char* wanted = std::getenv("SST_CPU");
  if (wanted == nullptr) return;
  for (const auto& cap : kCaps) {
    if (std::string(wanted) != cap.level) continue;
    setenv("ATEN_CPU_CAPABILITY", cap.aten, 0);
    setenv("ONEDNN_MAX_CPU_ISA", cap.onednn, 0);
    setenv("MKL_ENABLE_INSTRUCTIONS", cap.mkl, 0);
  }
}

}  // namespace sst::cpu
