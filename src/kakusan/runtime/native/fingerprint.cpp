// Tells the loader which sources this library is made of; the build defines the number.

#include "vector.hpp"

KAKUSAN_EXPORT uint64_t kakusan_fingerprint() { return KAKUSAN_FINGERPRINT; }
