// The selective scan of Mamba (Gu and Dao 2023, Algorithm 2), forward and backward, channels last.
//
// A thread takes one sample and a group of channels and goes through it in chunks of CHUNK steps. What needs no state
// (softplus, gates) is done row by row, as memory lies; the recurrence block by block, a block being one vector of W
// channels whose N states stay in registers. The forward pass keeps the state before each chunk only; the backward pass
// recomputes one chunk of one block into a scratch the size of the first-level cache. Each exp(delta A) is so evaluated
// once forward and once backward. Reversal and padding are one list of step numbers per sample.
#include <algorithm>
#include <initializer_list>
#include <vector>

#include "vectors.hpp"

namespace {

#ifndef CHUNK_STEPS
#define CHUNK_STEPS 16
#endif
constexpr int CHUNK = CHUNK_STEPS;

struct Sizes {
    int64_t batch, length, channels, states;
};

// Vectors between two blocks in a Chunk; one more than its steps, so that neighbours fall into different cache sets.
constexpr int STRIDE = CHUNK + 1;

// Tensors of one direction. A (N, D), state and initial (B, N, D).
template <typename T> struct Inputs {
    const T *u, *delta, *A, *B, *C, *D, *bias, *initial;
    int64_t softplus, reverse;
};

// Gradients; A (B, N, D), D and bias (B, D), B and C (groups, B, L, N) are partial sums the caller adds up.
template <typename T> struct Gradients {
    T *u, *delta, *A, *B, *C, *D, *bias, *initial;
};

template <typename T> using Vectors = std::vector<V<T>>;

// One sample and its channels from `first` to `last`, walked a block of W channels at a time.
template <typename T> struct Group {
    Sizes size;
    int64_t b, first, last, blocks;
    Group(const Sizes &s, int64_t b, int64_t g, int64_t groups) : size(s), b(b) {
        const int64_t all = (s.channels + WIDTH<T> - 1) / WIDTH<T>;
        first = all * g / groups * WIDTH<T>;
        last = std::min(all * (g + 1) / groups * WIDTH<T>, s.channels);
        blocks = (last - first + WIDTH<T> - 1) / WIDTH<T>;
    }
    int64_t channel(int64_t i) const { return first + i * WIDTH<T>; }
    int count(int64_t i) const { return std::min<int64_t>(WIDTH<T>, size.channels - channel(i)); }
    int64_t row(int64_t step) const { return (b * size.length + step) * size.channels; }
    int64_t chunks() const { return (size.length + CHUNK - 1) / CHUNK; }
    // where state n of block i lies in a (B, N, D) tensor
    int64_t state(int n, int64_t i) const { return (b * size.states + n) * size.channels + channel(i); }
    // where the states of block i before chunk c lie in the checkpoints (B, chunks, blocks, N, W)
    int64_t checkpoint(int64_t i, int64_t c) const {
        const int64_t all = (size.channels + WIDTH<T> - 1) / WIDTH<T>;
        return (((b * chunks() + c) * all + first / WIDTH<T> + i) * size.states) * WIDTH<T>;
    }
    void clear(T *rows, const std::vector<int64_t> &steps) const {
        for (int64_t t : steps) std::fill(rows + row(t) + first, rows + row(t) + last, T(0));
    }
};

// Asks for one block of every row of a chunk; null pointers are skipped.
template <typename T, bool WRITE>
void prefetch(const Group<T> &group, int64_t i, const int64_t *steps, int size, std::initializer_list<const T *> rows) {
    for (const T *row : rows)
        for (int k = 0; row && k < size; k++)
            __builtin_prefetch(row + group.row(steps[k]) + group.channel(i), WRITE, 2);
}

// Valid steps in scan order, and the invalid ones.
struct Steps {
    std::vector<int64_t> valid, invalid;
    Steps(const uint8_t *mask, int64_t length, bool reverse) {
        valid.reserve(length);
        for (int64_t t = 0; t < length; t++) (!mask || mask[t] ? valid : invalid).push_back(t);
        if (reverse) std::reverse(valid.begin(), valid.end());
    }
};

// What the recurrence of one chunk reads and writes; vector [block][step in the chunk].
template <typename T> struct Chunk {
    Vectors<T> u, dt, y, slope, dy;
    Chunk(int64_t blocks, bool backward)
        : u(blocks * STRIDE), dt(blocks * STRIDE), y(blocks * STRIDE), slope(backward ? blocks * STRIDE : 0),
          dy(backward ? blocks * STRIDE : 0) {}
};

template <typename T>
void read_steps(const Inputs<T> &in, const Group<T> &group, const int64_t *steps, int size, Chunk<T> &chunk, bool slope) {
    for (int k = 0; k < size; k++)
        for (int64_t i = 0; i < group.blocks; i++) {
            const int count = group.count(i);
            const int64_t d = group.channel(i), at = group.row(steps[k]) + d;
            V<T> delta = load(in.delta + at, count);
            if (in.bias) delta += load(in.bias + d, count);
            Softplus<T> step = {delta, broadcast(T(1))};
            if (in.softplus) step = softplus<T>(delta);
            chunk.u[i * STRIDE + k] = load(in.u + at, count);
            chunk.dt[i * STRIDE + k] = step.value;
            if (slope) chunk.slope[i * STRIDE + k] = step.slope;
        }
}

// h_k = exp(dt_k A) h_{k-1} + dt_k u_k B_k and y_k = C_k h_k over one chunk of one block.
template <typename T, int NS>
void forward_block(const Inputs<T> &in, const Group<T> &group, const int64_t *steps, int size, const V<T> *u,
                   const V<T> *dt, const V<T> *A, V<T> *state, V<T> *y) {
    const int N = NS ? NS : group.size.states;
    V<T> fixed[NS ? NS : 1], *const h = NS ? fixed : state;
    if (NS) std::copy(state, state + N, h);
    for (int k = 0; k < size; k++) {
        const int64_t t = group.b * group.size.length + steps[k];
        const T *B = in.B + t * N, *C = in.C + t * N;
        const V<T> step = dt[k], input = step * u[k];
        V<T> sum = {};
#pragma GCC unroll 16
        for (int n = 0; n < N; n++) {
            h[n] = exp2_product(step, A[n]) * h[n] + input * B[n];
            sum += h[n] * C[n];
        }
        y[k] = sum;
    }
    if (NS) std::copy(h, h + N, state);
}

template <typename T>
void write_outputs(const Inputs<T> &in, const Group<T> &group, const int64_t *steps, int size, const Chunk<T> &chunk,
                   const T *z, T *y, T *out, bool add, bool gate) {
    for (int k = 0; k < size; k++)
        for (int64_t i = 0; i < group.blocks; i++) {
            const int count = group.count(i);
            const int64_t d = group.channel(i), at = group.row(steps[k]) + d;
            V<T> sum = chunk.y[i * STRIDE + k];
            if (in.D) sum += load(in.D + d, count) * chunk.u[i * STRIDE + k];
            if (add) sum += load(y + at, count);
            if (!gate || out != y) store(y + at, sum, count);
            if (!gate) continue;
            const V<T> open = load(z + at, count);
            store(out + at, sum * open * sigmoid<T>(open), count);
        }
}

template <typename T> auto forward_for(int64_t states) {
    return states == 16 ? forward_block<T, 16> : states == 8 ? forward_block<T, 8> : forward_block<T, 0>;
}

template <typename T> Vectors<T> scaled_A(const Inputs<T> &in, const Group<T> &group) {
    const int N = group.size.states;
    Vectors<T> A(group.blocks * N);
    for (int64_t i = 0; i < group.blocks; i++)
        for (int n = 0; n < N; n++)
            A[i * N + n] = load(in.A + n * group.size.channels + group.channel(i), group.count(i)) * T(LOG2_E);
    return A;
}

template <typename T>
void forward_group(const Inputs<T> &in, const Group<T> &group, const Steps &steps, const T *z, T *y, T *out, bool add,
                   bool gate, T *last, T *checkpoints) {
    const int N = group.size.states;
    const Vectors<T> A = scaled_A(in, group);
    Vectors<T> state(group.blocks * N);
    Chunk<T> chunk(group.blocks, false);
    const auto run = forward_for<T>(N);
    for (int64_t i = 0; in.initial && i < group.blocks; i++)
        for (int n = 0; n < N; n++) state[i * N + n] = load(in.initial + group.state(n, i), group.count(i));
    for (size_t start = 0; start < steps.valid.size(); start += CHUNK) {
        const int64_t *at = steps.valid.data() + start;
        const int size = std::min<int64_t>(CHUNK, steps.valid.size() - start);
        const int next = std::min<int64_t>(CHUNK, steps.valid.size() - start - size);
        read_steps(in, group, at, size, chunk, false);
        for (int64_t i = 0; i < group.blocks; i++) {
            // memory works on the next chunk while the processor is busy with this one
            prefetch<T, false>(group, i, at + size, next, {in.u, in.delta, gate ? z : nullptr, add ? y : nullptr});
            prefetch<T, true>(group, i, at, size, {out, add || out == y ? nullptr : y});
            for (int n = 0; checkpoints && n < N; n++)
                store(checkpoints + group.checkpoint(i, start / CHUNK) + n * WIDTH<T>, state[i * N + n]);
            run(in, group, at, size, &chunk.u[i * STRIDE], &chunk.dt[i * STRIDE], &A[i * N], &state[i * N],
                &chunk.y[i * STRIDE]);
        }
        write_outputs(in, group, at, size, chunk, z, y, out, add, gate);
    }
    for (int64_t i = 0; i < group.blocks; i++)
        for (int n = 0; n < N; n++) store(last + group.state(n, i), state[i * N + n], group.count(i));
}

template <typename T>
void forward(const Inputs<T> *in, int directions, const T *z, const uint8_t *mask, const Sizes &s, T *y, T *out,
             T **state, T **checkpoints, int64_t groups, int threads) {
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t g = 0; g < groups; g++) {
            const Group<T> group(s, b, g, groups);
            for (int k = 0; k < directions; k++) {
                const Steps steps(mask ? mask + b * s.length : nullptr, s.length, in[k].reverse);
                const bool gate = z && k == directions - 1;
                forward_group(in[k], group, steps, z, y, out, k > 0, gate, state[k], checkpoints[k]);
                if (k == 0) group.clear(y, steps.invalid);
                if (k == 0) group.clear(out, steps.invalid);
            }
        }
}

// Sums over channels. Adding whole vectors, one for each state, moves more memory than the recurrence itself; with
// AVX-512 four states' vectors are folded into one, four lanes each, on units the recurrence leaves idle.
#ifdef __AVX512F__
template <typename T, int NS> constexpr int FOLD = sizeof(T) == 4 && NS > 0 && NS % 4 == 0 ? 4 : 1;
template <int BY> F folded(const F *v) {
    if constexpr (BY == 1) return v[0];
    const F ab = _mm512_add_ps(_mm512_shuffle_f32x4(v[0], v[1], 0x44), _mm512_shuffle_f32x4(v[0], v[1], 0xEE));
    const F cd = _mm512_add_ps(_mm512_shuffle_f32x4(v[2], v[3], 0x44), _mm512_shuffle_f32x4(v[2], v[3], 0xEE));
    return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
}
#else
template <typename T, int NS> constexpr int FOLD = 1;
template <int BY> F folded(const F *v) { return v[0]; }
#endif
template <int BY> G folded(const G *v) { return v[0]; }

// What the backward pass keeps: per step and state of the chunk, and per block and state.
template <typename T> struct Scratch {
    Vectors<T> decay, state, grad_B, grad_C, A, carry, grad_A, grad_D, grad_bias;
    Scratch(int N, int64_t blocks)
        : decay(CHUNK * N), state((CHUNK + 1) * N), grad_B(CHUNK * N), grad_C(CHUNK * N), carry(blocks * N),
          grad_A(blocks * N), grad_D(blocks), grad_bias(blocks) {}
};

// dy, gated; in the first direction also z's gradient.
template <typename T>
void read_gradients(const Group<T> &group, const int64_t *steps, int size, const T *grad_out, const T *z, const T *y,
                    T *grad_z, Chunk<T> &chunk, Vectors<T> &grad_D) {
    for (int k = 0; k < size; k++)
        for (int64_t i = 0; i < group.blocks; i++) {
            const int count = group.count(i);
            const int64_t at = group.row(steps[k]) + group.channel(i);
            V<T> dy = load(grad_out + at, count);
            if (z) {
                const V<T> gate = load(z + at, count), open = sigmoid<T>(gate);
                if (grad_z) store(grad_z + at, dy * load(y + at, count) * open * (T(1) + gate * (T(1) - open)), count);
                dy *= gate * open;
            }
            chunk.dy[i * STRIDE + k] = dy;
            grad_D[i] += dy * chunk.u[i * STRIDE + k];
        }
}

// Recomputes one chunk of one block, then walks it backward. chunk.u and chunk.dt become their gradients (without D).
template <typename T, int NS>
void backward_block(const Inputs<T> &in, const Group<T> &group, const int64_t *steps, int size, V<T> *u, V<T> *dt,
                    const V<T> *dy, const V<T> *A, Scratch<T> &keep, V<T> *carry, V<T> *grad_A) {
    const int N = NS ? NS : group.size.states;
    const int64_t t = group.b * group.size.length;
    V<T> *const decay = keep.decay.data(), *const state = keep.state.data();
    V<T> *const grad_B = keep.grad_B.data(), *const grad_C = keep.grad_C.data();
    constexpr int BY = FOLD<T, NS>;
    V<T> fixed[NS ? NS : 1], folding[BY];
    if (NS) std::copy(state, state + N, fixed);
    for (int k = 0; k < size; k++) {
        const T *B = in.B + (t + steps[k]) * N;
        const V<T> step = dt[k], input = step * u[k], gradient_y = dy[k];
        const V<T> *const before = NS ? fixed : state + k * N;
#pragma GCC unroll 16
        for (int n = 0; n < N; n++) {
            const V<T> a = exp2_product(step, A[n]), h = a * before[n] + input * B[n];
            decay[k * N + n] = a;
            state[(k + 1) * N + n] = h;
            if (NS) fixed[n] = h;
            folding[n % BY] = gradient_y * h;
            if (n % BY == BY - 1) grad_C[(k * N + n) / BY] += folded<BY>(folding);
        }
    }
    V<T> *const g = NS ? fixed : carry;
    if (NS) std::copy(carry, carry + N, g);
    for (int k = size - 1; k >= 0; k--) {
        const T *B = in.B + (t + steps[k]) * N, *C = in.C + (t + steps[k]) * N;
        const V<T> gradient_y = dy[k], step = dt[k], input = step * u[k];
        V<T> to_input = {}, to_exponent = {};
#pragma GCC unroll 16
        for (int n = 0; n < N; n++) {
            const V<T> gradient = g[n] + gradient_y * C[n];
            folding[n % BY] = gradient * input;
            if (n % BY == BY - 1) grad_B[(k * N + n) / BY] += folded<BY>(folding);
            to_input += gradient * B[n];
            g[n] = gradient * decay[k * N + n];
            const V<T> exponent = g[n] * state[k * N + n];
            to_exponent += exponent * A[n];
            grad_A[n] += exponent * step;
        }
        dt[k] = to_exponent * T(LN_2) + u[k] * to_input;
        u[k] = step * to_input;
    }
    if (NS) std::copy(g, g + N, carry);
}

template <typename T>
void write_gradients(const Inputs<T> &in, const Gradients<T> &grad, const Group<T> &group, const int64_t *steps,
                     int size, const Chunk<T> &chunk, Vectors<T> &grad_bias) {
    for (int k = 0; k < size; k++)
        for (int64_t i = 0; i < group.blocks; i++) {
            const int count = group.count(i);
            const int64_t d = group.channel(i), at = group.row(steps[k]) + d;
            V<T> du = chunk.u[i * STRIDE + k];
            if (in.D) du += load(in.D + d, count) * chunk.dy[i * STRIDE + k];
            const V<T> ddelta = chunk.dt[i * STRIDE + k] * chunk.slope[i * STRIDE + k];
            grad_bias[i] += ddelta;
            store(grad.u + at, du, count);
            store(grad.delta + at, ddelta, count);
        }
}

template <typename T>
void write_sums(const Gradients<T> &grad, const Group<T> &group, const Scratch<T> &keep) {
    const int N = group.size.states;
    for (int64_t i = 0; i < group.blocks; i++) {
        const int count = group.count(i);
        for (int n = 0; n < N; n++) {
            store(grad.A + group.state(n, i), keep.grad_A[i * N + n], count);
            store(grad.initial + group.state(n, i), keep.carry[i * N + n], count);
        }
        store(grad.D + group.b * group.size.channels + group.channel(i), keep.grad_D[i], count);
        store(grad.bias + group.b * group.size.channels + group.channel(i), keep.grad_bias[i], count);
    }
}

template <typename T> auto backward_for(int64_t states) {
    return states == 16 ? backward_block<T, 16> : states == 8 ? backward_block<T, 8> : backward_block<T, 0>;
}

// The sum over the lanes of entry `i` where `by` entries share a vector.
template <typename T> T share(const V<T> *vectors, int i, int by) {
    if (by == 1) return lane_sum(vectors[i]);
    T sum = 0;
    for (int lane = 0; lane < WIDTH<T> / by; lane++) sum += vectors[i / by][i % by * (WIDTH<T> / by) + lane];
    return sum;
}

// grad.B and grad.C are this group's own (B, L, N).
template <typename T>
void backward_group(const Inputs<T> &in, const Gradients<T> &grad, const Group<T> &group, const Steps &steps, const T *z,
                    const T *y, const T *grad_out, const T *grad_state, const T *checkpoints, T *grad_z) {
    const int N = group.size.states;
    const Vectors<T> A = scaled_A(in, group);
    Scratch<T> keep(N, group.blocks);
    Chunk<T> chunk(group.blocks, true);
    const auto run = backward_for<T>(N);
    const int by = N == 16 ? FOLD<T, 16> : N == 8 ? FOLD<T, 8> : 1;
    for (int64_t i = 0; grad_state && i < group.blocks; i++)
        for (int n = 0; n < N; n++) keep.carry[i * N + n] = load(grad_state + group.state(n, i), group.count(i));
    for (int64_t c = (int64_t(steps.valid.size()) + CHUNK - 1) / CHUNK - 1; c >= 0; c--) {
        const int64_t *at = steps.valid.data() + c * CHUNK;
        const int size = std::min<int64_t>(CHUNK, steps.valid.size() - c * CHUNK);
        std::fill(keep.grad_B.begin(), keep.grad_B.end(), V<T>{});
        std::fill(keep.grad_C.begin(), keep.grad_C.end(), V<T>{});
        read_steps(in, group, at, size, chunk, true);
        read_gradients(group, at, size, grad_out, z, y, grad_z, chunk, keep.grad_D);
        for (int64_t i = 0; i < group.blocks; i++) {
            if (c > 0) {
                prefetch<T, false>(group, i, at - CHUNK, CHUNK, {in.u, in.delta, grad_out, z, grad_z ? y : nullptr});
                for (int n = 0; n < N; n++)
                    __builtin_prefetch(checkpoints + group.checkpoint(i, c - 1) + n * WIDTH<T>, 0, 2);
            }
            prefetch<T, true>(group, i, at, size, {grad.u, grad.delta});
            for (int n = 0; n < N; n++) keep.state[n] = load(checkpoints + group.checkpoint(i, c) + n * WIDTH<T>);
            run(in, group, at, size, &chunk.u[i * STRIDE], &chunk.dt[i * STRIDE], &chunk.dy[i * STRIDE], &A[i * N], keep,
                &keep.carry[i * N], &keep.grad_A[i * N]);
        }
        write_gradients(in, grad, group, at, size, chunk, keep.grad_bias);
        for (int k = 0; k < size; k++)
            for (int n = 0; n < N; n++) {
                const int64_t to = (group.b * group.size.length + at[k]) * N + n;
                grad.B[to] = share<T>(keep.grad_B.data(), k * N + n, by);
                grad.C[to] = share<T>(keep.grad_C.data(), k * N + n, by);
            }
    }
    write_sums(grad, group, keep);
}

template <typename T>
void backward(const Inputs<T> *in, const Gradients<T> *grad, int directions, const T *z, const uint8_t *mask,
              const Sizes &s, const T *y, const T *grad_out, const T *const *grad_state, const T *const *checkpoints,
              T *grad_z, int64_t groups, int threads) {
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t g = 0; g < groups; g++) {
            const Group<T> group(s, b, g, groups);
            for (int k = 0; k < directions; k++) {
                const Steps steps(mask ? mask + b * s.length : nullptr, s.length, in[k].reverse);
                Gradients<T> own = grad[k];
                own.B += g * s.batch * s.length * s.states;
                own.C += g * s.batch * s.length * s.states;
                T *const to_z = k == 0 ? grad_z : nullptr;
                backward_group(in[k], own, group, steps, z, y, grad_out, grad_state[k], checkpoints[k], to_z);
                group.clear(own.u, steps.invalid);
                group.clear(own.delta, steps.invalid);
                if (to_z) group.clear(to_z, steps.invalid);
                for (int64_t t : steps.invalid) {
                    const int64_t row = (b * s.length + t) * s.states;
                    std::fill(own.B + row, own.B + row + s.states, T(0));
                    std::fill(own.C + row, own.C + row + s.states, T(0));
                }
            }
        }
}

}  // namespace

extern "C" {

// The bare exponentials of one pass over delta (rows, D) with A (N, D), summed so that none can be left out: what a
// scan must cost at least.
float scan_exponentials_float(const float *delta, const float *A, int64_t rows, int64_t channels, int64_t states,
                              int64_t threads) {
    constexpr int W = WIDTH<float>;
    float total = 0;
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : total)
    for (int64_t d = 0; d < channels / W * W; d += W) {
        F sums[4] = {};
        F slope[16];
        for (int n = 0; n < 16; n++) slope[n] = load(A + (n % states) * channels + d);
        for (int64_t row = 0; row < rows; row++) {
            const F dt = load(delta + row * channels + d);
#pragma GCC unroll 16
            for (int n = 0; n < 16; n++) sums[n % 4] += exp2_product(dt, slope[n]);
        }
        total += lane_sum(sums[0] + sums[1] + sums[2] + sums[3]);
    }
    return total;
}

int64_t scan_chunk() { return CHUNK; }

#define SCAN(NAME, T)                                                                                                  \
    void scan_forward_##NAME(const Inputs<T> *in, int64_t directions, const T *z, const uint8_t *mask,                 \
                             const Sizes *sizes, T *y, T *out, T **state, T **checkpoints, int64_t groups,             \
                             int64_t threads) {                                                                        \
        forward<T>(in, directions, z, mask, *sizes, y, out, state, checkpoints, groups, threads);                      \
    }                                                                                                                  \
    void scan_backward_##NAME(const Inputs<T> *in, const Gradients<T> *grad, int64_t directions, const T *z,           \
                              const uint8_t *mask, const Sizes *sizes, const T *y, const T *grad_out,                  \
                              const T *const *grad_state, const T *const *checkpoints, T *grad_z, int64_t groups,      \
                              int64_t threads) {                                                                       \
        backward<T>(in, grad, directions, z, mask, *sizes, y, grad_out, grad_state, checkpoints, grad_z, groups,       \
                    threads);                                                                                          \
    }

SCAN(float, float)
SCAN(double, double)
}
