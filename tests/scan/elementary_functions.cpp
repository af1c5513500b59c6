// The elementary functions of vectors.hpp on whole arrays, for test_vectors.py.
#include "vectors.hpp"

#define OVER(NAME, EXPRESSION)                                                                                         \
    extern "C" void NAME(const float *from, const float *other, float *to, int64_t size) {                             \
        for (int64_t i = 0; i < size; i += WIDTH<float>) {                                                             \
            const F x = load(from + i), y = load(other + i);                                                           \
            (void)y;                                                                                                   \
            store(to + i, EXPRESSION);                                                                                 \
        }                                                                                                              \
    }

OVER(product, exp2_product(x, y))
OVER(decay, exp2_bounded(bounded<float>(x), bounded<float>(y)))
OVER(natural, exponential(x))
OVER(gate, sigmoid<float>(x))
OVER(step, softplus<float>(x).value)
OVER(slope, softplus<float>(x).slope)
