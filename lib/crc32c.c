/* SPDX-License-Identifier: MIT */
/*
 * CRC32C. With the processor's instruction three stretches of a message are
 * summed side by side, because one sum alone waits three cycles for each step;
 * then they are joined: the sum of what lies before n bytes goes on as if these
 * were zeros, which is a linear function of 32 bits and so four looks into a
 * table. Without the instruction, eight bytes a step by tables.
 *
 * There are libraries for this. A message of a hundred bytes is summed here in
 * the time of their call through a dispatcher, and the rest is this page.
 */
#include "config.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define HARDWARE __attribute__((target("sse4.2")))
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define HARDWARE __attribute__((target("+crc")))
#endif

#include "crc32c.h"

#define POLYNOMIAL 0x82f63b78u /* reflected */
#define STRETCH ((size_t)256)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool hardware;
static uint32_t bytes[8][256];   /* a byte, with 0 to 7 zeros behind it */
static uint32_t stretch[4][256]; /* likewise STRETCH zeros, byte by byte */

static uint64_t load64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static bool has_hardware(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	return __builtin_cpu_supports("sse4.2");
#elif defined(__aarch64__)
	return getauxval(AT_HWCAP) & (1 << 7); /* HWCAP_CRC32 */
#else
	return false;
#endif
}

static void set_up(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		bytes[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			bytes[k][i] = bytes[0][bytes[k - 1][i] & 255] ^
				      bytes[k - 1][i] >> 8;
	for (int k = 0; k < 4; k++) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t crc = i << 8 * k;

			for (size_t n = 0; n < STRETCH; n++)
				crc = bytes[0][crc & 255] ^ crc >> 8;
			stretch[k][i] = crc;
		}
	}
	hardware = has_hardware();
}

void shmqi_crc32c_init(void)
{
	pthread_once(&once, set_up);
}

void shmqi_crc32c_choose(bool want)
{
	shmqi_crc32c_init();
	hardware = want && has_hardware();
}

static uint32_t by_tables(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8) {
		uint64_t word = load64(p) ^ crc;

		crc = 0;
		for (int k = 0; k < 8; k++)
			crc ^= bytes[7 - k][word >> 8 * k & 255];
	}
	while (n--)
		crc = bytes[0][(crc ^ *p++) & 255] ^ crc >> 8;
	return crc;
}

static uint32_t behind_by_tables(const uint64_t words[3], const void *data,
				 size_t n)
{
	uint32_t crc = by_tables(~0u, (const uint8_t *)words,
				 3 * sizeof(words[0]));

	return ~by_tables(crc, data, n);
}

#ifdef HARDWARE

static uint32_t load32(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

HARDWARE static inline uint32_t step8(uint32_t crc, uint64_t word)
{
#if defined(__x86_64__)
	return (uint32_t)_mm_crc32_u64(crc, word);
#else
	return __crc32cd(crc, word);
#endif
}

HARDWARE static inline uint32_t step4(uint32_t crc, uint32_t word)
{
#if defined(__x86_64__)
	return _mm_crc32_u32(crc, word);
#else
	return __crc32cw(crc, word);
#endif
}

HARDWARE static inline uint32_t step1(uint32_t crc, uint8_t byte)
{
#if defined(__x86_64__)
	return _mm_crc32_u8(crc, byte);
#else
	return __crc32cb(crc, byte);
#endif
}

/* As if STRETCH zeros came behind it. */
static inline uint32_t pass_stretch(uint32_t crc)
{
	return stretch[0][crc & 255] ^ stretch[1][crc >> 8 & 255] ^
	       stretch[2][crc >> 16 & 255] ^ stretch[3][crc >> 24];
}

HARDWARE static inline uint32_t by_hardware(uint32_t crc, const uint8_t *p,
					    size_t n)
{
	for (; n >= 3 * STRETCH; p += 3 * STRETCH, n -= 3 * STRETCH) {
		uint32_t second = 0, third = 0;

		for (size_t i = 0; i < STRETCH; i += 8) {
			crc = step8(crc, load64(p + i));
			second = step8(second, load64(p + STRETCH + i));
			third = step8(third, load64(p + 2 * STRETCH + i));
		}
		crc = pass_stretch(crc) ^ second;
		crc = pass_stretch(crc) ^ third;
	}
	for (; n >= 8; p += 8, n -= 8)
		crc = step8(crc, load64(p));
	if (n & 4) {
		crc = step4(crc, load32(p));
		p += 4;
	}
	for (n &= 3; n; n--)
		crc = step1(crc, *p++);
	return crc;
}

HARDWARE static uint32_t from(uint32_t crc, const void *data, size_t n)
{
	return ~by_hardware(~crc, data, n);
}

HARDWARE static uint32_t behind(const uint64_t words[3], const void *data,
				size_t n)
{
	uint32_t crc = ~0u;

	for (int i = 0; i < 3; i++)
		crc = step8(crc, words[i]);
	return ~by_hardware(crc, data, n);
}

uint32_t shmqi_crc32c(uint32_t crc, const void *data, size_t n)
{
	return hardware ? from(crc, data, n) : ~by_tables(~crc, data, n);
}

uint32_t shmqi_crc32c_behind(const uint64_t words[3], const void *data,
			     size_t n)
{
	return hardware ? behind(words, data, n) :
			  behind_by_tables(words, data, n);
}

#else

uint32_t shmqi_crc32c_behind(const uint64_t words[3], const void *data,
			     size_t n)
{
	return behind_by_tables(words, data, n);
}

uint32_t shmqi_crc32c(uint32_t crc, const void *data, size_t n)
{
	return ~by_tables(~crc, data, n);
}

#endif
