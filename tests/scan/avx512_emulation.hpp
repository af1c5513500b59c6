// The AVX-512 intrinsics that snnvtg/scan/vectors.hpp uses, lane by lane, so that its branch for AVX-512 runs on any
// machine. Included in place of <immintrin.h>: -D__AVX512F__ -D__AVX512DQ__ -D_IMMINTRIN_H_INCLUDED -include this.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

typedef float Lanes __attribute__((vector_size(64)));
typedef int32_t Bits __attribute__((vector_size(64)));
typedef double Wide __attribute__((vector_size(64)));
#define EACH(EXPRESSION)                                                                                               \
    Lanes r;                                                                                                           \
    for (int i = 0; i < 16; i++) r[i] = EXPRESSION;                                                                    \
    return r;

inline Lanes _mm512_set1_ps(float x) { return Lanes{} + x; }
inline Lanes _mm512_load_ps(const float *from) { EACH(from[i]) }
inline Lanes _mm512_fmadd_ps(Lanes a, Lanes b, Lanes c) { EACH(std::fma(a[i], b[i], c[i])) }
inline Lanes _mm512_fmsub_ps(Lanes a, Lanes b, Lanes c) { EACH(std::fma(a[i], b[i], -c[i])) }
inline Bits _mm512_castps_si512(Lanes a) {
    Bits bits;
    std::memcpy(&bits, &a, sizeof bits);
    return bits;
}
inline Lanes _mm512_permutexvar_ps(Bits index, Lanes a) { EACH(a[index[i] & 15]) }
// Intel's manual: NaN for a NaN; 2^-inf is 0 and 2^inf infinity for a finite a
inline Lanes _mm512_scalef_ps(Lanes a, Lanes b) {
    EACH(std::isnan(b[i]) ? b[i] : std::ldexp(a[i], int(std::fmin(std::fmax(std::floor(b[i]), -1000.f), 1000.f))))
}
// imm8 = 2: the smaller magnitude with the sign of a; of a NaN and a number the number
inline Lanes _mm512_range_ps(Lanes a, Lanes b, int) {
    EACH(std::isnan(a[i]) ? b[i] : std::copysign(std::fmin(std::fabs(a[i]), std::fabs(b[i])), a[i]))
}
inline float _mm512_reduce_add_ps(Lanes v) {
    float sum = 0;
    for (int i = 0; i < 16; i++) sum += v[i];
    return sum;
}
inline double _mm512_reduce_add_pd(Wide v) {
    double sum = 0;
    for (int i = 0; i < 8; i++) sum += v[i];
    return sum;
}
inline Lanes _mm512_rcp14_ps(Lanes a) { EACH(1 / a[i] * (1 + 0x1p-15f)) }
#undef EACH
