// One vector of W channels and the elementary functions the kernels need.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int BYTES = 64;
#elif defined(__AVX__)
constexpr int BYTES = 32;
#else
constexpr int BYTES = 16;
#endif

// `anywhere` is the same vector at any address an element may have; unlike memcpy it is known to touch T's only.
template <typename T> struct Vector;
template <> struct Vector<float> {
    typedef float type __attribute__((vector_size(BYTES)));
    typedef float anywhere __attribute__((vector_size(BYTES), aligned(sizeof(float))));
    typedef int32_t bits __attribute__((vector_size(BYTES)));
};
template <> struct Vector<double> {
    typedef double type __attribute__((vector_size(BYTES)));
    typedef double anywhere __attribute__((vector_size(BYTES), aligned(sizeof(double))));
};

typedef Vector<float>::type F;
typedef Vector<double>::type G;
template <typename T> constexpr int WIDTH = BYTES / sizeof(T);
template <typename T> using V = typename Vector<T>::type;

template <typename T> static inline V<T> load(const T *from) {
    return *reinterpret_cast<const typename Vector<T>::anywhere *>(from);
}
template <typename T> static inline V<T> load(const T *from, int count) {
    if (count == WIDTH<T>) return load(from);
    V<T> v = {};
    for (int i = 0; i < count; i++) v[i] = from[i];
    return v;
}
template <typename T> static inline void store(T *to, V<T> v) {
    *reinterpret_cast<typename Vector<T>::anywhere *>(to) = v;
}
template <typename T> static inline void store(T *to, V<T> v, int count) {
    if (count == WIDTH<T>) return store(to, v);
    for (int i = 0; i < count; i++) to[i] = v[i];
}
template <typename T> static inline V<T> broadcast(T x) { return V<T>{} + x; }
#ifdef __AVX512F__
static inline float lane_sum(F v) { return _mm512_reduce_add_ps(v); }
static inline double lane_sum(G v) { return _mm512_reduce_add_pd(v); }
#else
template <typename W> static inline auto lane_sum(W v) {
    auto sum = v[0];
    for (size_t i = 1; i < sizeof v / sizeof sum; i++) sum += v[i];
    return sum;
}
#endif

// 2^(x y). With AVX-512: x y rounded to sixteenths k/16, 2^(k mod 16 / 16) from a table in one register, 2^f by a cubic
// on |f| <= 1/32; the fused multiply-subtract keeps the product's rounding out of f. Elsewhere a degree-6 minimax fit of
// 2^f on [-1/2, 1/2] with p(0) = 1. Relative error 1.2e-7 in the first, 1e-7 and the rounding of x y in the second;
// 2^0 is exactly 1 in both. Beyond the range of floats: 0 and infinity in the first, 2^-126 and 2^127 in the second.
#ifdef __AVX512DQ__
template <bool BOUNDED> static inline F exp2_of(F x, F y) {
    alignas(64) static const float table[16] = {1.f,          1.04427378f, 1.09050773f, 1.13878863f, 1.18920712f, 1.24185781f,
                                                1.29683955f,  1.35425555f, 1.41421356f, 1.47682615f, 1.54221083f, 1.61049033f,
                                                1.68179283f,  1.75625216f, 1.83400809f, 1.91520656f};
    const float magic = 786432.f;  // 1.5 * 2^19: adding it leaves the rounded number of sixteenths in the low bits
    const F shifted = _mm512_fmadd_ps(x, y, _mm512_set1_ps(magic)), sixteenths = shifted - magic;
    F f = _mm512_fmsub_ps(x, y, sixteenths);
    // of a huge or infinite product f is anything or NaN; the smaller of two magnitudes, or the one that is a number
    if (!BOUNDED) f = _mm512_range_ps(f, _mm512_set1_ps(1.f / 32), 2);
    const F power = _mm512_permutexvar_ps(_mm512_castps_si512(shifted), _mm512_load_ps(table));
    const F p = (f * 0.0555041087f + 0.240226507f) * f + 0.693147181f;
    return _mm512_scalef_ps(p * f * power + power, sixteenths);
}
#else
template <bool BOUNDED> static inline F exp2_of(F x, F y) {
    F product = x * y;
    product = product < -126.f ? F{} - 126.f : product;
    product = product > 127.f ? F{} + 127.f : product;
    const float magic = 12582912.f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
    const F shifted = product + magic;
    const F f = product - (shifted - magic);
    F p = f * 0.000169482395f + 0.00134355242f;
    p = p * f + 0.00961263834f;
    p = p * f + 0.0555020441f;
    p = p * f + 0.240226963f;
    p = p * f + 0.693147303f;
    p = p * f + 1.f;
    Vector<float>::bits exponent, bits;
    __builtin_memcpy(&exponent, &shifted, sizeof exponent);
    __builtin_memcpy(&bits, &p, sizeof bits);
    bits += exponent << 23;
    __builtin_memcpy(&p, &bits, sizeof p);
    return p;
}
#endif
template <bool BOUNDED> static inline G exp2_of(G x, G y) {
    G r;
    for (int i = 0; i < WIDTH<double>; i++) r[i] = std::exp2(x[i] * y[i]);
    return r;
}

template <typename W> static inline W exp2_product(W x, W y) { return exp2_of<false>(x, y); }

// The same for factors that went through `bounded`: their product is huge at most, never infinite, and needs no care.
template <typename W> static inline W exp2_bounded(W x, W y) { return exp2_of<true>(x, y); }
template <typename T> static inline V<T> bounded(V<T> x) {
    const V<T> limit = broadcast(T(1 << 30));
    x = x < -limit ? -limit : x;
    return x > limit ? limit : x;
}

constexpr double LOG2_E = 1.4426950408889634, LN_2 = 0.6931471805599453;

static inline F exponential(F x) { return exp2_product(x, broadcast<float>(float(LOG2_E))); }
static inline G exponential(G x) {
    G r;
    for (int i = 0; i < WIDTH<double>; i++) r[i] = std::exp(x[i]);
    return r;
}

// 1 / x for x in [1, 3]: a division keeps the unit busy for as long as ten multiplications.
static inline F reciprocal(F x) {
#ifdef __AVX512F__
    const F guess = _mm512_rcp14_ps(x);
    return guess * (2.f - x * guess);
#else
    return 1.f / x;
#endif
}
static inline G reciprocal(G x) { return 1. / x; }

template <typename T> static inline V<T> sigmoid(V<T> x) {
    const V<T> zero = {}, e = exponential(x < zero ? x : -x);
    return (x < zero ? e : zero + T(1)) * reciprocal(e + T(1));
}

// log(1 + e) for e in [0, 1], as 2 atanh(e / (2 + e)): minimax in s^2, relative error 1e-10.
static inline F log1p_unit(F e) {
    const F s = e * reciprocal(e + 2.f), w = s * s;
    F p = w * 0.121447788f + 0.107153704f;
    p = p * w + 0.143082984f;
    p = p * w + 0.199994442f;
    p = p * w + 0.333333378f;
    p = p * w + 1.f;
    return s * p * 2.f;
}
static inline G log1p_unit(G e) {
    G r;
    for (int i = 0; i < WIDTH<double>; i++) r[i] = std::log1p(e[i]);
    return r;
}
template <typename T> struct Softplus {
    V<T> value, slope;
};
template <typename T> static inline Softplus<T> softplus(V<T> x) {
    const V<T> zero = {};
    const V<T> e = exponential(x < zero ? x : -x);
    return {(x > zero ? x : zero) + log1p_unit(e), (x < zero ? e : zero + T(1)) * reciprocal(e + T(1))};
}
