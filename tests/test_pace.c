/* SPDX-License-Identifier: MIT */
/* When a stream is fast enough that who waits in it gives way. */
#include "pace.h"
#include "support.h"

#define US INT64_C(1000)

static void a_first_wait_says_nothing_of_the_stream(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	must(!shmqi_pace_fast(&pace, 5 * US, 1000000));
}

static void many_messages_in_a_short_time_are_fast(void **state)
{
	struct pace pace = { 5 * US, 100 };

	(void)state;
	must(shmqi_pace_fast(&pace, 30 * US, 120));
}

static void a_message_or_a_few_are_not(void **state)
{
	struct pace pace = { 5 * US, 100 };

	(void)state;
	must(!shmqi_pace_fast(&pace, 6 * US, 101));
	must(!shmqi_pace_fast(&pace, 6 * US, 101));
	must(!shmqi_pace_fast(&pace, 7 * US, 116));
}

static void many_in_a_long_time_are_not(void **state)
{
	struct pace pace = { 5 * US, 100 };

	(void)state;
	must(!shmqi_pace_fast(&pace, 5000 * US, 200));
}

static void each_wait_counts_from_the_one_before(void **state)
{
	struct pace pace = { 5 * US, 100 };

	(void)state;
	must(!shmqi_pace_fast(&pace, 5000 * US, 200));
	must(shmqi_pace_fast(&pace, 5100 * US, 300));
	must(!shmqi_pace_fast(&pace, 5200 * US, 300));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_wait_says_nothing_of_the_stream),
		cmocka_unit_test(many_messages_in_a_short_time_are_fast),
		cmocka_unit_test(a_message_or_a_few_are_not),
		cmocka_unit_test(many_in_a_long_time_are_not),
		cmocka_unit_test(each_wait_counts_from_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
