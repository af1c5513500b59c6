// LIF over T steps in one pass over memory forward and one backward; plain C interface, see fused_cpu.py.
//
// A block of neurons stays in the first-level cache while all T steps run over it. Nothing is kept for the backward
// but the inputs: it runs the recurrence again block by block, holding the potentials U of one block only.
//
// Forward (the order of operations is the reference's, snnvtg/neurons/lif.py; compile with -ffp-contract=off):
//   U = H + X;  S = [U >= th];  hard: H = r S + (b U)(1 - S);  soft: H = b (U - th S)
// Backward, with g(.) the gradient of the loss, s' the surrogate derivative at U - th, c the path through the reset
// spike (hard: r - b U, soft: -b th), which counts unless the reset is detached:
//   p = g(S) + [not detached] g(H) c
//   g(U) = p s' + g(H) (hard: b (1 - S), soft: b) + what reaches U itself as an output;   g(X) = g(H[t-1]) = g(U)
//   g(b) += g(H) (hard: U (1 - S), soft: U - th S);  g(th) -= p s' + (soft: g(H) b S)
// With `truncate` k, g(H[t-1]) is cut to 0 where t is a multiple of k, except at t = 0.
// Parameter gradients are left per neuron, summed over T; the caller sums them over neurons. `channels` is the number
// of values a parameter has that has more than one: neuron i reads value i modulo channels.

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

struct Problem {
    int64_t steps, neurons, channels, truncate;
    const void *current, *state, *beta, *threshold, *scale, *shift;  // state, scale, shift may be null
    void *out, *state_out, *potential;                               // potential may be null: not wanted
    const void *grad_out, *grad_state_out, *grad_potential;          // the last two may be null: zeros
    void *grad_current, *grad_state, *grad_beta, *grad_threshold, *grad_scale, *grad_shift;  // null: not wanted
    double reset_to, alpha;
    int32_t dtype, repeat, mean, soft, detach, surrogate, beta_per_channel, threshold_per_channel, stream, threads;
};

namespace {

struct bf16 { uint16_t bits; };
struct half { _Float16 value; };

inline float widen(float x) { return x; }
inline double widen(double x) { return x; }
inline float widen(half x) { return static_cast<float>(x.value); }
inline float widen(bf16 x) {
    uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline void narrow(float x, float &to) { to = x; }
inline void narrow(double x, double &to) { to = x; }
inline void narrow(float x, half &to) { to.value = static_cast<_Float16>(x); }
inline void narrow(float x, bf16 &to) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;  // nearest, ties to even
    to.bits = static_cast<uint16_t>(x != x ? 0x7fc0 : rounded);
}

// exp without a library call, so that loops vectorise: 2^k times a polynomial on [-ln2/2, ln2/2], 1e-7 relative
inline float exponential(float x) {
    x = std::min(std::max(x, -87.0f), 88.0f);
    float k = std::nearbyint(x * 1.44269504f);
    float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
    float p = 1.98412698e-4f;
    for (float c : {1.38888889e-3f, 8.33333333e-3f, 4.16666667e-2f, 1.66666667e-1f, 0.5f, 1.0f, 1.0f}) p = p * r + c;
    int32_t bits = (static_cast<int32_t>(k) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}
inline double exponential(double x) { return std::exp(x); }

template <int kind, class F>
inline F surrogate(F x, F a) {
    const F pi = F(3.14159265358979323846), one = F(1), size = std::fabs(x);
    if constexpr (kind == 0) { F z = (pi / 2 * a) * x; return (a / 2) / (one + z * z); }
    if constexpr (kind == 1) { F e = exponential(-a * size), d = one + e; return a * e / (d * d); }
    if constexpr (kind == 2) { F y = a - a * a * size; return y < 0 ? F(0) : y; }
    if constexpr (kind == 3) return a / 2 * exponential(-a * size);
    if constexpr (kind == 4) { F z = one + a * size; return a / 2 / (z * z); }
    if constexpr (kind == 5) { F z = one + size; return a / (z * z); }
    if constexpr (kind == 6) { F z = a * x; return a / std::sqrt(pi) * exponential(-z * z); }
    if constexpr (kind == 7) { F z = one + a * size; return one / (z * z); }
    if constexpr (kind == 8) return size < F(0.5) / a ? a : (x != x ? x : F(0));
    return x != x ? x : one;
}

template <class F>
inline F spike(F u, F th) {
    F s = u >= th ? F(1) : F(0);
    return u == u ? s : u;
}

// One neuron parameter over a block: a number, or a run of per-channel values copied once.
template <class F>
struct Values {
    std::vector<F> run;
    const F *at;
    bool per_channel;
    Values(const void *from, bool per_channel, int64_t block) : at(static_cast<const F *>(from)), per_channel(per_channel) {
        if (from) run.assign(block, per_channel ? F(0) : *at);
    }
    const F *over(int64_t start, int64_t count, int64_t channels) {
        if (per_channel) {
            for (int64_t i = 0, c = start % channels; i < count; c = 0) {
                const int64_t length = std::min(channels - c, count - i);
                std::copy_n(at + c, length, run.data() + i);
                i += length;
            }
        }
        return run.data();
    }
};

template <class F, bool soft>
inline F next_state(F u, F s, F b, F th, F r) {
    if constexpr (soft) return b * (u - th * s);
    return r * s + (b * u) * (F(1) - s);
}

template <class F, bool soft, bool trace>
void advance(int64_t n, const F *__restrict x, const F *__restrict b, const F *__restrict th, F r, F *__restrict h,
             F *__restrict s, F *__restrict u_out) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
        F u = h[i] + x[i], fired = spike(u, th[i]);
        h[i] = next_state<F, soft>(u, fired, b[i], th[i], r);
        s[i] = fired;
        if constexpr (trace) u_out[i] = u;
    }
}

template <class F>
using Advance = void (*)(int64_t, const F *, const F *, const F *, F, F *, F *, F *);

template <class F, bool soft>
void retrace(int64_t n, const F *__restrict x, const F *__restrict b, const F *__restrict th, F r, F *__restrict h,
             F *__restrict u_out) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
        F u = h[i] + x[i];
        h[i] = next_state<F, soft>(u, spike(u, th[i]), b[i], th[i], r);
        u_out[i] = u;
    }
}

// One step backward over a block; gh holds g(H[t]) and becomes g(U[t]) = g(H[t-1]).
template <class F, bool soft, bool detach, bool learn, int kind>
void retreat(int64_t n, const F *__restrict u_in, const F *__restrict gs, const F *__restrict b,
             const F *__restrict th, F r, F a, F *__restrict gh, F *__restrict gb, F *__restrict gth) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
        F u = u_in[i], g = gh[i], s = spike(u, th[i]);
        F p = gs[i];
        if constexpr (!detach) p += g * (soft ? -b[i] * th[i] : r - b[i] * u);
        F through = p * surrogate<kind, F>(u - th[i], a);
        if constexpr (learn) {
            gb[i] += g * (soft ? u - th[i] * s : u * (F(1) - s));
            gth[i] -= through + (soft ? g * b[i] * s : F(0));
        }
        gh[i] = through + g * (soft ? b[i] : b[i] * (F(1) - s));
    }
}

template <class F>
using Retreat = void (*)(int64_t, const F *, const F *, const F *, const F *, F, F, F *, F *, F *);

template <class F, bool soft, bool detach, bool learn>
Retreat<F> pick_surrogate(int kind) {
    constexpr Retreat<F> table[] = {
        retreat<F, soft, detach, learn, 0>, retreat<F, soft, detach, learn, 1>, retreat<F, soft, detach, learn, 2>,
        retreat<F, soft, detach, learn, 3>, retreat<F, soft, detach, learn, 4>, retreat<F, soft, detach, learn, 5>,
        retreat<F, soft, detach, learn, 6>, retreat<F, soft, detach, learn, 7>, retreat<F, soft, detach, learn, 8>,
        retreat<F, soft, detach, learn, 9>};
    return table[kind];
}

template <class F>
Retreat<F> pick(const Problem &p, bool learn) {
    int kind = p.surrogate;
    if (p.soft && p.detach) return learn ? pick_surrogate<F, true, true, true>(kind) : pick_surrogate<F, true, true, false>(kind);
    if (p.soft) return learn ? pick_surrogate<F, true, false, true>(kind) : pick_surrogate<F, true, false, false>(kind);
    if (p.detach) return learn ? pick_surrogate<F, false, true, true>(kind) : pick_surrogate<F, false, true, false>(kind);
    return learn ? pick_surrogate<F, false, false, true>(kind) : pick_surrogate<F, false, false, false>(kind);
}

// The current of one step over a block in the state's type: the input itself, or a converted copy in `room`.
template <class F, class X>
const F *feed(const Problem &p, const X *from, int64_t n, const F *scale, const F *shift, F *__restrict room) {
    if constexpr (std::is_same_v<F, X>)
        if (!p.scale) return from;
    if (p.scale) {
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) room[i] = widen(from[i]) * scale[i] + shift[i];
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) room[i] = widen(from[i]);
    }
    return room;
}

template <class F, class X>
void deliver(int64_t n, const F *__restrict from, X *__restrict to) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) narrow(from[i], to[i]);
}

// Copy past the caches, for results too large to be found there later: a plain store reads the line it overwrites.
template <class X>
void stream(int64_t n, const X *from, X *to) {
#if defined(__AVX512F__) || defined(__AVX2__)
#if defined(__AVX512F__)
    constexpr int64_t width = 64 / sizeof(X);
#else
    constexpr int64_t width = 32 / sizeof(X);
#endif
    while (n && reinterpret_cast<uintptr_t>(to) % (width * sizeof(X))) { *to++ = *from++; --n; }
    for (; n >= width; n -= width, from += width, to += width)
#if defined(__AVX512F__)
        _mm512_stream_si512(reinterpret_cast<__m512i *>(to), _mm512_loadu_si512(from));
#else
        _mm256_stream_si256(reinterpret_cast<__m256i *>(to), _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)));
#endif
#endif
    std::copy_n(from, n, to);
}

// Ask for the next step's row while this one is worked on: rows lie far apart, so the processor cannot guess it.
template <class X>
inline void expect(const X *row, int64_t n) {
    const char *from = reinterpret_cast<const char *>(row);
    for (int64_t at = 0; at < int64_t(n * sizeof(X)); at += 64) __builtin_prefetch(from + at, 0, 2);
}

template <class F>
void load_or_zero(const void *from, int64_t start, int64_t n, F *to) {
    if (from) std::copy_n(static_cast<const F *>(from) + start, n, to);
    else std::fill_n(to, n, F(0));
}

template <class F>
void store(void *to, int64_t start, int64_t n, const F *from) {
    if (to) std::copy_n(from, n, static_cast<F *>(to) + start);
}

constexpr int64_t BLOCK = 512;  // neurons; with it all rows of a step stay in the first-level cache

template <class F, class X>
void forward(const Problem &p) {
    const int64_t block = std::min(BLOCK, p.neurons);
    const X *current = static_cast<const X *>(p.current);
    X *out = static_cast<X *>(p.out);
    F *potential = static_cast<F *>(p.potential);
    const F r = F(p.reset_to), steps = F(p.steps);
    const Advance<F> advance_by = p.soft ? (potential ? advance<F, true, true> : advance<F, true, false>)
                                         : (potential ? advance<F, false, true> : advance<F, false, false>);
#pragma omp parallel num_threads(p.threads)
    {
        Values<F> beta(p.beta, p.beta_per_channel, block), threshold(p.threshold, p.threshold_per_channel, block);
        Values<F> scale(p.scale, true, block), shift(p.shift, true, block);
        std::vector<F> h(block), room(block), spikes(block), total(block);
#pragma omp for schedule(static)
        for (int64_t start = 0; start < p.neurons; start += block) {
            const int64_t n = std::min(block, p.neurons - start);
            const F *b = beta.over(start, n, p.channels), *th = threshold.over(start, n, p.channels);
            const F *sc = p.scale ? scale.over(start, n, p.channels) : nullptr;
            const F *sh = p.shift ? shift.over(start, n, p.channels) : nullptr;
            load_or_zero(p.state, start, n, h.data());
            if (p.mean) std::fill_n(total.data(), n, F(0));
            const F *x = nullptr;
            for (int64_t t = 0; t < p.steps; ++t) {
                if (!p.repeat || t == 0)
                    x = feed<F, X>(p, current + (p.repeat ? 0 : t * p.neurons) + start, n, sc, sh, room.data());
                if (!p.repeat && t + 1 < p.steps) expect(current + (t + 1) * p.neurons + start, n);
                F *s = spikes.data();
                if constexpr (std::is_same_v<F, X>)
                    if (!p.mean && !p.stream) s = out + t * p.neurons + start;
                advance_by(n, x, b, th, r, h.data(), s, potential ? potential + t * p.neurons + start : nullptr);
                if (p.mean) {
                    for (int64_t i = 0; i < n; ++i) total[i] += s[i];
                } else if constexpr (!std::is_same_v<F, X>) {
                    deliver(n, s, out + t * p.neurons + start);
                } else if (p.stream) {
                    stream(n, s, out + t * p.neurons + start);
                }
            }
            if (p.mean) {
                for (int64_t i = 0; i < n; ++i) total[i] /= steps;
                deliver(n, total.data(), out + start);
            }
            std::copy_n(h.data(), n, static_cast<F *>(p.state_out) + start);
        }
    }
}

template <class F, class X>
void backward(const Problem &p) {
    // potentials of one block for all steps stay in the second-level cache
    const int64_t fits = std::max<int64_t>(64, int64_t(192 * 1024 / sizeof(F)) / p.steps / 64 * 64);
    const int64_t block = std::min({BLOCK, fits, p.neurons});
    const X *current = static_cast<const X *>(p.current), *grad_out = static_cast<const X *>(p.grad_out);
    const F *grad_potential = static_cast<const F *>(p.grad_potential);
    X *grad_current = static_cast<X *>(p.grad_current);
    const F r = F(p.reset_to), a = F(p.alpha), steps = F(p.steps);
    const bool affine = p.scale != nullptr, learn = p.grad_beta || p.grad_threshold;
    const Retreat<F> retreat_by = pick<F>(p, learn);
#pragma omp parallel num_threads(p.threads)
    {
        Values<F> beta(p.beta, p.beta_per_channel, block), threshold(p.threshold, p.threshold_per_channel, block);
        Values<F> scale(p.scale, true, block), shift(p.shift, true, block);
        std::vector<F> h(block), room(block), gs(block), gx(block), gb(block), gth(block), gsc(block), gsh(block);
        std::vector<F> potentials(block * p.steps);
#pragma omp for schedule(static)
        for (int64_t start = 0; start < p.neurons; start += block) {
            const int64_t n = std::min(block, p.neurons - start);
            const F *b = beta.over(start, n, p.channels), *th = threshold.over(start, n, p.channels);
            const F *sc = affine ? scale.over(start, n, p.channels) : nullptr;
            const F *sh = affine ? shift.over(start, n, p.channels) : nullptr;
            load_or_zero(p.state, start, n, h.data());
            const F *x = nullptr;
            for (int64_t t = 0; t < p.steps; ++t) {
                if (!p.repeat || t == 0)
                    x = feed<F, X>(p, current + (p.repeat ? 0 : t * p.neurons) + start, n, sc, sh, room.data());
                if (!p.repeat && t + 1 < p.steps) expect(current + (t + 1) * p.neurons + start, n);
                else if (!p.mean) expect(grad_out + (p.steps - 1) * p.neurons + start, n);
                F *u = potentials.data() + t * block;
                if (p.soft) retrace<F, true>(n, x, b, th, r, h.data(), u);
                else retrace<F, false>(n, x, b, th, r, h.data(), u);
            }
            F *gh = h.data();
            load_or_zero(p.grad_state_out, start, n, gh);
            for (auto *sum : {&gx, &gb, &gth, &gsc, &gsh}) std::fill_n(sum->data(), n, F(0));
            if (p.mean)
                for (int64_t i = 0; i < n; ++i) gs[i] = F(widen(grad_out[start + i])) / steps;
            for (int64_t t = p.steps - 1; t >= 0; --t) {
                const F *g = gs.data();
                if (!p.mean) {
                    const X *from = grad_out + t * p.neurons + start;
                    if (t) expect(from - p.neurons, n);
                    if constexpr (std::is_same_v<F, X>) g = from;
                    else
                        for (int64_t i = 0; i < n; ++i) gs[i] = widen(from[i]);
                }
                retreat_by(n, potentials.data() + t * block, g, b, th, r, a, gh, gb.data(), gth.data());
                if (grad_potential) {
                    const F *gu = grad_potential + t * p.neurons + start;
                    for (int64_t i = 0; i < n; ++i) gh[i] += gu[i];
                }
                if (affine) {
                    const X *raw = current + (p.repeat ? 0 : t * p.neurons) + start;
#pragma omp simd
                    for (int64_t i = 0; i < n; ++i) {
                        gsc[i] += gh[i] * widen(raw[i]);
                        gsh[i] += gh[i];
                    }
                }
                if (p.repeat) {
                    for (int64_t i = 0; i < n; ++i) gx[i] += gh[i];
                } else if (grad_current) {
                    X *to = grad_current + t * p.neurons + start;
                    if (affine)
                        for (int64_t i = 0; i < n; ++i) narrow(gh[i] * sc[i], to[i]);
                    else if constexpr (std::is_same_v<F, X>) {
                        if (p.stream) stream(n, gh, to);
                        else std::copy_n(gh, n, to);
                    } else deliver(n, gh, to);
                }
                if (p.truncate && t && t % p.truncate == 0) std::fill_n(gh, n, F(0));
            }
            if (p.repeat && grad_current) {
                if (affine)
                    for (int64_t i = 0; i < n; ++i) gx[i] *= sc[i];
                deliver(n, gx.data(), grad_current + start);
            }
            store(p.grad_state, start, n, gh);
            store(p.grad_beta, start, n, gb.data());
            store(p.grad_threshold, start, n, gth.data());
            store(p.grad_scale, start, n, gsc.data());
            store(p.grad_shift, start, n, gsh.data());
        }
    }
}

}  // namespace

extern "C" void snnvtg_lif_forward(const Problem *p) {
    if (p->dtype == 0) forward<float, float>(*p);
    if (p->dtype == 1) forward<double, double>(*p);
    if (p->dtype == 2) forward<float, bf16>(*p);
    if (p->dtype == 3) forward<float, half>(*p);
}

extern "C" void snnvtg_lif_backward(const Problem *p) {
    if (p->dtype == 0) backward<float, float>(*p);
    if (p->dtype == 1) backward<double, double>(*p);
    if (p->dtype == 2) backward<float, bf16>(*p);
    if (p->dtype == 3) backward<float, half>(*p);
}
