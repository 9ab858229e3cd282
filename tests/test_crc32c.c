/* SPDX-License-Identifier: MIT */
/* CRC32C: known sums, and each way of summing against bit by bit. */
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "support.h"

#define MOST 5000

static uint32_t bit_by_bit(uint32_t crc, const uint8_t *p, size_t n)
{
	crc = ~crc;
	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* Of RFC 3720, B.4. */
static void sums_of_the_standard(bool hardware)
{
	uint8_t data[32];
	uint64_t words[3];

	shmqi_crc32c_choose(hardware);
	must_be(shmqi_crc32c(0, "123456789", 9), 0xe3069283u);
	must_be(shmqi_crc32c(0, "", 0), 0);
	memset(data, 0, sizeof(data));
	must_be(shmqi_crc32c(0, data, 32), 0x8a9136aau);
	memset(data, 0xff, sizeof(data));
	must_be(shmqi_crc32c(0, data, 32), 0x62a8ab43u);
	for (uint8_t i = 0; i < 32; i++)
		data[i] = i;
	must_be(shmqi_crc32c(0, data, 32), 0x46dd794eu);
	memcpy(words, data, sizeof(words));
	must_be(shmqi_crc32c_behind(words, data + 24, 8), 0x46dd794eu);
	must_be(shmqi_crc32c_behind(words, data + 24, 7),
		shmqi_crc32c(0, data, 31));
}

static void sums_are_those_of_the_standard(void **state)
{
	(void)state;
	sums_of_the_standard(true);
	sums_of_the_standard(false);
}

/* Whatever its length, alignment and parts. */
static void every_way_gives_the_same_sum(void **state)
{
	struct chance chance = chance_of(chance_seed(), 0);
	uint8_t *data = malloc(MOST + 8);

	(void)state;
	must(data);
	for (size_t i = 0; i < MOST + 8; i++)
		data[i] = (uint8_t)chance_next(&chance);
	for (int i = 0; i < 3000; i++) {
		size_t n = i < 1000 ? (size_t)i : chance_below(&chance, MOST);
		const uint8_t *p = data + chance_below(&chance, 8);
		size_t cut = chance_below(&chance, n + 1);
		uint32_t want = bit_by_bit(0, p, n);

		shmqi_crc32c_choose(i & 1);
		must_be(shmqi_crc32c(0, p, n), want);
		must_be(shmqi_crc32c(shmqi_crc32c(0, p, cut), p + cut, n - cut),
			want);
	}
	shmqi_crc32c_choose(true);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_those_of_the_standard),
		cmocka_unit_test(every_way_gives_the_same_sum),
	};

	return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
